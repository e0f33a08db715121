#!/usr/bin/env bash
# Common Voice: accents of English, French or any of its languages, from a network of LibriSpeech.
#
# Each target has the published train, dev and test sets of its language, or what speakers of its
# accent said of them. Parts of train are nested. The LM knows the sentences of train, of all
# accents, whatever the size: it is sound that is little. The source is the network of
# ../librispeech, which is trained first. An hour and a half a target on two cores, of which test
# may take most (--test-size 1000), and the source before it (estimated).
#
# Common Voice's archives want its terms accepted, at commonvoice.mozilla.org, and are given out
# there by links, one a language. That of English has 80 GB and more, that of Welsh 4.
#
#   ./run.sh --url "https://... https://..."   fetches English and French by the links given
#   ./run.sh --corpus /data/commonvoice        the directory with cv-corpus-*/ is on disk already
#   ./run.sh --corpus /data/commonvoice --targets cy --version cv-corpus-17.0-2024-03-15
#   ./run.sh --corpus /data/commonvoice --targets fr --lexicon graphemes --sizes "60 600 all"
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
targets="en-scotland en-india fr"   # of the lists below, or any language as Common Voice calls it
sizes="30 60"      # minutes of each to train on, each a part of the next; 600 and all as well
corpus=""          # the directory with cv-corpus-*/ or <language>/; none: --url is fetched
url=""             # links to the archives of the targets' languages, in the order of the targets
checksum=""        # of each, sha256:... or md5:..., in the same order; none: not compared
version=""         # such as cv-corpus-17.0-2024-03-15, if several are on disk
train=train        # train.tsv; or validated.tsv without what is of dev and test: validated
dev_size=1000      # utterances of dev, at random; 0 for all
test_size=0        # the same of test
lexicon=espeak     # espeak, graphemes, or a file that has the words of all targets
source=""          # a network to transfer; none: ../librispeech/exp/<source_part>/nnet/<seed>
source_part=mini   # of LibriSpeech: mini, 100 or 960
librispeech=""     # LibriSpeech/ on disk; none: it is fetched
librispeech_lexicon=""   # its librispeech-lexicon.txt; none: it is fetched
systems="tri3b"    # GMM systems to decode and score: mono tri1 tri2b tri3b
seeds=0            # networks of targets from each of these seeds; the source from the first
nj=2               # jobs in parallel
data=data          # where data directories, dict, lang and LM of the targets are
conf=conf          # where the steps' options are
exp=exp            # where systems are made

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh
. utils/parse_options.sh
parse_options "$@"

# What is no language: its language, its names in the column accents (of older versions too), and
# eSpeak's name. Any other target is a language; eSpeak knows most by what stands before the dash.
declare -A language=([en-scotland]=en [en-india]=en [en-england]=en [en-us]=en)
declare -A accents=([en-scotland]="Scottish English|scotland"
  [en-india]="India and South Asia (India, Pakistan, Sri Lanka)|indian"
  [en-england]="England English|england" [en-us]="United States English|us")
declare -A espeak=([en-scotland]=en-gb-scotland [en-india]=en [en-england]=en [en-us]=en-us
  [en]=en-us [zh-CN]=cmn [zh-TW]=cmn [zh-HK]=yue [kmr]=ku)

# Networks on a part of a target: exp/<target>/<size>/<network>/<seed>
networks="scratch transfer"
from=${source:-../librispeech/exp/$source_part/nnet/${seeds%% *}}   # the source network
parts=""   # what systems train on: data/<target>/<size>/train
for target in $targets; do parts+=$(printf " $target/%s" $sizes); done
languages=$(for target in $targets; do echo "${language[$target]:-$target}"; done |
  awk '!seen[$0]++')

# The rules of a language's text.
rules_of() {
  local name=$conf/normalise_${language[$1]:-$1}.tsv
  if [[ -f $name ]]; then echo "$name"; else echo "$conf/normalise.tsv"; fi
}

if begin 0 "data, and sentences to words"; then
  if [[ -z $corpus ]]; then
    corpus=corpus
    read -ra urls <<<"$url"
    read -ra checksums <<<"$checksum"
    for lang in $languages; do
      local/download.py --url "${urls[0]:-}" --checksum "${checksums[0]:-}" "$corpus" "$lang"
      urls=("${urls[@]:1}") checksums=("${checksums[@]:1}")
    done
  fi
  for target in $targets; do
    local/prepare_data.py --language "${language[$target]:-$target}" --version "$version" \
      --accents "${accents[$target]:-}" --train "$train" --max-dev "$dev_size" \
      --max-test "$test_size" "$corpus" "$data/$target/raw"
    for set in train dev test; do
      utils/data/normalise_text.py "$(rules_of "$target")" "$data/$target/raw/$set" \
        "$data/$target/$set"
      utils/data/validate_data_dir.py --no-feats "$data/$target/$set"
    done
    utils/data/normalise_text.py --plain-text "$(rules_of "$target")" "$data/$target/raw/lm.txt" \
      "$data/$target/lm/sentences.txt"
  done
