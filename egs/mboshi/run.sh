#!/usr/bin/env bash
# Mboshi, a Bantu language with two tones: recognisers from 10, 30 and 60 minutes and 4 hours.
#
# 4616 utterances of 3 speakers to train on, 250 of which are held out as a development set, and
# the published development set, of the same speakers, to test. Letters are the phones, tone marks
# are kept. Lexicon and LM know the text of all of the training set whatever the size: it is sound
# that is little. One test word in six is not in that text, so words are compared with subwords.
# About an hour on two cores (estimated).
#
#   ./run.sh                           fetches the corpus to corpus/ (about 500 MB), runs all
#   ./run.sh --corpus /data/mboshi     the corpus is on disk already
#   ./run.sh --sizes "10 30"           with ten and with thirty minutes only
#   ./run.sh --stage 6                 goes on with tri1
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
corpus=""          # the directory with full_corpus_newsplit/; none: it is fetched
sizes="10 30 60 all"   # minutes to train on, each a part of the next; systems in exp/<size>
dev_size=250       # utterances of the training set to hold out
num_units=200      # subwords
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
    for system in $systems tri3b_bpe; do
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

# Networks have the stages from 10 on.

if begin 20 "word and character error rates"; then
  decodes=()
  for size in $sizes; do
    for system in $systems tri3b_bpe; do
      model=$exp/$size/${system%_bpe}
      bpe=${system#"${system%_bpe}"}
      # Subwords are joined to words before they are scored.
      steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
        "$data/dev" "$model/graph$bpe" "$model/decode_dev$bpe"
      steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
        --dev "$model/decode_dev$bpe" \
        "$data/test" "$model/graph$bpe" "$model/decode_test$bpe"
      decodes+=("$model/decode_test$bpe")
    done
    steps/score/compare_wer.py "$exp/$size/tri3b/decode_test" "$exp/$size/tri3b/decode_test_bpe"
  done
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
fi
