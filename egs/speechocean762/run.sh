#!/usr/bin/env bash
# speechocean762: English read by Mandarin speakers, half of them children; GMM-HMMs and networks.
#
# 2500 utterances of 125 speakers to train on, 2500 of 125 others to test: short sentences, names
# and digits. The corpus's own lexicon without stress, trigram from the training transcripts. About
# two hours on two cores (estimated), a good part of it decoding.
#
#   ./run.sh                                   fetches the corpus to corpus/ (520 MB), runs all
#   ./run.sh --corpus /data/speechocean762     the corpus is on disk already
#   ./run.sh --stage 4                         goes on with tri1
#   ./run.sh --stage 8 --networks "dnn cnn rnn gru lstm blstm tdnn tdnnf" --seeds "0 1 2"
#                                              every architecture from three seeds
#   ./run.sh --stage 8 --mixed "tdnn_mmi tdnnf_mmi cnn_mmi blstm_mmi" --student true
#                                              four networks as one, one that they teach, and all
#                                              five as one
#
# There is no development set. So that the LM weight, the insertion penalty and the size of the
# systems are not chosen on the test set, stage 11 trains the same systems once more without twelve
# of the training speakers, of both genders and all ages, whose words are not in its LM either,
# and decodes these; what is best for them is applied to the test set. --hold-out 0 leaves this
# out and gives Kaldi's way of choosing alone: the best on the test set itself. The results show
# both, side by side, word error rates by age group and gender, and what GMMs and networks hear
# together.
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
corpus=""          # the directory with train/, test/ and WAVE/; none: it is fetched
nj=2               # jobs in parallel
hold_out=12        # training speakers to hold out in stage 11, 0 for none
networks="tdnnf tdnnf_mmi"   # to train, see steps/nnet/architectures.py; _mmi: then by sequences
mixed=""           # of these, or more, some to decode as one as well, exp/nnet/mix/<seed>
student=false      # whether what is mixed teaches one more network, exp/nnet/student, and is mixed
                   # with it, exp/nnet/mix_student
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
decoded="$networks${mixed:+ mix}"
if [[ $student == true ]]; then
  if [[ -z $mixed ]]; then
    echo "run.sh: --student true: --mixed does not name the networks that teach it" >&2
    exit 1
  fi
  decoded+=" student student_mmi mix_student"
fi

# Copies of the training set at other speeds, aligned, and what networks hear of them: tri3b's
# adapted features beside log mel energies, <data>/joined<name>/train.
copies() {   # name, speeds
  local sp=$data/sp$1/train fmllr=$data/fmllr$1/train fbank=$data/fbank$1/train
  local joined=$data/joined$1/train ali=$exp/tri3b_sp$1_ali
  utils/data/perturb_speed.py "$2" "$data/train" "$sp"
  steps/features/make_mfcc.py --config "$conf/mfcc.conf" --nj "$nj" --cmd "$train_cmd" "$sp"
  steps/features/compute_cmvn.py "$sp"
  steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" "$sp" "$data/lang" "$exp/tri3b" "$ali"
  steps/hmm/make_fmllr_feats.py --nj "$nj" --cmd "$train_cmd" "$sp" "$exp/tri3b" "$ali" "$fmllr"
  utils/data/perturb_speed.py "$2" "$data/train" "$fbank"
  log_mel "$fbank"
  steps/features/paste_feats.py "$fmllr" "$fbank" "$joined"
  steps/features/compute_cmvn.py "$joined"
}

log_mel() {   # data directory
  steps/features/make_fbank.py --config "$conf/fbank.conf" --nj "$nj" --cmd "$train_cmd" "$1"
  steps/features/compute_cmvn.py "$1"
}

if begin 0 "data"; then
  if [[ -z $corpus ]]; then
    local/download.py corpus
    corpus=corpus/speechocean762
  fi
  local/prepare_data.py --hold-out "$hold_out" "$corpus" "$data"
  utils/lang/prepare_dict_lexicon.py --stress drop "$corpus/resource/lexicon.txt" "$dict"
fi

if begin 1 "lang and trigram"; then
  utils/lang/prepare_lang.py "$dict" "<UNK>" "$data/lang"
  # The lexicon's words and no others: there is no sound of unknown words to learn from.
  utils/lang/train_ngram.py --order 3 --oov skip --utt-ids --vocab "$data/lang" \
    "$data/train/text" "$data/lm/3gram.arpa"
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