fi

if begin 1 "lexicon, lang and trigram"; then
  for target in $targets; do
    texts=(--plain-text "$data/$target/lm/sentences.txt" "$data/$target/train/text")
    if [[ $lexicon == espeak ]]; then
      utils/lang/prepare_dict_espeak.py --language "${espeak[$target]:-${target%%-*}}" \
        "${texts[@]}" "$data/$target/dict"
    elif [[ $lexicon == graphemes ]]; then
      utils/lang/prepare_dict_graphemes.py "${texts[@]}" "$data/$target/dict"
    else
      utils/lang/prepare_dict_lexicon.py "$lexicon" "${texts[@]}" "$data/$target/dict"
    fi
    utils/lang/prepare_lang.py "$data/$target/dict" "<UNK>" "$data/$target/lang"
    utils/lang/train_ngram.py --order 3 --oov skip --vocab "$data/$target/lang" \
      "$data/$target/lm/sentences.txt" "$data/$target/lm/3gram.arpa.gz"
    utils/lang/prune.py --config "$conf/prune.conf" "$data/$target/lm/3gram.arpa.gz" \
      "$data/$target/lm/3gram_pruned.arpa.gz"
    utils/lang/format_lm.py "$data/$target/lang" "$data/$target/lm/3gram_pruned.arpa.gz" \
      "$data/$target/lang_test"
  done
fi

if begin 2 "nested parts of the training sets"; then
  for part in $parts; do
    if [[ $part == */all ]]; then
      utils/data/copy_data_dir.py "$data/${part%/*}/train" "$data/$part/train"
    else
      utils/data/subset_data_dir.py --minutes "${part##*/}" "$data/${part%/*}/train" \
        "$data/$part/train"
    fi
  done
fi

if begin 3 "MFCC and CMVN"; then
  for set in $(printf '%s/train ' $parts) $(printf '%s/dev ' $targets) \
    $(printf '%s/test ' $targets); do
    steps/features/make_mfcc.py --config "$conf/mfcc.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$set"
    steps/features/compute_cmvn.py "$data/$set"
  done
fi

if begin 4 "mono: monophones from a flat start"; then
  for part in $parts; do
    steps/hmm/train_mono.py --config "$conf/mono.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/mono"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/mono" "$exp/$part/mono_ali"
  done
fi

if begin 5 "tri1: triphones on deltas"; then
  for part in $parts; do
    steps/hmm/train_deltas.py --config "$conf/tri_${part##*/}.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/mono_ali" "$exp/$part/tri1"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/tri1" "$exp/$part/tri1_ali"
  done
fi

if begin 6 "tri2b: LDA+MLLT"; then
  for part in $parts; do
    steps/hmm/train_lda_mllt.py --config "$conf/tri_${part##*/}.conf" --nj "$nj" \
      --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/tri1_ali" "$exp/$part/tri2b"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/tri2b" "$exp/$part/tri2b_ali"
  done
fi

if begin 7 "tri3b: SAT with fMLLR per speaker, and its graph"; then
  for part in $parts; do
    steps/hmm/train_sat.py --config "$conf/tri_${part##*/}.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/tri2b_ali" "$exp/$part/tri3b"
    steps/decode/make_graph.py "$data/${part%/*}/lang_test" "$exp/$part/tri3b" \
      "$exp/$part/tri3b/graph"
  done
fi

if begin 8 "decoding with the GMM systems"; then
  for part in $parts; do
    for system in $systems; do
      steps/decode/make_graph.py "$data/${part%/*}/lang_test" "$exp/$part/$system" \
        "$exp/$part/$system/graph"
      decode=decode
      if [[ $system == tri3b ]]; then decode=decode_fmllr; fi   # two passes, adapted to speakers
      for set in dev test; do
        steps/decode/$decode.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/$part/$system/graph" "$data/${part%/*}/$set" "$exp/$part/$system/decode_$set"
      done
    done
  done
fi

if begin 9 "the source: a network of LibriSpeech"; then
  if [[ -z $source && ! -e $from/final.keras ]]; then   # what is there may be made otherwise
    ../librispeech/run.sh --stop-stage 9 --part "$source_part" \
      --corpus "${librispeech:+$(realpath "$librispeech")}" \
      --lexicon "${librispeech_lexicon:+$(realpath "$librispeech_lexicon")}" \
      --systems "" --seeds "${seeds%% *}" --nj "$nj" \
      --train-cmd "$train_cmd" --decode-cmd "$decode_cmd"
  fi
fi

if begin 10 "log mel energies, and copies at other speeds, for networks"; then
  for part in $parts; do
    utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/$part/train" "$data/$part/nnet/train"
  done
  for target in $targets; do
    for set in dev test; do
      utils/data/copy_data_dir.py "$data/$target/$set" "$data/$target/nnet/$set"
    done
  done
  for set in $(printf '%s/nnet/train ' $parts) $(printf '%s/nnet/dev ' $targets) \
    $(printf '%s/nnet/test ' $targets); do
    steps/features/make_fbank.py --config "$conf/fbank.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$set"
    steps/features/compute_cmvn.py "$data/$set"
  done
fi

if begin 11 "networks from scratch: the target alone"; then
  for part in $parts; do
    for seed in $seeds; do
      steps/nnet/train.py --config "$conf/nnet.conf" --config "$conf/nnet_${part##*/}.conf" \
        --seed "$seed" "$data/$part/nnet/train" "$exp/$part/tri3b" "$exp/$part/scratch/$seed"
    done
  done
