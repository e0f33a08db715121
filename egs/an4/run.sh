#!/usr/bin/env bash
# AN4: GMM-HMMs (monophones, triphones, LDA+MLLT, SAT) and networks on their alignments.
#
# 948 utterances of 74 speakers to train on, 130 of 10 others to test: letters, digits, names and
# addresses read in US English. Lexicon an4.dic, trigram from the training transcripts. About 20
# minutes on two cores, half of it stage 11.
#
#   ./run.sh                        fetches the corpus to corpus/an4 (60 MB) and runs everything
#   ./run.sh --corpus /data/an4     the corpus is on disk already
#   ./run.sh --stage 4              goes on with tri1
#   ./run.sh --stage 8 --networks "dnn cnn rnn gru lstm blstm tdnn tdnnf" --seeds "0 1 2"
#                                   every architecture from three seeds, as in RESULTS
#
# AN4 has no development set. So that the LM weight and insertion penalty are not chosen on the
# test set, stage 11 trains the same systems once more without ten of the training speakers, whose
# words are not in its LM either, and decodes these; what is best for them is applied to the test
# set. --hold-out 0 leaves this out, halves the time and gives Kaldi's way of choosing alone: the
# best on the test set itself. The results show both, side by side.
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
corpus=""          # the directory with AN4's etc/ and wav/; none: it is fetched to corpus/an4
nj=2               # jobs in parallel
hold_out=10        # training speakers to hold out in stage 11, 0 for none
networks="tdnn tdnn_mmi"   # to train, see steps/nnet/architectures.py; _mmi: further, by sequences
seeds=0            # each from these seeds; with the speakers held out, from the first one
data=data          # where train/ and test/, lang and LM are
dict=""            # where the lexicon is; none: <data>/dict
conf=conf          # where the steps' options are
exp=exp            # where systems are made

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh
. utils/parse_options.sh
parse_options "$@"

dict=${dict:-$data/dict}
systems="mono tri1 tri2b tri3b"

if begin 0 "data"; then
  if [[ -z $corpus ]]; then
    local/download.py corpus
    corpus=corpus/an4
  fi
  local/prepare_data.py --hold-out "$hold_out" "$corpus" "$data"
  local/prepare_dict.py "$corpus" "$dict"
fi

if begin 1 "lang and trigram"; then
  utils/lang/prepare_lang.py "$dict" "<UNK>" "$data/lang"
  # A closed vocabulary: there is no sound of unknown words to learn their model from.
  utils/lang/train_ngram.py --order 3 --oov skip --utt-ids "$data/train/text" "$data/lm/3gram.arpa"
  utils/lang/format_lm.py "$data/lang" "$data/lm/3gram.arpa" "$data/lang_test"
fi

if begin 2 "MFCC and CMVN"; then
  for set in train test; do
    utils/data/validate_data_dir.py --no-feats "$data/$set"
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
fi

if begin 4 "tri1: triphones on deltas"; then
  steps/hmm/train_deltas.py --config "$conf/tri1.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/mono_ali" "$exp/tri1"
  steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/tri1" "$exp/tri1_ali"
fi

if begin 5 "tri2b: LDA+MLLT"; then
  steps/hmm/train_lda_mllt.py --config "$conf/tri2b.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/tri1_ali" "$exp/tri2b"
  steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/tri2b" "$exp/tri2b_ali"
fi

if begin 6 "tri3b: SAT with fMLLR per speaker"; then
  steps/hmm/train_sat.py --config "$conf/tri3b.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/tri2b_ali" "$exp/tri3b"
fi

if begin 7 "graphs and decoding"; then
  for system in $systems; do
    steps/decode/make_graph.py "$data/lang_test" "$exp/$system" "$exp/$system/graph"
    decode=decode
    if [[ $system == tri3b ]]; then decode=decode_fmllr; fi   # two passes, adapted to the speaker
    steps/decode/$decode.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
      "$exp/$system/graph" "$data/test" "$exp/$system/decode_test"
  done
fi

if begin 8 "copies at other speeds, and the adapted features that networks see"; then
  utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/train" "$data/sp/train"
  steps/features/make_mfcc.py --config "$conf/mfcc.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/sp/train"
  steps/features/compute_cmvn.py "$data/sp/train"
  steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
    "$data/sp/train" "$data/lang" "$exp/tri3b" "$exp/tri3b_sp_ali"
  steps/hmm/make_fmllr_feats.py --nj "$nj" --cmd "$train_cmd" \
    "$data/sp/train" "$exp/tri3b" "$exp/tri3b_sp_ali" "$data/fmllr/train"
  # The test speakers' transforms are those of tri3b's own decoding.
  steps/hmm/make_fmllr_feats.py --nj "$nj" --cmd "$train_cmd" \
    "$data/test" "$exp/tri3b" "$exp/tri3b/decode_test" "$data/fmllr/test"
fi

if begin 9 "networks on the alignments of tri3b"; then
  for network in $networks; do
    for seed in $seeds; do
      arch=${network%_mmi}
      steps/nnet/train.py --config "$conf/nnet.conf" --arch "$arch" --seed "$seed" \
        "$data/fmllr/train" "$exp/tri3b_sp_ali" "$exp/nnet/$arch/$seed"
      if [[ $network == *_mmi ]]; then
        steps/nnet/train_mmi.py --config "$conf/mmi.conf" --seed "$seed" "$data/fmllr/train" \
          "$exp/tri3b_sp_ali" "$exp/nnet/$arch/$seed" "$exp/nnet/$network/$seed"
      fi
    done
  done
fi

if begin 10 "decoding with the networks"; then
  for network in $networks; do
    for seed in $seeds; do
      # The tree is tri3b's, and so the graph.
      steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
        "$exp/tri3b/graph" "$data/fmllr/test" "$exp/nnet/$network/$seed/decode_test"
    done
  done
fi

if begin 11 "the same without the held-out speakers, who are decoded"; then
  if [[ $hold_out -gt 0 ]]; then
    ./run.sh --stage 1 --hold-out 0 --data "$data/tune" --dict "$dict" --exp "$exp/tune" \
      --conf "$conf" --networks "$networks" --seeds "${seeds%% *}" --nj "$nj" \
      --train-cmd "$train_cmd" --decode-cmd "$decode_cmd"
  fi
fi

if begin 12 "word error rates"; then
  decodes=()
  table=()
  for system in $systems; do
    dev=""
    if [[ $hold_out -gt 0 ]]; then dev=$exp/tune/$system/decode_test; fi
    steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" --dev "$dev" \
      "$data/test" "$exp/$system/graph" "$exp/$system/decode_test"
    decodes+=("$exp/$system/decode_test")
    table+=("$system=$exp/$system/decode_test")
  done
  for network in $networks; do
    group=""
    for seed in $seeds; do
      dev=""
      if [[ $hold_out -gt 0 ]]; then dev=$exp/tune/nnet/$network/${seeds%% *}/decode_test; fi
      decode=$exp/nnet/$network/$seed/decode_test
      steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
        --dev "$dev" "$data/fmllr/test" "$exp/tri3b/graph" "$decode"
      decodes+=("$decode")
      group+="${group:+,}$decode"
    done
    table+=("$network=$group")
  done
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
  steps/score/table.py --baseline tri3b --out "$exp/table" "${table[@]}"
fi
