#!/usr/bin/env bash
# Digits at 8 kHz by speakers with accents of their own: each is a target, with seconds to minutes.
#
# The Free Spoken Digit Dataset has 50 recordings of each digit by each of 6 speakers: two from the
# USA, one Greek, one Belgian, two Germans. Those not from the USA are the targets. Of a target, 1,
# 3, 10 or 40 recordings of each digit are for training (4 seconds to 3 minutes), 5 for development,
# and the 5 that are published as the test set for that. Source: the English of ../english, 3.2
# hours, resampled to 8 kHz; beside it the five other speakers (leave one out). Two and a half hours
# on two cores (estimated), most of it the source.
#
#   ./run.sh                          fetches the corpora (600 MB), runs all
#   ./run.sh --corpus /data/fsdd --an4 /data/an4 --speechocean762 /data/speechocean762
#                                     they are on disk already
#   ./run.sh --targets george         one target
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
corpus=""          # the directory with recordings/; none: it is fetched
an4=""             # the directory with AN4's etc/ and wav/; none: it is fetched
speechocean762=""  # the directory with speechocean762's WAVE/; none: it is fetched
source_data=../english/data/8k   # data of the source: lang
source_exp=../english/exp/8k     # systems of the source
targets="george lucas nicolas yweweler"   # accents: Greek, German, Belgian French, German
takes="1 3 10 all"   # recordings of each digit to train on, each a part of the next
seeds=0            # networks of targets from each of these seeds; the source from the first
nj=2               # jobs in parallel
data=data          # where data directories and LM are
conf=conf          # where the steps' options are
exp=exp            # where systems are made

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh
. utils/parse_options.sh
parse_options "$@"

systems="mono tri1 tri2b tri3b"
# Networks of a target's recordings: exp/<target>/<take>/<network>/<seed>. Transfers take the source
# network whole, with its outputs, and learn all of it slowly, or the scales of its hidden units.
networks="scratch transfer lhuc"
from=$source_exp/nnet/${seeds%% *}   # the source network
lang=$source_data/lang   # the digits' pronunciations, and more words that the grammar leaves out

if begin 0 "data"; then
  if [[ -z $corpus ]]; then
    local/download.py corpus
    corpus=corpus/fsdd
  fi
  local/prepare_data.py --takes "${takes//all/}" "$corpus" "$data"
  for target in $targets; do
    for set in $(printf '%s/train ' $takes others) dev test; do
      utils/data/validate_data_dir.py --no-feats "$data/$target/$set"
    done
  done
fi

if begin 1 "the source: English at 8 kHz"; then
  if [[ $source_exp == ../english/exp/8k && ! -e $from/final.keras ]]; then
    ../english/run.sh --stop-stage 8 --an4 "${an4:+$(realpath "$an4")}" \
      --speechocean762 "${speechocean762:+$(realpath "$speechocean762")}" \
      --mfcc mfcc_8k --fbank fbank_8k --seeds "${seeds%% *}" --data data/8k --exp exp/8k \
      --nj "$nj" --train-cmd "$train_cmd" --decode-cmd "$decode_cmd"
  fi
fi

if begin 2 "grammar: one digit or more, all alike"; then
  local/make_grammar.py "$data/${targets%% *}/others/train/text" "$data/lm/digits.arpa"
  utils/lang/format_lm.py "$lang" "$data/lm/digits.arpa" "$data/lang_test"
fi

if begin 3 "MFCC and CMVN"; then
  for target in $targets; do
    for set in $(printf '%s/train ' $takes others) dev test; do
      steps/features/make_mfcc.py --config "$conf/mfcc.conf" --nj "$nj" --cmd "$train_cmd" \
        "$data/$target/$set"
      steps/features/compute_cmvn.py "$data/$target/$set"
    done
  done
fi

if begin 4 "monophones of each target's own recordings"; then
  for target in $targets; do
    for take in $takes; do
      steps/hmm/train_mono.py --config "$conf/mono_$take.conf" --nj "$nj" --cmd "$train_cmd" \
        "$data/$target/$take/train" "$lang" "$exp/$target/$take/mono"
    done
  done