fi

if begin 12 "transfer: the target on the source network's layers, outputs begin by sound"; then
  for part in $parts; do
    steps/transfer/map_phones.py --alidir "$exp/$part/tri3b" --lang "$data/${part%/*}/lang" \
      "$from" "$exp/$part/tri3b" "$exp/$part/map"
    for seed in $seeds; do
      steps/transfer/transfer.py --config "$conf/transfer.conf" \
        --config "$conf/nnet_${part##*/}.conf" --pdf-map "$exp/$part/map" --seed "$seed" \
        --scratch "$exp/$part/scratch/$seed" \
        "$from" "$data/$part/nnet/train" "$exp/$part/tri3b" "$exp/$part/transfer/$seed"
    done
  done
fi

if begin 13 "before any of a target was heard: monophones from the sounds of the source"; then
  for target in $targets; do
    zero=$exp/$target/0/transfer
    steps/hmm/make_mono_tree.py "$data/$target/lang" "$zero/tree"
    steps/transfer/map_phones.py --lang "$data/$target/lang" "$from" "$zero/tree" "$zero/map"
    steps/transfer/transfer.py --output map --pdf-map "$zero/map" --num-epochs 0 \
      "$from" "$data/$target/nnet/dev" "$zero/tree" "$zero/network"
    steps/decode/make_graph.py "$data/$target/lang_test" "$zero/network" "$zero/graph"
    for set in dev test; do
      steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
        --model "$zero/network" "$zero/graph" "$data/$target/nnet/$set" "$zero/decode_$set"
    done
  done
fi

if begin 14 "decoding with the networks"; then
  for part in $parts; do
    for network in $networks; do
      for seed in $seeds; do
        for set in dev test; do
          # The tree is tri3b's, and so the graph.
          steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
            "$exp/$part/tri3b/graph" "$data/${part%/*}/nnet/$set" \
            "$exp/$part/$network/$seed/decode_$set"
        done
      done
    done
  done
fi

# Chooses the LM weight on dev, and applies it to test: score_pair <data> <graph> <system>
score_pair() {
  steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
    "$1/dev" "$2" "$3/decode_dev"
  steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
    --dev "$3/decode_dev" "$1/test" "$2" "$3/decode_test"
  decodes+=("$3/decode_test")
}

# The decode directories of a part's networks, a seed each, commas between.
of_seeds() {
  local tests=()
  for seed in $seeds; do tests+=("$exp/$1/$seed/decode_test"); done
  (IFS=,; echo "${tests[*]}")
}

if begin 20 "word error rates"; then
  for target in $targets; do
    decodes=()
    zero=$exp/$target/0/transfer
    score_pair "$data/$target/nnet" "$zero/graph" "$zero"
    for size in $sizes; do
      part=$exp/$target/$size
      for system in $systems; do
        score_pair "$data/$target" "$part/$system/graph" "$part/$system"
      done
      for network in $networks; do
        for seed in $seeds; do
          score_pair "$data/$target/nnet" "$part/tri3b/graph" "$part/$network/$seed"
        done
      done
    done
    steps/score/results.py --out "$exp/$target/results" "${decodes[@]}"
  done
fi

if begin 21 "tables with significance, and the learning curves"; then
  for target in $targets; do
    points=()
    for size in $sizes; do
      part=$target/$size
      rows=()
      for system in $systems; do rows+=("$system=$exp/$part/$system/decode_test"); done
      steps/score/table.py --baseline scratch --out "$exp/$part/table" "${rows[@]}" \
        zero="$exp/$target/0/transfer/decode_test" \
        scratch="$(of_seeds "$part/scratch")" transfer="$(of_seeds "$part/transfer")"
      minutes=$size
      if [[ $size == all ]]; then
        minutes=$(awk '{ s += $2 } END { printf "%.0f", s / 60 }' "$data/$part/train/utt2dur")
      fi
      points+=("scratch:$minutes=$(of_seeds "$part/scratch")"
        "transfer:$minutes=$(of_seeds "$part/transfer")")
    done
    steps/score/learning_curve.py --title "LibriSpeech to $target" \
      "$exp/$target/learning_curve.png" "${points[@]}"
  done
fi
