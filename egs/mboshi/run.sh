#!/usr/bin/env bash
# Mboshi, a Bantu language with two tones: recognisers from 10, 30 and 60 minutes and 4 hours.
#
# 4616 utterances of 3 speakers to train on, 250 of which are held out as a development set, and
# the published development set, of the same speakers, to test. Letters are the phones, tone marks
# are kept. Lexicon and LM know the text of all of the training set whatever the size: it is sound
# that is little. One test word in six is not in that text, so words are compared with subwords.
# Several hours on two cores (estimated), two of them for the source.
#
#   ./run.sh                           fetches the corpus to corpus/ (about 500 MB), runs all
#   ./run.sh --corpus /data/mboshi     the corpus is on disk already
#   ./run.sh --sizes "10 30"           with ten and with thirty minutes only
#   ./run.sh --stage 6                 goes on with tri1
#
# Networks are transferred from the English of ../english, which is trained first; its corpora are
# fetched (580 MB), or taken from --an4 and --speechocean762.
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
corpus=""          # the directory with full_corpus_newsplit/; none: it is fetched
sizes="10 30 60 all"   # minutes to train on, each a part of the next; systems in exp/<size>
small_size=30      # of them, that whose networks are made smaller; if it is none, the last
trained="pruned50 pruned70 pruned90 half factored student"   # ways to make them smaller
quantized="int8 int8_static int4 int4_block32 pruned50-int8 half-int8 student-int4"   # bits
dev_size=250       # utterances of the training set to hold out
num_units=200      # subwords
method_size=10     # of them, on which methods are compared; if it is none, the first; "": on none
methods="new frozen slow thaw top keep adapt lora lhuc lin distill"   # conf/method_<method>.conf
mix_weights="0.1 0.2 0.3"   # of the source in its mixture with the target, of which dev chooses
multi=true         # whether one network learns the source's language and the target at once, too
source_dir=../english   # the source's recipe, where paths in its data begin
source_data=../english/data   # data of the source: lang_test, nnet/train, its dev and test sets
source_exp=../english/exp   # systems of the source: tri3b with its alignments, nnet/<seed>
source_tests="test_an4 test_speechocean762"   # what the source may forget; none: ""
source_dev=dev     # of the source, where LM weights for these are chosen
an4=""             # the source's corpora, where they are on disk already: see ../english/run.sh
speechocean762=""  # the same
systems="mono tri1 tri2b tri3b tri3b_bpe"   # GMM systems to decode and score, tri3b among them
subwords=true      # whether networks decode with subwords, too
adapted=true       # whether there are networks on tri3b's adapted features, too
seeds=0            # networks of the target from each of these seeds; the source from the first
nj=2               # jobs in parallel
data=data          # where data directories, dict, lang and LM are
conf=conf          # where the steps' options are
exp=exp            # where systems are made

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh
. utils/parse_options.sh
parse_options "$@"
demand systems tri3b   # of which networks have trees and graphs