fi

if begin 5 "leave one out: monophones of the other speakers"; then
  for target in $targets; do
    others=$target/others
    steps/hmm/train_mono.py --config "$conf/mono.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$others/train" "$lang" "$exp/$others/mono"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$others/train" "$lang" "$exp/$others/mono" "$exp/$others/mono_ali"
  done
fi

if begin 6 "leave one out: triphones on deltas"; then
  for target in $targets; do
    others=$target/others
    steps/hmm/train_deltas.py --config "$conf/tri.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$others/train" "$lang" "$exp/$others/mono_ali" "$exp/$others/tri1"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$others/train" "$lang" "$exp/$others/tri1" "$exp/$others/tri1_ali"
  done
fi

if begin 7 "leave one out: LDA+MLLT, and SAT with fMLLR per speaker"; then
  for target in $targets; do
    others=$target/others
    steps/hmm/train_lda_mllt.py --config "$conf/tri.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$others/train" "$lang" "$exp/$others/tri1_ali" "$exp/$others/tri2b"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$others/train" "$lang" "$exp/$others/tri2b" "$exp/$others/tri2b_ali"
    steps/hmm/train_sat.py --config "$conf/tri.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$others/train" "$lang" "$exp/$others/tri2b_ali" "$exp/$others/tri3b"
  done
fi

if begin 8 "the source's GMM, adapted to each target: fMLLR, and means by MAP"; then
  for target in $targets; do
    for take in $takes; do
      part=$target/$take
      steps/hmm/align.py --nj 1 --cmd "$train_cmd" "$data/$part/train" "$lang" \
        "$source_exp/tri3b" "$exp/$part/tri3b_ali"
      steps/hmm/adapt_map.py "$data/$part/train" "$exp/$part/tri3b_ali" "$source_exp/tri3b" \
        "$exp/$part/map"
    done
  done
fi

# What is decoded: <systems that were trained on it>/<system>, here for one target.
decoded() {
  printf "$1/%s/mono $1/%s/map " $(for take in $takes; do echo "$take $take"; done)
  printf "$1/others/%s " $systems
  printf 'source/%s ' $systems
}

if begin 9 "graphs and decoding: own monophones, the source adapted, the others, the source"; then
  for target in $targets; do
    for system in $(decoded "$target"); do
      model=$exp/$system
      if [[ $system == source/* ]]; then model=$source_exp/${system#source/}; fi
      steps/decode/make_graph.py "$data/lang_test" "$model" "$exp/$system/graph"
      decode=decode
      # Two passes, adapted to speakers.
      if [[ $system == */tri3b || $system == */map ]]; then decode=decode_fmllr; fi
      for set in dev test; do
        steps/decode/$decode.py --config "$conf/decode.conf" --nj 1 --cmd "$decode_cmd" \
          --model "$model" "$exp/$system/graph" "$data/$target/$set" \
          "$exp/$system/decode_${target}_$set"
      done
    done
  done
fi

if begin 10 "log mel energies, and copies at other speeds, for networks"; then
  for target in $targets; do
    for take in $takes; do
      utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/$target/$take/train" \
        "$data/$target/$take/nnet/train"
    done
    for set in dev test; do
      utils/data/copy_data_dir.py "$data/$target/$set" "$data/$target/nnet/$set"
    done
    for set in $(printf '%s/nnet/train ' $takes) nnet/{dev,test}; do
      steps/features/make_fbank.py --config "$conf/fbank.conf" --nj "$nj" --cmd "$train_cmd" \
        "$data/$target/$set"
      steps/features/compute_cmvn.py "$data/$target/$set"
    done
  done
fi

