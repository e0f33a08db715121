#!/usr/bin/env bash
# From sound to words for a source language and for accents and languages with little speech.
#
# The corpus is synthesised by eSpeak NG, many voices in many rooms, so nothing is downloaded: US
# English is the source; Scottish English, Caribbean English and French are the targets. Each gets
# a lexicon, a trigram, monophones, triphones, LDA+MLLT and SAT. On SAT's alignments the source gets
# a network, whose layers are then transferred to each target; beside it the target gets a network
# from scratch. What was transferred is quantized to 8 bits, behind a gate on dev's word errors, and
# packed into one folder that transcribes without TensorFlow; that of the last target is pruned and
# quantized to 4 bits as well, and all are compared. LM weights are chosen on dev, the results are
# those of test. At the end, exp/report.html shows all of it.
#
#   ./run.sh                           everything: 18 minutes on two cores, when .venv is made; two
#                                      when nothing has changed
#   ./run.sh --size full               four times as much English, and so about as much longer
#   ./run.sh --stage 5 --targets fr    the source and one target, from tri1 on
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
size=small         # of the corpus: tiny, small or full
source=en          # the language with much speech; data/<source>
network=tdnn       # of the source; conf/<network>.conf
targets="en-scotland en-caribbean fr"   # one data/<target> each
systems="mono tri1 tri2b tri3b"   # GMM systems of the source to decode; of the targets tri3b
at_once=2          # languages side by side, each with its share of the cores
nj=1               # jobs in parallel, of each of them
corpus=corpus      # where the sound is
conf=conf          # where the steps' options are
data=data          # where data directories, dict, lang and LM are
exp=exp            # where systems are made

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh
. utils/parse_options.sh
. utils/side_by_side.sh
parse_options "$@"
demand systems tri3b   # of which networks have trees and graphs

