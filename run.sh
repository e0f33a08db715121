#!/usr/bin/env bash
# From sound to words for a source language and for accents and languages with little speech.
#
# The corpus is synthesised by eSpeak NG, many voices in many rooms, so nothing is downloaded: US
# English is the source; Scottish English, Caribbean English and French are the targets. Each gets
# a lexicon, a trigram, monophones, triphones, LDA+MLLT and SAT, and is decoded. On SAT's alignments
# the source gets a network, whose layers are then transferred to each target; beside it the target
# gets a network from scratch. What was transferred is pruned and quantized, each behind a gate on
# dev's word errors, and packed into one folder that transcribes without TensorFlow. LM weights are
# chosen on dev, the results are those of test. At the end, exp/report.html shows all of it.
#
#   ./run.sh                           everything: about 35 minutes (estimated) on two cores,
#                                      with .venv; a minute when nothing has changed
#   ./run.sh --size full               three times as much English, and so about as much longer
#   ./run.sh --stage 5 --targets fr    the source and one target, from tri1 on
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
size=small         # of the corpus: tiny, small or full
source=en          # the language with much speech; data/<source>
network=tdnn       # of the source; conf/<network>.conf
targets="en-scotland en-caribbean fr"   # one data/<target> each
nj=2               # jobs in parallel
corpus=corpus      # where the sound is
conf=conf          # where the steps' options are
data=data          # where data directories, dict, lang and LM are
exp=exp            # where systems are made

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh
. utils/parse_options.sh
parse_options "$@"

declare -A espeak=([en]=en-us [en-scotland]=en-gb-scotland [en-caribbean]=en-029 [fr]=fr)
systems="mono tri1 tri2b tri3b"

# Targets have little speech, so their conf files ask for fewer leaves and Gaussians.
variant() {
  if [[ $1 != "$source" ]]; then echo _target; fi
}

if begin 0 "synthesise the corpus"; then
  for lang in $source $targets; do
    role=target
    if [[ $lang == "$source" ]]; then role=source; fi
    local/synthesise.py --language "${espeak[$lang]}" --size "$size" --role "$role" \
      --nj "$nj" --cmd "$train_cmd" "$corpus/$lang"
  done
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
  for lang in $source $targets; do
    for set in train dev test; do
      steps/features/make_mfcc.py --config "$conf/mfcc.conf" --nj "$nj" --cmd "$train_cmd" \
        "$data/$lang/$set"
      steps/features/compute_cmvn.py "$data/$lang/$set"
    done
  done
fi

if begin 4 "mono: monophones from a flat start"; then
  for lang in $source $targets; do
    steps/hmm/train_mono.py --config "$conf/mono.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$lang/train" "$data/$lang/lang" "$exp/$lang/mono"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$lang/train" "$data/$lang/lang" "$exp/$lang/mono" "$exp/$lang/mono_ali"
  done
fi

if begin 5 "tri1: triphones on deltas"; then
  for lang in $source $targets; do
    steps/hmm/train_deltas.py --config "$conf/tri1$(variant "$lang").conf" \
      --nj "$nj" --cmd "$train_cmd" \
      "$data/$lang/train" "$data/$lang/lang" "$exp/$lang/mono_ali" "$exp/$lang/tri1"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$lang/train" "$data/$lang/lang" "$exp/$lang/tri1" "$exp/$lang/tri1_ali"
  done
fi

if begin 6 "tri2b: LDA+MLLT"; then
  for lang in $source $targets; do
    steps/hmm/train_lda_mllt.py --config "$conf/tri2b$(variant "$lang").conf" \
      --nj "$nj" --cmd "$train_cmd" \
      "$data/$lang/train" "$data/$lang/lang" "$exp/$lang/tri1_ali" "$exp/$lang/tri2b"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$lang/train" "$data/$lang/lang" "$exp/$lang/tri2b" "$exp/$lang/tri2b_ali"
  done
fi

if begin 7 "tri3b: SAT with fMLLR per speaker"; then
  for lang in $source $targets; do
    steps/hmm/train_sat.py --config "$conf/tri3b$(variant "$lang").conf" \
      --nj "$nj" --cmd "$train_cmd" \
      "$data/$lang/train" "$data/$lang/lang" "$exp/$lang/tri2b_ali" "$exp/$lang/tri3b"
  done
fi

if begin 8 "graphs and decoding"; then
  for lang in $source $targets; do
    for system in $systems; do
      steps/decode/make_graph.py "$data/$lang/lang_test" "$exp/$lang/$system" \
        "$exp/$lang/$system/graph"
      decode=decode
      if [[ $system == tri3b ]]; then decode=decode_fmllr; fi   # two passes, adapted to speakers
      for set in dev test; do
        steps/decode/$decode.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/$lang/$system/graph" "$data/$lang/$set" "$exp/$lang/$system/decode_$set"
      done
    done
  done
fi

if begin 9 "log mel energies, and copies at other speeds, for networks"; then
  for lang in $source $targets; do
    utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/$lang/train" "$data/$lang/nnet/train"
    for set in dev test; do
      utils/data/copy_data_dir.py "$data/$lang/$set" "$data/$lang/nnet/$set"
    done
    for set in train dev test; do
      steps/features/make_fbank.py --config "$conf/fbank.conf" --nj "$nj" --cmd "$train_cmd" \
        "$data/$lang/nnet/$set"
      steps/features/compute_cmvn.py "$data/$lang/nnet/$set"
    done
  done
fi

if begin 10 "networks of source and targets alone, on the alignments of tri3b"; then
  for lang in $source $targets; do
    steps/nnet/train.py --config "$conf/$network$(variant "$lang").conf" \
      "$data/$lang/nnet/train" "$exp/$lang/tri3b" "$exp/$lang/$network"
  done