if begin 11 "networks from scratch: a target's own recordings alone"; then
  for target in $targets; do
    for take in $takes; do
      for seed in $seeds; do
        steps/nnet/train.py --config "$conf/nnet.conf" --config "$conf/nnet_$take.conf" \
          --seed "$seed" "$data/$target/$take/nnet/train" "$exp/$target/$take/mono" \
          "$exp/$target/$take/scratch/$seed"
      done
    done
  done
fi

if begin 12 "transfer: the source network, which aligns, learns the target's voice"; then
  for target in $targets; do
    for take in $takes; do
      train=$data/$target/$take/nnet/train
      ali=$exp/$target/$take/ali
      steps/nnet/align.py --nj 1 --cmd "$train_cmd" "$train" "$lang" "$from" "$ali"
      for seed in $seeds; do
        for network in ${networks#scratch }; do
          steps/transfer/transfer.py --config "$conf/nnet_$take.conf" \
            --config "$conf/$network.conf" --seed "$seed" "$from" "$train" "$ali" \
            "$exp/$target/$take/$network/$seed"
        done
      done
    done
  done
fi

# The graph of a network: of its tree, which is the source's after a transfer.
graph_of() {
  case $1 in
    */scratch/*) echo "$exp/${1%/scratch/*}/mono/graph" ;;
    *) echo "$exp/source/tri3b/graph" ;;
  esac
}

# The networks that decode a target: its own, and the source's as it is.
nets_of() {
  local take seed network
  echo "source"
  for seed in $seeds; do
    for take in $takes; do
      for network in $networks; do echo "$1/$take/$network/$seed"; done
    done
  done
}

if begin 13 "decoding with the networks"; then
  for target in $targets; do
    for network in $(nets_of "$target"); do
      model=$exp/$network
      if [[ $network == source ]]; then model=$from; fi
      for set in dev test; do
        steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj 1 --cmd "$decode_cmd" \
          --model "$model" "$(graph_of "$network")" "$data/$target/nnet/$set" \
          "$exp/$network/decode_${target}_$set"
      done
    done
  done
fi

# Chooses the LM weight on the development set, and applies it to the test set:
# score_pair <data> <graph> <decode>_dev|_test
score_pair() {
  steps/score/score.py --config "$conf/score.conf" --nj 1 --cmd "$decode_cmd" "$1/dev" "$2" "$3_dev"
  steps/score/score.py --config "$conf/score.conf" --nj 1 --cmd "$decode_cmd" --dev "$3_dev" \
    "$1/test" "$2" "$3_test"
}

if begin 20 "word error rates"; then
  decodes=()
  for target in $targets; do
    for system in $(decoded "$target"); do
      score_pair "$data/$target" "$exp/$system/graph" "$exp/$system/decode_$target"
      decodes+=("$exp/$system/decode_${target}_test")
    done
    for network in $(nets_of "$target"); do
      score_pair "$data/$target/nnet" "$(graph_of "$network")" \
        "$exp/$network/decode_$target"
      decodes+=("$exp/$network/decode_${target}_test")
    done
  done
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
fi

# The decode directories of all targets, + between, and of a network's seeds, commas between:
# of_targets <system> | of_seeds <network>, in which TARGET stands for each target.
of_targets() {
  local decodes=()
  for target in $targets; do decodes+=("$exp/${1//TARGET/$target}/decode_${target}_test"); done
  (IFS=+; echo "${decodes[*]}")
}
of_seeds() {
  local decodes=()
  for seed in $seeds; do decodes+=("$(of_targets "$1/$seed")"); done
  (IFS=,; echo "${decodes[*]}")
}

if begin 21 "tables with significance, the targets together"; then
  for take in $takes; do
    rows=("mono=$(of_targets "TARGET/$take/mono")" "others=$(of_targets TARGET/others/tri3b)"
      "fmllr=$(of_targets source/tri3b)" "map=$(of_targets "TARGET/$take/map")"
      "source=$(of_targets source)")
    for network in $networks; do rows+=("$network=$(of_seeds "TARGET/$take/$network")"); done
    steps/score/table.py --baseline scratch --out "$exp/table_$take" "${rows[@]}"
  done
fi