declare -A espeak=([en]=en-us [en-scotland]=en-gb-scotland [en-caribbean]=en-029 [fr]=fr)
if [[ -z ${targets// /} ]]; then
  echo "run.sh: --targets: is empty (name one, such as fr)" >&2
  exit 1
fi
for lang in $source $targets; do
  if ((10#$stage < 3)) && [[ -z ${espeak[$lang]:-} ]]; then
    echo "run.sh: $lang: no voice of eSpeak NG is known for it (add one to espeak in run.sh)" >&2
    exit 1
  fi
done

# Targets have little speech, so their conf files ask for fewer leaves and Gaussians.
variant() {
  if [[ $1 != "$source" ]]; then echo _target; fi
}

if begin 0 "synthesise the corpus"; then
  synthesise() {
    role=target
    if [[ $1 == "$source" ]]; then role=source; fi
    local/synthesise.py --language "${espeak[$1]}" --size "$size" --role "$role" \
      --nj "$nj" --cmd "$train_cmd" "$corpus/$1"
  }
  side_by_side "$at_once" synthesise $source $targets
fi

if begin 1 "data directories"; then
  for lang in $source $targets; do
    local/prepare_data.py "$corpus/$lang" "$data/$lang"
    for set in train dev test; do
      utils/data/validate_data_dir.py --no-feats "$data/$lang/$set"
    done
  done
fi

if begin 2 "lexicon, lang and trigram"; then
  for lang in $source $targets; do
    utils/lang/prepare_dict_espeak.py --language "${espeak[$lang]}" \
      --plain-text "$data/$lang/lm.txt" "$data/$lang/train/text" "$data/$lang/dict"
    utils/lang/prepare_lang.py "$data/$lang/dict" "<UNK>" "$data/$lang/lang"
    utils/lang/train_ngram.py --order 3 --oov skip "$data/$lang/lm.txt" "$data/$lang/lm/3gram.arpa"
    utils/lang/format_lm.py "$data/$lang/lang" "$data/$lang/lm/3gram.arpa" \
      "$data/$lang/lang_test"
  done
fi

if begin 3 "MFCC and CMVN"; then
  features() {
    for set in train dev test; do
      steps/features/make_mfcc.py --config "$conf/mfcc.conf" --nj "$nj" --cmd "$train_cmd" \
        "$data/$1/$set"
      steps/features/compute_cmvn.py "$data/$1/$set"
    done
  }
  side_by_side "$at_once" features $source $targets
fi

if begin 4 "mono: monophones from a flat start"; then
  mono() {
    steps/hmm/train_mono.py --config "$conf/mono.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$1/train" "$data/$1/lang" "$exp/$1/mono"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$1/train" "$data/$1/lang" "$exp/$1/mono" "$exp/$1/mono_ali"
  }
  side_by_side "$at_once" mono $source $targets
fi

if begin 5 "tri1: triphones on deltas"; then
  tri1() {
    steps/hmm/train_deltas.py --config "$conf/tri1$(variant "$1").conf" \
      --nj "$nj" --cmd "$train_cmd" \
      "$data/$1/train" "$data/$1/lang" "$exp/$1/mono_ali" "$exp/$1/tri1"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$1/train" "$data/$1/lang" "$exp/$1/tri1" "$exp/$1/tri1_ali"
  }
  side_by_side "$at_once" tri1 $source $targets
fi

if begin 6 "tri2b: LDA+MLLT"; then
  tri2b() {
    steps/hmm/train_lda_mllt.py --config "$conf/tri2b$(variant "$1").conf" \
      --nj "$nj" --cmd "$train_cmd" \
      "$data/$1/train" "$data/$1/lang" "$exp/$1/tri1_ali" "$exp/$1/tri2b"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$1/train" "$data/$1/lang" "$exp/$1/tri2b" "$exp/$1/tri2b_ali"
  }
  side_by_side "$at_once" tri2b $source $targets
fi

if begin 7 "tri3b: SAT with fMLLR per speaker"; then
  tri3b() {
    steps/hmm/train_sat.py --config "$conf/tri3b$(variant "$1").conf" \
      --nj "$nj" --cmd "$train_cmd" \
      "$data/$1/train" "$data/$1/lang" "$exp/$1/tri2b_ali" "$exp/$1/tri3b"
  }
  side_by_side "$at_once" tri3b $source $targets
fi

# The GMM systems of a language that are decoded.
systems_of() {
  if [[ $1 == "$source" ]]; then echo "$systems"; else echo tri3b; fi
}

if begin 8 "graphs and decoding"; then
  decode_gmms() {
    for system in $(systems_of "$1"); do
      steps/decode/make_graph.py "$data/$1/lang_test" "$exp/$1/$system" "$exp/$1/$system/graph"
      decode=decode
      if [[ $system == tri3b ]]; then decode=decode_fmllr; fi   # two passes, adapted to speakers
      for set in dev test; do
        steps/decode/$decode.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/$1/$system/graph" "$data/$1/$set" "$exp/$1/$system/decode_$set"
      done
    done
  }
  side_by_side "$at_once" decode_gmms $source $targets
fi

if begin 9 "log mel energies, and copies at other speeds, for networks"; then
  nnet_features() {
    utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/$1/train" "$data/$1/nnet/train"
    for set in dev test; do
      utils/data/copy_data_dir.py "$data/$1/$set" "$data/$1/nnet/$set"
    done
    for set in train dev test; do
      steps/features/make_fbank.py --config "$conf/fbank.conf" --nj "$nj" --cmd "$train_cmd" \
        "$data/$1/nnet/$set"
      steps/features/compute_cmvn.py "$data/$1/nnet/$set"
    done
  }
  side_by_side "$at_once" nnet_features $source $targets
fi

if begin 10 "networks of source and targets alone, on the alignments of tri3b"; then
  scratch() {
    steps/nnet/train.py --config "$conf/$network$(variant "$1").conf" \
      "$data/$1/nnet/train" "$exp/$1/tri3b" "$exp/$1/$network"
  }
  side_by_side "$at_once" scratch $source $targets
fi

if begin 11 "transfer: targets on the source network's layers"; then
  transfer() {
    steps/transfer/map_phones.py --alidir "$exp/$1/tri3b" --lang "$data/$1/lang" \
      "$exp/$source/$network" "$exp/$1/tri3b" "$exp/$1/map"
    steps/transfer/transfer.py --config "$conf/transfer.conf" --pdf-map "$exp/$1/map" \
      --scratch "$exp/$1/$network" "$exp/$source/$network" "$data/$1/nnet/train" \
      "$exp/$1/tri3b" "$exp/$1/${network}_transfer"
  }
  side_by_side "$at_once" transfer $targets
fi

# The networks of a language.
networks_of() {
  echo "$network"
  if [[ $1 != "$source" ]]; then echo "${network}_transfer"; fi
}

# Decodes dev and test: decode_network <language> <its network directory>
decode_network() {
  for set in dev test; do
    # A network has the tree of tri3b, and so its graph.
    steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
      "$exp/$1/tri3b/graph" "$data/$1/nnet/$set" "$2/decode_$set"
  done
}

if begin 12 "decoding with the networks, and with the source's after each transfer"; then
  decode_networks() {
    if [[ $1 == */source ]]; then
      steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
        "$exp/$source/tri3b/graph" "$data/$source/nnet/test" "$exp/$1/decode_test"
    else
      decode_network "${1%/*}" "$exp/$1"
    fi
  }
  networks=""
  for lang in $source $targets; do networks+=$(printf " $lang/%s" $(networks_of "$lang")); done
  for lang in $targets; do networks+=" $lang/${network}_transfer/source"; done
  side_by_side "$at_once" decode_networks $networks
fi

# Chooses the LM weight on dev, and applies it to test: score_pair <data> <graph> <system>
score_pair() {
  steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
    "$1/dev" "$2" "$3/decode_dev"
  steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
    --dev "$3/decode_dev" "$1/test" "$2" "$3/decode_test"
}

if begin 13 "word error rates"; then
  score_all() {
    for system in $(systems_of "$1"); do
      score_pair "$data/$1" "$exp/$1/$system/graph" "$exp/$1/$system"
    done
    for system in $(networks_of "$1"); do
      score_pair "$data/$1/nnet" "$exp/$1/tri3b/graph" "$exp/$1/$system"
    done
  }
  side_by_side "$at_once" score_all $source $targets
  for lang in $targets; do
    steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
      --dev "$exp/$source/$network/decode_dev" "$data/$source/nnet/test" \
      "$exp/$source/tri3b/graph" "$exp/$lang/${network}_transfer/source/decode_test"
    steps/score/compare_wer.py "$exp/$lang/$network/decode_test" \
      "$exp/$lang/${network}_transfer/decode_test"
  done
fi

# Networks of a target made smaller: exp/<target>/<network>_transfer/<variant>, all of them of the
# last target.
variants_of() {
  if [[ $1 == "${targets##* }" ]]; then echo "pruned int8 int4 pruned_int8"; else echo int8; fi
}
small=""   # <target>/<variant> of all
for lang in $targets; do small+=$(printf " $lang/%s" $(variants_of "$lang")); done

if begin 14 "small: 8 bits; of the last target 4 bits and half of the weights too; gated"; then
  compress() {
    lang=${1%/*}
    variant=${1#*/}
    from=$exp/$lang/${network}_transfer
    gate=(--baseline "$from/decode_dev" --nj "$nj" --cmd "$decode_cmd")
    if [[ $variant == pruned ]]; then
      steps/compress/prune.py --config "$conf/pruned.conf" "${gate[@]}" \
        "$from" "$data/$lang/nnet/train" "$exp/$lang/tri3b" "$from/pruned"
    else
      of=$from
      if [[ $variant == pruned_* ]]; then of=$from/pruned; fi
      steps/compress/quantize.py --config "$conf/$variant.conf" "${gate[@]}" \
        "$of" "$data/$lang/nnet/train" "$from/$variant"
    fi
  }
  side_by_side "$at_once" compress ${small% *}
  compress "${small##* }"   # what has been pruned, in 8 bits
fi

if begin 15 "what each of them cost: bytes, speed and word errors"; then
  score_small() {
    lang=${1%/*}
    small_network=$exp/$lang/${network}_transfer/${1#*/}
    decode_network "$lang" "$small_network"
    score_pair "$data/$lang/nnet" "$exp/$lang/tri3b/graph" "$small_network"
  }
  side_by_side "$at_once" score_small $small
  lang=${targets##* }
  from=$exp/$lang/${network}_transfer
  rows=("float=$from,$from/decode_dev,$from/decode_test")
  for variant in $(variants_of "$lang"); do
    rows+=("$variant=$from/$variant,$from/$variant/decode_dev,$from/$variant/decode_test")
  done
  steps/compress/benchmark.py --config "$conf/benchmark.conf" --graph "$exp/$lang/tri3b/graph" \
    "$data/$lang/nnet/test" "$exp/$lang/benchmark" "${rows[@]}"
fi

if begin 16 "packages, and words of a sound file"; then
  package() {
    from=$exp/$1/${network}_transfer
    steps/package/package.py --config "$conf/package.conf" --name "$1" --language "$1" \
      --dev "$from/int8/decode_dev" --decode "$from/int8/decode_test" --trainable "$from" \
      --lexicon "$data/$1/dict/lexicon.txt" --sound "$data/$1/test" \
      "$from/int8" "$exp/$1/tri3b/graph" "$data/$1/lang_test" "$exp/$1/package"
  }
  side_by_side "$at_once" package $targets
  sound=$(awk 'NR == 1 { sub(/^[^ ]+ /, ""); print }' "$data/${targets##* }/test/wav.scp")
  steps/package/transcribe.py "$exp/${targets##* }/package.zip" "$sound"
fi

if begin 17 "results, and a page that shows them"; then
  decodes=()
  for lang in $source $targets; do
    for system in $(systems_of "$lang") $(networks_of "$lang"); do
      decodes+=("$exp/$lang/$system/decode_test")
    done
  done
  for lang in $targets; do
    for variant in $(variants_of "$lang") source; do
      decodes+=("$exp/$lang/${network}_transfer/$variant/decode_test")
    done
  done
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
  steps/report/make_report.py --data "$data" "$exp" "$exp/report.html"
  echo "look at $exp/report.html" >&2
fi
