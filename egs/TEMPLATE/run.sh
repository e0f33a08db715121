#!/usr/bin/env bash
# TEMPLATE: from recordings and their transcripts to a recogniser.
#
# utils/new_recipe.py makes a recipe of this from a folder of recordings, and fills conf/ with what
# suits them; README.md says what it found and chose. Each step's options are in conf/, words and
# grammar are made in local/prepare_lang.sh.
#
#   ./run.sh                          everything
#   ./run.sh --stop-stage 3           up to monophones, to see that all is well
#   ./run.sh --source ../english/exp/nnet/0    a network too, on the layers of that one
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
corpus=""          # the folder of recordings; conf/corpus.conf says where the transcripts are
lexicon=graphemes  # graphemes, subwords, espeak:CODE such as espeak:sw, or a lexicon's file
lm_text=""         # more text for the LM, a sentence a line; normalised as the transcripts are
source=""          # network to graft on, its directory or a package; none: from scratch alone
feats=fbank        # of networks, with conf/nnet_feats.conf: fbank or mfcc
seeds=0            # networks from each of these seeds
nj=2               # jobs in parallel
data=data          # where data directories, dict, lang and LM are
conf=conf          # where the steps' options are
exp=exp            # where systems are made

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh
. utils/parse_options.sh
parse_options "$@"

systems="mono tri1 tri2b tri3b"
# Networks: exp/<network>/<seed>; the last one is packed
networks="scratch scratch_mmi"
if [[ -n $source ]]; then networks="scratch scratch_mmi transfer transfer_mmi"; fi

# Trains a network further, by whole sequences: by_sequences <network> <seed>
by_sequences() {
  steps/nnet/train_mmi.py --config "$conf/mmi.conf" --seed "$2" \
    "$data/nnet/train" "$exp/tri3b" "$exp/$1/$2" "$exp/$1_mmi/$2"
}

if begin 0 "data: import, normalise, split"; then
  utils/data/import_corpus.py --config "$conf/corpus.conf" "$corpus" "$data/raw"
  utils/data/normalise_text.py "$conf/normalise.tsv" "$data/raw" "$data/all"
  utils/data/split_sets.py --config "$conf/split.conf" --exclude "$conf/exclude" \
    "$conf/dev" "$conf/test" "$data/all" "$data"
  for set in train dev test; do
    utils/data/validate_data_dir.py --no-feats "$data/$set"
  done
fi

if begin 1 "lexicon, lang and n-gram model"; then
  local/prepare_lang.sh "$lexicon" "$conf" "$data" "$lm_text"
fi

if begin 2 "MFCC and CMVN"; then
  for set in train dev test; do
    steps/features/make_mfcc.py --config "$conf/mfcc.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$set"
    steps/features/compute_cmvn.py "$data/$set"
  done
fi

if begin 3 "mono: monophones from a flat start"; then
  steps/hmm/train_mono.py --config "$conf/mono.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/mono"
  steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/mono" "$exp/mono_ali"
  echo "utterances whose sound and words do not fit, if any: $exp/mono_ali/unaligned.txt" >&2
fi

if begin 4 "tri1: triphones on deltas"; then
  steps/hmm/train_deltas.py --config "$conf/tri.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/mono_ali" "$exp/tri1"
  steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/tri1" "$exp/tri1_ali"
fi

if begin 5 "tri2b: LDA+MLLT"; then
  steps/hmm/train_lda_mllt.py --config "$conf/tri.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/tri1_ali" "$exp/tri2b"
  steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/tri2b" "$exp/tri2b_ali"
fi

if begin 6 "tri3b: SAT with fMLLR per speaker"; then
  steps/hmm/train_sat.py --config "$conf/tri.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/tri2b_ali" "$exp/tri3b"
fi

if begin 7 "graphs and decoding"; then
  for system in $systems; do
    steps/decode/make_graph.py "$data/lang_test" "$exp/$system" "$exp/$system/graph"
    decode=decode
    if [[ $system == tri3b ]]; then decode=decode_fmllr; fi   # two passes, adapted to the speaker
    for set in dev test; do
      steps/decode/$decode.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
        "$exp/$system/graph" "$data/$set" "$exp/$system/decode_$set"
    done
  done
fi

if begin 8 "features for networks, and copies at other speeds"; then
  utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/train" "$data/nnet/train"
  for set in dev test; do utils/data/copy_data_dir.py "$data/$set" "$data/nnet/$set"; done
  for set in train dev test; do
    steps/features/make_"$feats".py --config "$conf/nnet_feats.conf" --nj "$nj" \
      --cmd "$train_cmd" "$data/nnet/$set"
    steps/features/compute_cmvn.py "$data/nnet/$set"
  done