if begin 8 "copies at other speeds, and what networks see: adapted features, log mel energies"; then
  copies "" 0.9,1.0,1.1
  if [[ $student == true ]]; then copies 5 0.84,0.92,1.0,1.08,1.16; fi
  # The test speakers' transforms are those of tri3b's own decoding.
  steps/hmm/make_fmllr_feats.py --nj "$nj" --cmd "$train_cmd" \
    "$data/test" "$exp/tri3b" "$exp/tri3b/decode_test" "$data/fmllr/test"
  utils/data/copy_data_dir.py "$data/test" "$data/fbank/test"
  log_mel "$data/fbank/test"
  steps/features/paste_feats.py {"$data/fmllr","$data/fbank","$data/joined"}/test
  steps/features/compute_cmvn.py "$data/joined/test"
fi

if begin 9 "networks on the alignments of tri3b"; then
  for network in $networks $mixed; do
    for seed in $seeds; do
      arch=${network%_mmi} sizes=()
      if [[ $arch == cnn ]]; then sizes=(--sizes beside=40); fi   # adapted features are no bands
      steps/nnet/train.py --config "$conf/nnet.conf" --arch "$arch" "${sizes[@]}" \
        --seed "$seed" "$data/joined/train" "$exp/tri3b_sp_ali" "$exp/nnet/$arch/$seed"
      if [[ $network == *_mmi ]]; then
        steps/nnet/train_mmi.py --config "$conf/mmi.conf" --seed "$seed" "$data/joined/train" \
          "$exp/tri3b_sp_ali" "$exp/nnet/$arch/$seed" "$exp/nnet/$network/$seed"
      fi
    done
  done
  for seed in ${mixed:+$seeds}; do
    parts=()
    for network in $mixed; do parts+=("$exp/nnet/$network/$seed"); done
    steps/transfer/mix.py --form loglinear "${parts[@]}" "$exp/nnet/mix/$seed"
    if [[ $student == true ]]; then
      steps/compress/distill.py --config "$conf/student.conf" --seed "$seed" \
        "$exp/nnet/mix/$seed" "$data/joined5/train" "$exp/tri3b_sp5_ali" "$exp/nnet/student/$seed"
      steps/nnet/train_mmi.py --config "$conf/mmi.conf" --seed "$seed" "$data/joined/train" \
        "$exp/tri3b_sp_ali" "$exp/nnet/student/$seed" "$exp/nnet/student_mmi/$seed"
      steps/transfer/mix.py --form loglinear "${parts[@]}" "$exp/nnet/student_mmi/$seed" \
        "$exp/nnet/mix_student/$seed"
    fi
  done
fi

if begin 10 "decoding with the networks"; then
  for network in $decoded; do
    for seed in $seeds; do
      # The tree is tri3b's, and so the graph.
      steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
        "$exp/tri3b/graph" "$data/joined/test" "$exp/nnet/$network/$seed/decode_test"
    done
  done
fi

if begin 11 "the same without the held-out speakers, who are decoded"; then
  if [[ $hold_out -gt 0 ]]; then
    ./run.sh --stage 1 --hold-out 0 --data "$data/tune" --dict "$dict" --exp "$exp/tune" \
      --conf "$conf" --networks "$networks" --mixed "$mixed" --student "$student" \
      --seeds "${seeds%% *}" --nj "$nj" --train-cmd "$train_cmd" --decode-cmd "$decode_cmd"
  fi
fi

if begin 12 "word error rates"; then
  decodes=()
  table=()
  together=("$exp/tri3b/decode_test")
  for system in $systems; do
    dev=""
    if [[ $hold_out -gt 0 ]]; then dev=$exp/tune/$system/decode_test; fi
    steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" --dev "$dev" \
      "$data/test" "$exp/$system/graph" "$exp/$system/decode_test"
    decodes+=("$exp/$system/decode_test")
    table+=("$system=$exp/$system/decode_test")
  done
  for network in $decoded; do
    group=""
    for seed in $seeds; do
      dev=""
      if [[ $hold_out -gt 0 ]]; then dev=$exp/tune/nnet/$network/${seeds%% *}/decode_test; fi
      decode=$exp/nnet/$network/$seed/decode_test
      steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
        --dev "$dev" "$data/joined/test" "$exp/tri3b/graph" "$decode"
      decodes+=("$decode")
      group+="${group:+,}$decode"
    done
    table+=("$network=$group")
    if [[ $network != mix* ]]; then together+=("${group%%,*}"); fi
  done
  # GMMs and networks err in other ways: what tri3b and the first seed's networks hear together.
  if [[ -n $networks ]]; then
    steps/score/combine.py --nj "$nj" --cmd "$decode_cmd" --group spk2agegroup \
      --group spk2gender "$data/test" "$exp/tri3b/graph" "${together[@]}" \
      "$exp/together/decode_test"
    decodes+=("$exp/together/decode_test")
    table+=("together=$exp/together/decode_test")
  fi
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
  steps/score/table.py --baseline tri3b --out "$exp/table" "${table[@]}"
fi
