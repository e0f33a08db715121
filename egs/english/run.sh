#!/usr/bin/env bash
# English as a source: AN4 and speechocean762 together, one lexicon, GMM-HMMs to align it.
#
# 3.2 hours of 177 speakers, 113 of them reading with a Mandarin accent, of whom half are
# children: a source for the targets of ../mboshi and ../digits. Twenty-two of the published
# training speakers are held out for development, so these are not the systems of ../an4 and
# ../speechocean762. About two hours on two cores (estimated).
#
#   ./run.sh                       fetches both corpora to ../an4/corpus and
#                                  ../speechocean762/corpus (580 MB), runs all
#   ./run.sh --an4 /data/an4 --speechocean762 /data/speechocean762
#                                  the corpora are on disk already
#   ./run.sh --mfcc mfcc_8k --fbank fbank_8k --data data/8k --exp exp/8k
#                                  as a telephone would have it: nothing above 4 kHz
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
an4=""             # the directory with AN4's etc/ and wav/; none: it is fetched
speechocean762=""  # the directory with speechocean762's WAVE/; none: it is fetched
mfcc=mfcc          # conf/<mfcc>.conf; mfcc_8k for targets at 8 kHz
fbank=fbank        # conf/<fbank>.conf, for networks; fbank_8k
seeds=0            # networks from each of these seeds
hold_out_an4=10    # training speakers to hold out for development
hold_out_speechocean762=12   # the same
nj=2               # jobs in parallel
data=data          # where train/, dev/ and a test set of each corpus, lang and LM are
conf=conf          # where the steps' options are
exp=exp            # where systems are made

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh
. utils/parse_options.sh
parse_options "$@"

systems="mono tri1 tri2b tri3b"
tests="test_an4 test_speechocean762"

if begin 0 "data"; then
  if [[ -z $an4 ]]; then
    ../an4/local/download.py ../an4/corpus
    an4=../an4/corpus/an4
  fi
  if [[ -z $speechocean762 ]]; then
    ../speechocean762/local/download.py ../speechocean762/corpus
    speechocean762=../speechocean762/corpus/speechocean762
  fi
  ../an4/local/prepare_data.py --hold-out "$hold_out_an4" "$an4" "$data/an4"
  ../speechocean762/local/prepare_data.py --hold-out "$hold_out_speechocean762" \
    "$speechocean762" "$data/speechocean762"
  utils/data/combine_data.py "$data/train" "$data"/{an4,speechocean762}/tune/train
  utils/data/combine_data.py "$data/dev" "$data"/{an4,speechocean762}/tune/test
  for corpus in an4 speechocean762; do
    utils/data/copy_data_dir.py "$data/$corpus/test" "$data/test_$corpus"
  done
  for set in train dev $tests; do
    utils/data/validate_data_dir.py --no-feats "$data/$set"
  done
  # Both are CMU's phones, AN4's without stress; a word has the pronunciations of both.
  local/merge_lexica.py "$data/lexicon.txt" "$an4/etc/an4.dic" \
    "$speechocean762/resource/lexicon.txt"
  utils/lang/prepare_dict_lexicon.py --stress drop "$data/lexicon.txt" "$data/dict"
fi

if begin 1 "lang and trigram"; then
  utils/lang/prepare_lang.py "$data/dict" "<UNK>" "$data/lang"
  utils/lang/train_ngram.py --order 3 --oov skip --utt-ids --vocab "$data/lang" \
    "$data/train/text" "$data/lm/3gram.arpa"
  utils/lang/format_lm.py "$data/lang" "$data/lm/3gram.arpa" "$data/lang_test"
fi

if begin 2 "MFCC and CMVN"; then
  for set in train dev $tests; do
    steps/features/make_mfcc.py --config "$conf/$mfcc.conf" --nj "$nj" --cmd "$train_cmd" \
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

if begin 7 "log mel energies, and copies at other speeds, for networks"; then
  utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/train" "$data/nnet/train"
  for set in dev $tests; do utils/data/copy_data_dir.py "$data/$set" "$data/nnet/$set"; done
  for set in train dev $tests; do
    steps/features/make_fbank.py --config "$conf/$fbank.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/nnet/$set"
    steps/features/compute_cmvn.py "$data/nnet/$set"
  done
fi

if begin 8 "networks on the alignments of tri3b"; then
  for seed in $seeds; do
    steps/nnet/train.py --config "$conf/nnet.conf" --seed "$seed" \
      "$data/nnet/train" "$exp/tri3b" "$exp/nnet/$seed"
  done
fi

if begin 9 "graphs and decoding with the GMMs"; then
  for system in $systems; do
    steps/decode/make_graph.py "$data/lang_test" "$exp/$system" "$exp/$system/graph"
    decode=decode
    if [[ $system == tri3b ]]; then decode=decode_fmllr; fi   # two passes, adapted to the speaker
    for set in dev $tests; do
      steps/decode/$decode.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
        "$exp/$system/graph" "$data/$set" "$exp/$system/decode_$set"
    done
  done
fi

if begin 10 "decoding with the networks"; then
  for seed in $seeds; do
    for set in dev $tests; do
      # The tree is tri3b's, and so the graph.
      steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
        "$exp/tri3b/graph" "$data/nnet/$set" "$exp/nnet/$seed/decode_$set"
    done
  done
fi

# Chooses the LM weight on the development set, and applies it to the test sets:
# score_all <data> <graph> <system>
score_all() {
  local set
  steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
    "$1/dev" "$2" "$3/decode_dev"
  for set in $tests; do
    steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
      --dev "$3/decode_dev" "$1/$set" "$2" "$3/decode_$set"
    decodes+=("$3/decode_$set")
  done
}

if begin 20 "word error rates"; then
  decodes=()
  for system in $systems; do score_all "$data" "$exp/$system/graph" "$exp/$system"; done
  for seed in $seeds; do score_all "$data/nnet" "$exp/tri3b/graph" "$exp/nnet/$seed"; done
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
fi