fi

if begin 11 "transfer: targets on the source network's layers"; then
  from=$exp/$source/$network
  for lang in $targets; do
    steps/transfer/map_phones.py --alidir "$exp/$lang/tri3b" --lang "$data/$lang/lang" \
      "$from" "$exp/$lang/tri3b" "$exp/$lang/map"
    steps/transfer/transfer.py --config "$conf/transfer.conf" --pdf-map "$exp/$lang/map" \
      --scratch "$exp/$lang/$network" "$from" "$data/$lang/nnet/train" "$exp/$lang/tri3b" \
      "$exp/$lang/${network}_transfer"
  done
fi

# The networks of a language.
networks_of() {
  echo "$network"
  if [[ $1 != "$source" ]]; then echo "${network}_transfer"; fi
}

if begin 12 "decoding with the networks, and with the source's after each transfer"; then
  for lang in $source $targets; do
    for system in $(networks_of "$lang"); do
      # A network has the tree of tri3b, and so its graph.
      for set in dev test; do
        steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/$lang/tri3b/graph" "$data/$lang/nnet/$set" "$exp/$lang/$system/decode_$set"
      done
    done
  done
  for lang in $targets; do
    steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
      "$exp/$source/tri3b/graph" "$data/$source/nnet/test" \
      "$exp/$lang/${network}_transfer/source/decode_test"
  done
fi

# Chooses the LM weight on dev, and applies it to test: score_pair <data> <graph> <system>
score_pair() {
  steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
    "$1/dev" "$2" "$3/decode_dev"
  steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
    --dev "$3/decode_dev" "$1/test" "$2" "$3/decode_test"
}

if begin 13 "word error rates"; then
  for lang in $source $targets; do
    for system in $systems; do
      score_pair "$data/$lang" "$exp/$lang/$system/graph" "$exp/$lang/$system"
    done
    for system in $(networks_of "$lang"); do
      score_pair "$data/$lang/nnet" "$exp/$lang/tri3b/graph" "$exp/$lang/$system"
    done
  done
  for lang in $targets; do
    after=$exp/$lang/${network}_transfer/source/decode_test
    steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
      --dev "$exp/$source/$network/decode_dev" "$data/$source/nnet/test" \
      "$exp/$source/tri3b/graph" "$after"
    steps/score/compare_wer.py "$exp/$lang/$network/decode_test" \
      "$exp/$lang/${network}_transfer/decode_test"
  done
fi

# Networks made smaller: exp/<lang>/<network>_transfer/<variant>
variants="pruned int8 int4 pruned_int8"

if begin 14 "small: half of the weights pruned, 8 bits, 4 bits, each behind its gate"; then
  for lang in $targets; do
    from=$exp/$lang/${network}_transfer
    gate=(--baseline "$from/decode_dev" --nj "$nj" --cmd "$decode_cmd")
    steps/compress/prune.py --config "$conf/pruned.conf" "${gate[@]}" \
      "$from" "$data/$lang/nnet/train" "$exp/$lang/tri3b" "$from/pruned"
    for variant in int8 int4; do
      steps/compress/quantize.py --config "$conf/$variant.conf" "${gate[@]}" \
        "$from" "$data/$lang/nnet/train" "$from/$variant"
    done
    steps/compress/quantize.py --config "$conf/pruned_int8.conf" "${gate[@]}" \
      "$from/pruned" "$data/$lang/nnet/train" "$from/pruned_int8"
  done
fi

if begin 15 "what each of them cost: bytes, speed and word errors"; then
  for lang in $targets; do
    from=$exp/$lang/${network}_transfer
    rows=("float=$from,$from/decode_dev,$from/decode_test")
    for variant in $variants; do
      for set in dev test; do
        steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/$lang/tri3b/graph" "$data/$lang/nnet/$set" "$from/$variant/decode_$set"
      done
      score_pair "$data/$lang/nnet" "$exp/$lang/tri3b/graph" "$from/$variant"
      rows+=("$variant=$from/$variant,$from/$variant/decode_dev,$from/$variant/decode_test")
    done
    steps/compress/benchmark.py --config "$conf/benchmark.conf" --graph "$exp/$lang/tri3b/graph" \
      "$data/$lang/nnet/test" "$exp/$lang/benchmark" "${rows[@]}"
  done
fi

if begin 16 "packages, and words of a sound file"; then
  for lang in $targets; do
    from=$exp/$lang/${network}_transfer
    steps/package/package.py --config "$conf/package.conf" --name "$lang" --language "$lang" \
      --dev "$from/int8/decode_dev" --decode "$from/int8/decode_test" --trainable "$from" \
      --lexicon "$data/$lang/dict/lexicon.txt" --sound "$data/$lang/test" \
      "$from/int8" "$exp/$lang/tri3b/graph" "$data/$lang/lang_test" "$exp/$lang/package"
  done
  sound=$(awk 'NR == 1 { print $2 }' "$data/${targets%% *}/test/wav.scp")
  steps/package/transcribe.py "$exp/${targets%% *}/package.zip" "$sound"
fi

if begin 17 "results, and a page that shows them"; then
  decodes=()
  for lang in $source $targets; do
    for system in $systems $(networks_of "$lang"); do
      decodes+=("$exp/$lang/$system/decode_test")
    done
  done
  for lang in $targets; do
    for variant in $variants source; do
      decodes+=("$exp/$lang/${network}_transfer/$variant/decode_test")
    done
  done
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
  steps/report/make_report.py --data "$data" "$exp" "$exp/report.html"
  echo "look at $exp/report.html" >&2
fi