if [[ " $sizes " != *" $small_size "* ]]; then small_size=${sizes##* }; fi
if [[ -n $method_size && " $sizes " != *" $method_size "* ]]; then method_size=${sizes%% *}; fi

# Networks of a size: exp/<size>/<network>/<seed>. They decode with words, decode_<set>, and with
# subwords, decode_<set>_bpe.
bpes=("")
if [[ $subwords == true ]]; then bpes+=(_bpe); fi
networks="scratch transfer"
if [[ $adapted == true ]]; then networks+=" scratch_sat transfer_sat"; fi

# Where dev and test are as a network hears them: features_of <size> <network>
features_of() { if [[ $2 == *_sat ]]; then echo "$data/sat/$1"; else echo "$data/nnet"; fi; }

# Features of a size's tri3b, adapted by the transforms of its alignments or decoding, beside log
# mel energies:
# adapt <size> <alignments or decoding> <data with MFCC> <data with log mel energies> <set>
adapt() {
  local fmllr=$data/fmllr/$1/$5 joined=$data/sat/$1/$5
  steps/hmm/make_fmllr_feats.py --nj "$nj" --cmd "$train_cmd" "$3" "$exp/$1/tri3b" "$2" "$fmllr"
  steps/features/paste_feats.py "$fmllr" "$4" "$joined"
  steps/features/compute_cmvn.py "$joined"
}

# Networks by other methods of transfer: exp/<method size>/method/<method>/<seed>. Beside those of
# conf/method_<method>.conf: trained anew on what the transferred network aligned, the transferred
# network trained further by sequences, the source's posteriors mixed with its own, linearly and
# log-linearly, and both languages learnt at once, as they are and further on the target.
mixtures=$(for form in linear loglinear; do printf "$form-%s " $mix_weights; done)
at_once=""
if [[ $multi == true ]]; then at_once="multi multi_tuned"; fi
all_methods=${method_size:+$methods realigned mmi $mixtures $at_once}
# Where the target's network is: target_in .../<method>/<seed>
target_in() { if [[ $1 == */method/multi/* ]]; then echo "$1/target"; else echo "$1"; fi; }

from=$source_exp/nnet/${seeds%% *}   # the source network
zero=$exp/0/transfer

if begin 0 "data"; then
  if [[ -z $corpus ]]; then
    local/download.py corpus
    corpus=corpus/mboshi
  fi
  local/prepare_data.py --dev "$dev_size" "$corpus" "$data"
  for set in train dev test; do
    utils/data/validate_data_dir.py --no-feats "$data/$set"
  done
fi

if begin 1 "nested subsets of the training set"; then
  for size in $sizes; do
    if [[ $size == all ]]; then
      utils/data/copy_data_dir.py "$data/train" "$data/train_all"
    else
      utils/data/subset_data_dir.py --minutes "$size" "$data/train" "$data/train_$size"
    fi
  done
fi

if begin 2 "words: letters as phones, lang and trigram"; then
  # Letters that differ in their tone may share a leaf of the tree.
  utils/lang/prepare_dict_graphemes.py --share-base true "$data/train/text" "$data/dict"
  # Where a letter stands in its word is not told apart, so that systems serve subwords as well.
  utils/lang/prepare_lang.py --position-dependent-phones false "$data/dict" "<UNK>" "$data/lang"
  utils/lang/train_ngram.py --order 3 --oov skip --utt-ids "$data/train/text" "$data/lm/3gram.arpa"
  utils/lang/format_lm.py "$data/lang" "$data/lm/3gram.arpa" "$data/lang_test"
fi

if begin 3 "subwords: units, lang and 5-gram"; then
  utils/lang/prepare_dict_subwords.py --vocab-size "$num_units" "$data/train/text" "$data/dict_bpe"
  utils/lang/prepare_lang.py --position-dependent-phones false \
    --phone-symbol-table "$data/lang/phones.txt" "$data/dict_bpe" "<UNK>" "$data/lang_bpe"
  utils/lang/apply_subwords.py "$data/dict_bpe" "$data/train/text" "$data/lm_bpe/train"
  utils/lang/train_ngram.py --order 5 --oov skip --utt-ids "$data/lm_bpe/train" \
    "$data/lm_bpe/5gram.arpa"
  utils/lang/format_lm.py "$data/lang_bpe" "$data/lm_bpe/5gram.arpa" "$data/lang_test_bpe"
fi

if begin 4 "MFCC and CMVN"; then
  for set in dev test $(printf 'train_%s ' $sizes); do
    steps/features/make_mfcc.py --config "$conf/mfcc.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$set"
    steps/features/compute_cmvn.py "$data/$set"
  done
fi

if begin 5 "mono: monophones from a flat start"; then
  for size in $sizes; do
    steps/hmm/train_mono.py --config "$conf/mono.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/train_$size" "$data/lang" "$exp/$size/mono"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/train_$size" "$data/lang" "$exp/$size/mono" "$exp/$size/mono_ali"
  done
fi

if begin 6 "tri1: triphones on deltas"; then
  for size in $sizes; do
    steps/hmm/train_deltas.py --config "$conf/tri_$size.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/train_$size" "$data/lang" "$exp/$size/mono_ali" "$exp/$size/tri1"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/train_$size" "$data/lang" "$exp/$size/tri1" "$exp/$size/tri1_ali"
  done
fi

if begin 7 "tri2b: LDA+MLLT"; then
  for size in $sizes; do
    steps/hmm/train_lda_mllt.py --config "$conf/tri_$size.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/train_$size" "$data/lang" "$exp/$size/tri1_ali" "$exp/$size/tri2b"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/train_$size" "$data/lang" "$exp/$size/tri2b" "$exp/$size/tri2b_ali"
  done
fi

if begin 8 "tri3b: SAT with fMLLR per speaker"; then
  for size in $sizes; do
    steps/hmm/train_sat.py --config "$conf/tri_$size.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/train_$size" "$data/lang" "$exp/$size/tri2b_ali" "$exp/$size/tri3b"
  done
fi

if begin 9 "graphs and decoding, with words, and tri3b with subwords"; then
  for size in $sizes; do
    for bpe in "${bpes[@]}"; do
      steps/decode/make_graph.py "$data/lang_test$bpe" "$exp/$size/tri3b" \
        "$exp/$size/tri3b/graph$bpe"
    done
    for system in $systems; do
      model=$exp/$size/${system%_bpe}
      bpe=${system#"${system%_bpe}"}   # _bpe or nothing
      decode=decode
      if [[ $system == tri3b* ]]; then decode=decode_fmllr; fi   # two passes, adapted to speakers
      steps/decode/make_graph.py "$data/lang_test$bpe" "$model" "$model/graph$bpe"
      for set in dev test; do
        steps/decode/$decode.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$model/graph$bpe" "$data/$set" "$model/decode_$set$bpe"
      done
    done
  done
fi

if begin 10 "the source: a network of English"; then
  if [[ $source_exp == ../english/exp && ! -e $from/final.keras ]]; then
    ../english/run.sh --stop-stage 8 --an4 "${an4:+$(realpath "$an4")}" \
      --speechocean762 "${speechocean762:+$(realpath "$speechocean762")}" \
      --seeds "${seeds%% *}" --nj "$nj" --train-cmd "$train_cmd" --decode-cmd "$decode_cmd"
  fi
fi

if begin 11 "for networks: log mel energies, copies at other speeds, adapted features"; then
  for size in $sizes; do
    utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/train_$size" "$data/nnet/train_$size"
  done
  for set in dev test; do utils/data/copy_data_dir.py "$data/$set" "$data/nnet/$set"; done
  for set in dev test $(printf 'train_%s ' $sizes); do
    steps/features/make_fbank.py --config "$conf/fbank.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/nnet/$set"
    steps/features/compute_cmvn.py "$data/nnet/$set"
  done
  for size in $(if [[ $adapted == true ]]; then echo "$sizes"; fi); do
    ali=$exp/$size/tri3b_sp_ali
    utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/train_$size" "$data/sp/train_$size"
    steps/features/make_mfcc.py --config "$conf/mfcc.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/sp/train_$size"
    steps/features/compute_cmvn.py "$data/sp/train_$size"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/sp/train_$size" "$data/lang" "$exp/$size/tri3b" "$ali"
    adapt "$size" "$ali" "$data/sp/train_$size" "$data/nnet/train_$size" train
    for set in dev test; do
      adapt "$size" "$exp/$size/tri3b/decode_$set" "$data/$set" "$data/nnet/$set" "$set"
    done
  done
fi

if begin 12 "networks from scratch: the target alone"; then
  for size in $sizes; do
    for seed in $seeds; do
      steps/nnet/train.py --config "$conf/nnet.conf" --config "$conf/nnet_$size.conf" \
        --seed "$seed" "$data/nnet/train_$size" "$exp/$size/tri3b" "$exp/$size/scratch/$seed"
      if [[ $adapted == true ]]; then
        steps/nnet/train.py --config "$conf/nnet.conf" --config "$conf/nnet_$size.conf" \
          --config "$conf/sat.conf" --seed "$seed" "$data/sat/$size/train" \
          "$exp/$size/tri3b_sp_ali" "$exp/$size/scratch_sat/$seed"
      fi
    done
  done
fi

if begin 13 "transfer: the target on the source network's layers, outputs begin by sound"; then
  for size in $sizes; do
    steps/transfer/map_phones.py --alidir "$exp/$size/tri3b" --lang "$data/lang" \
      "$from" "$exp/$size/tri3b" "$exp/$size/map"
    for seed in $seeds; do
      steps/transfer/transfer.py --config "$conf/transfer.conf" --config "$conf/nnet_$size.conf" \
        --pdf-map "$exp/$size/map" --seed "$seed" --scratch "$exp/$size/scratch/$seed" \
        "$from" "$data/nnet/train_$size" "$exp/$size/tri3b" "$exp/$size/transfer/$seed"
      # The source knows no adapted features: beside those that it knows they begin with weights 0.
      if [[ $adapted == true ]]; then
        steps/transfer/transfer.py --config "$conf/transfer.conf" --config "$conf/nnet_$size.conf" \
          --config "$conf/sat.conf" --new-inputs true --pdf-map "$exp/$size/map" --seed "$seed" \
          --scratch "$exp/$size/scratch_sat/$seed" "$from" "$data/sat/$size/train" \
          "$exp/$size/tri3b_sp_ali" "$exp/$size/transfer_sat/$seed"
      fi
    done
  done
fi

if begin 14 "before any of the target was heard: monophones from the sounds of the source"; then
  steps/hmm/make_mono_tree.py "$data/lang" "$zero/tree"
  steps/transfer/map_phones.py --lang "$data/lang" "$from" "$zero/tree" "$zero/map"
  steps/transfer/transfer.py --output map --pdf-map "$zero/map" --num-epochs 0 \
    "$from" "$data/nnet/dev" "$zero/tree" "$zero/network"
  steps/decode/make_graph.py "$data/lang_test" "$zero/network" "$zero/graph"
  for set in dev test; do
    steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
      --model "$zero/network" "$zero/graph" "$data/nnet/$set" "$zero/decode_$set"
  done
fi

if begin 15 "decoding with the networks, with words and with subwords"; then
  for size in $sizes; do
    for network in $networks; do
      for seed in $seeds; do
        for bpe in "${bpes[@]}"; do
          for set in dev test; do
            # The tree is tri3b's, and so the graph.
            steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" \
              --cmd "$decode_cmd" "$exp/$size/tri3b/graph$bpe" \
              "$(features_of "$size" "$network")/$set" "$exp/$size/$network/$seed/decode_$set$bpe"
          done
        done
      done
    done
  done
fi

if begin 16 "other methods of transfer, on one size"; then
  part=$exp/${method_size:-none}
  train=$data/nnet/train_$method_size
  if [[ -n $method_size && $multi == true ]]; then
    utils/data/copy_data_dir.py --paths-from "$source_dir" "$source_data/nnet/train" \
      "$data/source/train"
  fi
  for seed in $(if [[ -n $method_size ]]; then echo "$seeds"; fi); do
    transferred=$part/transfer/$seed
    steps/nnet/align.py --nj "$nj" --cmd "$train_cmd" "$train" "$data/lang" "$transferred" \
      "$transferred/ali"
    for method in $methods realigned; do
      output=(--output map --pdf-map "$part/map") alidir=$part/tri3b config=()
      if [[ $method == new ]]; then output=(--output new); fi
      if [[ $method == realigned ]]; then alidir=$transferred/ali; fi
      if [[ $method != realigned ]]; then config=(--config "$conf/method_$method.conf"); fi
      steps/transfer/transfer.py --config "$conf/nnet_$method_size.conf" \
        --config "$conf/transfer.conf" "${config[@]}" "${output[@]}" --seed "$seed" \
        "$from" "$train" "$alidir" "$part/method/$method/$seed"
    done
    steps/nnet/train_mmi.py --config "$conf/mmi.conf" --seed "$seed" "$train" "$part/tri3b" \
      "$transferred" "$part/method/mmi/$seed"
    for mixture in $mixtures; do
      steps/transfer/mix.py --form "${mixture%-*}" --weight "${mixture#*-}" \
        --pdf-map "$part/map" "$from" "$transferred" "$part/method/$mixture/$seed"
    done
    if [[ $multi == true ]]; then
      steps/nnet/train_multi.py --config "$conf/nnet.conf" \
        --config "$conf/nnet_$method_size.conf" --config "$conf/multi.conf" --seed "$seed" \
        "$part/method/multi/$seed" \
        source="$data/source/train,$source_exp/tri3b" target="$train,$part/tri3b"
      steps/transfer/transfer.py --config "$conf/nnet_$method_size.conf" \
        --config "$conf/transfer.conf" --config "$conf/multi_tuned.conf" --seed "$seed" \
        "$part/method/multi/$seed/target" "$train" "$part/tri3b" "$part/method/multi_tuned/$seed"
    fi
    for method in $all_methods; do
      for set in dev test; do
        steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$part/tri3b/graph" "$data/nnet/$set" \
          "$(target_in "$part/method/$method/$seed")/decode_$set"
      done
    done
  done
fi

if begin 17 "what the source has forgotten: its own test sets, before and after"; then
  if [[ -n $source_tests ]]; then
    steps/decode/make_graph.py "$source_data/lang_test" "$source_exp/tri3b" \
      "$source_exp/tri3b/graph"
    for set in "$source_dev" $source_tests; do
      utils/data/copy_data_dir.py --paths-from "$source_dir" "$source_data/nnet/$set" \
        "$data/source/$set"
      steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
        --model "$from" "$source_exp/tri3b/graph" "$data/source/$set" "$exp/source/decode_$set"
    done
  fi
  for size in $sizes; do
    after=$exp/$size/transfer/${seeds%% *}/source
    for set in $source_tests; do
      steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
        "$source_exp/tri3b/graph" "$data/source/$set" "$after/decode_$set"
    done
  done
fi

# Chooses the LM weight on the development set, and applies it to the test set:
# score_pair <data> <graph> <system> [_bpe]; subwords are joined to words before they are scored
score_pair() {
  steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
    "$1/dev" "$2" "$3/decode_dev${4:-}"
  steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
    --dev "$3/decode_dev${4:-}" "$1/test" "$2" "$3/decode_test${4:-}"
}

# The decode directories of a size's networks, a seed each, commas between.
of_seeds() {
  local decodes=()
  for seed in $seeds; do decodes+=("$(target_in "$exp/$1/$seed")/$2"); done
  (IFS=,; echo "${decodes[*]}")
}

if begin 20 "word and character error rates"; then
  decodes=()
  for size in $sizes; do
    for system in $systems; do
      model=$exp/$size/${system%_bpe}
      bpe=${system#"${system%_bpe}"}
      score_pair "$data" "$model/graph$bpe" "$model" "$bpe"
      decodes+=("$model/decode_test$bpe")
    done
    if [[ $systems == *tri3b_bpe* ]]; then
      steps/score/compare_wer.py "$exp/$size/tri3b/decode_test" "$exp/$size/tri3b/decode_test_bpe"
    fi
    for network in $networks; do
      for seed in $seeds; do
        for bpe in "${bpes[@]}"; do
          score_pair "$(features_of "$size" "$network")" "$exp/$size/tri3b/graph$bpe" \
            "$exp/$size/$network/$seed" "$bpe"
          decodes+=("$exp/$size/$network/$seed/decode_test$bpe")
        done
      done
    done
  done
  score_pair "$data/nnet" "$zero/graph" "$zero"
  decodes+=("$zero/decode_test")
  for method in $all_methods; do
    for seed in $seeds; do
      score_pair "$data/nnet" "$exp/$method_size/tri3b/graph" \
        "$(target_in "$exp/$method_size/method/$method/$seed")"
    done
  done
  if [[ -n $source_tests ]]; then
    steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
      "$data/source/$source_dev" "$source_exp/tri3b/graph" "$exp/source/decode_$source_dev"
  fi
  networks_of_source=("$exp/source")
  for size in $sizes; do
    networks_of_source+=("$exp/$size/transfer/${seeds%% *}/source")
  done
  for set in $source_tests; do
    for network in "${networks_of_source[@]}"; do
      steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
        --dev "$exp/source/decode_$source_dev" "$data/source/$set" "$source_exp/tri3b/graph" \
        "$network/decode_$set"
    done
  done
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
fi

if begin 21 "tables with significance, and the learning curve"; then
  points=()
  for size in $sizes; do
    rows=()
    for system in $systems; do
      rows+=("$system=$exp/$size/${system%_bpe}/decode_test${system#"${system%_bpe}"}")
    done
    rows+=("zero=$zero/decode_test")
    for network in $networks; do
      for bpe in "${bpes[@]}"; do
        rows+=("$network$bpe=$(of_seeds "$size/$network" "decode_test$bpe")")
      done
    done
    steps/score/table.py --baseline scratch --out "$exp/$size/table" "${rows[@]}"
    if [[ $adapted == true ]]; then
      rows=()
      for network in scratch_sat transfer_sat; do
        rows+=("$network=$(of_seeds "$size/$network" decode_test)")
      done
      steps/score/table.py --baseline scratch_sat --out "$exp/$size/table_sat" \
        tri3b="$exp/$size/tri3b/decode_test" "${rows[@]}"
    fi
    minutes=$size
    if [[ $size == all ]]; then
      minutes=$(awk '{ s += $2 } END { printf "%.0f", s / 60 }' "$data/train_all/utt2dur")
    fi
    points+=("GMM:$minutes=$exp/$size/tri3b/decode_test")
    for network in $networks; do
      points+=("$network:$minutes=$(of_seeds "$size/$network" decode_test)")
    done
  done
  # What is chosen among methods, such as a mixture's weight, the first of these tables chooses.
  for set in $(if [[ -n $method_size ]]; then echo dev test; fi); do
    rows=()
    for method in $all_methods; do
      rows+=("$method=$(of_seeds "$method_size/method/$method" "decode_$set")")
    done
    steps/score/table.py --baseline transfer --out "$exp/$method_size/methods_$set" \
      scratch="$(of_seeds "$method_size/scratch" "decode_$set")" \
      transfer="$(of_seeds "$method_size/transfer" "decode_$set")" "${rows[@]}"
  done
  for set in $source_tests; do
    rows=()
    for size in $sizes; do
      rows+=("after_$size=$exp/$size/transfer/${seeds%% *}/source/decode_$set")
    done
    steps/score/table.py --baseline before --out "$exp/forgotten_${set#test_}" \
      before="$exp/source/decode_$set" "${rows[@]}"
  done
  steps/score/learning_curve.py --title "English to Mboshi" "$exp/learning_curve.png" \
    "${points[@]}"
fi

# The networks by transfer of one size, made smaller: <variant> of conf/<variant>.conf, of which
# <other>-<variant> takes another variant further.
small="$trained $quantized"

# The step of steps/compress that trains a variant.
step_of() {
  case $1 in
    factored) echo factor ;;
    student) echo distill ;;
    *) echo prune ;;
  esac
}

# None is refused: the table is to show what each of them costs.
if begin 22 "small: a transfer's networks pruned, factored, distilled and quantized"; then
  for seed in $seeds; do
    from=$exp/$small_size/transfer/$seed
    gate=(--no-gate --baseline "$from/decode_dev" --nj "$nj" --cmd "$decode_cmd")
    for variant in $trained; do
      steps/compress/"$(step_of "$variant")".py --config "$conf/$variant.conf" --seed "$seed" \
        "${gate[@]}" "$from" "$data/nnet/train_$small_size" "$exp/$small_size/tri3b" \
        "$from/$variant"
    done
    for variant in $quantized; do
      of=$from
      if [[ $variant == *-* ]]; then of=$from/${variant%-*}; fi
      steps/compress/quantize.py --config "$conf/${variant#*-}.conf" "${gate[@]}" \
        "$of" "$data/nnet/train_$small_size" "$from/$variant"
    done
  done
fi

if begin 23 "decoding with them, and word error rates"; then
  for seed in $seeds; do
    for variant in $small; do
      from=$exp/$small_size/transfer/$seed/$variant
      for set in dev test; do
        steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/$small_size/tri3b/graph" "$data/nnet/$set" "$from/decode_$set"
      done
      score_pair "$data/nnet" "$exp/$small_size/tri3b/graph" "$from"
    done
  done
fi

if begin 24 "what each of them costs: bytes, speed, memory and word errors"; then
  table=("float=$(of_seeds "$small_size/transfer" decode_test)")
  for variant in $small; do
    table+=("$variant=$(of_seeds "$small_size/transfer" "$variant/decode_test")")
  done
  steps/score/table.py --baseline float --out "$exp/$small_size/small" "${table[@]}"
  for seed in $seeds; do
    from=$exp/$small_size/transfer/$seed
    rows=("float=$from,$from/decode_dev,$from/decode_test")
    for variant in $small; do
      rows+=("$variant=$from/$variant,$from/$variant/decode_dev,$from/$variant/decode_test")
    done
    steps/compress/benchmark.py --config "$conf/benchmark.conf" \
      --graph "$exp/$small_size/tri3b/graph" "$data/nnet/test" "$from/benchmark" "${rows[@]}"
  done
fi

if begin 25 "a package"; then
  from=$exp/$small_size/transfer/${seeds%% *}
  packed=$from/${quantized%% *}   # the first of them
  steps/package/package.py --config "$conf/package.conf" --dev "$packed/decode_dev" \
    --decode "$packed/decode_test" --trainable "$from" --lexicon "$data/dict/lexicon.txt" \
    --sound "$data/test" "$packed" "$exp/$small_size/tri3b/graph" "$data/lang_test" \
    "$exp/package"
fi