fi

if begin 9 "network from scratch, on the alignments of tri3b, then by whole sequences"; then
  for seed in $seeds; do
    steps/nnet/train.py --config "$conf/nnet.conf" --seed "$seed" \
      "$data/nnet/train" "$exp/tri3b" "$exp/scratch/$seed"
    by_sequences scratch "$seed"
  done
fi

if begin 10 "network by transfer: on the source's layers, outputs begin by sound"; then
  if [[ $source == *.zip || -e $source/manifest.json ]]; then   # a package
    steps/package/check_adaptable.py --unpack "$exp/source" "$source" "$data/lang"
    source=$exp/source
  fi
  if [[ -n $source ]]; then
    steps/transfer/map_phones.py --alidir "$exp/tri3b" --lang "$data/lang" \
      "$source" "$exp/tri3b" "$exp/map"
    for seed in $seeds; do
      steps/transfer/transfer.py --config "$conf/transfer.conf" --pdf-map "$exp/map" \
        --seed "$seed" --scratch "$exp/scratch/$seed" \
        "$source" "$data/nnet/train" "$exp/tri3b" "$exp/transfer/$seed"
      by_sequences transfer "$seed"
    done
  else
    echo "no source network: --source DIRECTORY grafts on one, such as ../english/exp/nnet/0" >&2
  fi
fi

if begin 11 "decoding with the networks"; then
  for network in $networks; do
    for seed in $seeds; do
      for set in dev test; do
        # The tree is tri3b's, and so the graph.
        steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/tri3b/graph" "$data/nnet/$set" "$exp/$network/$seed/decode_$set"
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

if begin 12 "word and character error rates"; then
  decodes=()
  for system in $systems; do score_pair "$data" "$exp/$system/graph" "$exp/$system"; done
  for network in $networks; do
    for seed in $seeds; do
      score_pair "$data/nnet" "$exp/tri3b/graph" "$exp/$network/$seed"
    done
  done
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
fi

# The decode directories of a network's seeds, commas between.
of_seeds() {
  local decodes=()
  for seed in $seeds; do decodes+=("$exp/$1/$seed/decode_test"); done
  (IFS=,; echo "${decodes[*]}")
}

if begin 13 "table with significance"; then
  rows=(mono="$exp/mono/decode_test" tri3b="$exp/tri3b/decode_test")
  for network in $networks; do rows+=("$network=$(of_seeds "$network")"); done
  steps/score/table.py --baseline tri3b --out "$exp/table" "${rows[@]}"
fi

best=${networks##* }/${seeds%% *}   # the network to pack: by transfer, if there is a source

if begin 14 "the network as LiteRT, small enough for a phone"; then
  steps/compress/quantize.py --config "$conf/quantize.conf" --nj "$nj" --cmd "$decode_cmd" \
    --baseline "$exp/$best/decode_dev" "$exp/$best" "$data/nnet/train" "$exp/small"
  for set in dev test; do
    steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
      "$exp/tri3b/graph" "$data/nnet/$set" "$exp/small/decode_$set"
  done
  decodes=()
  for system in $systems; do decodes+=("$exp/$system/decode_test"); done
  for network in $networks; do
    for seed in $seeds; do decodes+=("$exp/$network/$seed/decode_test"); done
  done
  score_pair "$data/nnet" "$exp/tri3b/graph" "$exp/small"
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
fi

if begin 15 "a package: all that transcribing needs, in one folder and one zip"; then
  steps/package/package.py --config "$conf/package.conf" --dev "$exp/small/decode_dev" \
    --decode "$exp/small/decode_test" --trainable "$exp/$best" \
    --lexicon "$data/dict/lexicon.txt" --sound "$data/test" \
    "$exp/small" "$exp/tri3b/graph" "$data/lang_test" "$exp/package"
  # tri3b hears an utterance twice and adapts to its speaker; a package hears it once.
  steps/score/compare_wer.py "$exp/tri3b/decode_test" "$exp/small/decode_test"
  echo "to use it: steps/package/transcribe.py $exp/package SOUND..." >&2
fi

if begin 16 "a page that shows all of it, with sound"; then
  steps/report/make_report.py --data "$data" "$exp" "$exp/report.html"
  echo "look at $exp/report.html" >&2
fi
