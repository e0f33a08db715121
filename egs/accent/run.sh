#!/usr/bin/env bash
# From one accent of English to another, with 5, 15, 30 and 60 minutes of it, and all there is.
#
# Source: AN4, US English, 37 minutes of a hundred words. Target: speechocean762, English read by
# Mandarin speakers, half of them children. Parts of the target's training set are nested, and as
# balanced as they can be between age groups and between speakers. Lexicon and LM of the target
# know the text of all of its training set whatever the size: it is sound that is little. Ten and
# twelve of the published training speakers are the development sets. About two hours on two cores
# (estimated).
#
#   ./run.sh                           fetches both corpora to ../an4/corpus and
#                                      ../speechocean762/corpus (580 MB), runs all
#   ./run.sh --an4 /data/an4 --speechocean762 /data/speechocean762
#                                      the corpora are on disk already
#   ./run.sh --source speechocean762 --target an4 --sizes "5 15 30 all"      the other way round
#   ./run.sh --source adults --target children --sizes "5 15 30 all"      within speechocean762
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
an4=""             # the directory with AN4's etc/ and wav/; none: it is fetched
speechocean762=""  # the directory with speechocean762's WAVE/; none: it is fetched
source=an4         # an4, speechocean762, adults or children; data/<source>, exp/<source>
target=speechocean762   # another of them
sizes="5 15 30 60 all"  # minutes of the target to train on, each a part of the next
hold_out_an4=10    # training speakers to hold out for development
hold_out_speechocean762=12   # the same
nj=2               # jobs in parallel
data=data          # where data directories, dict, lang and LM are
conf=conf          # where the steps' options are
exp=exp            # where systems are made

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh
. utils/parse_options.sh
parse_options "$@"

declare -A corpus=([an4]=an4 [speechocean762]=speechocean762
  [adults]=speechocean762 [children]=speechocean762)
declare -A age_group=([adults]=adult [children]=child)
systems="mono tri1 tri2b tri3b"
# What systems train on: data/<part>/train, exp/<part>
parts="$source/all $(printf "$target/%s " $sizes)"

# A part's options are those of its minutes; those of all of a corpus, the corpus's.
variant() {
  if [[ $1 == */all ]]; then echo "${1%/all}"; else echo "${1#*/}"; fi
}

if begin 0 "data and lexica"; then
  if [[ -z $an4 ]]; then
    ../an4/local/download.py ../an4/corpus
    an4=../an4/corpus/an4
  fi
  if [[ -z $speechocean762 ]]; then
    ../speechocean762/local/download.py ../speechocean762/corpus
    speechocean762=../speechocean762/corpus/speechocean762
  fi
  ../an4/local/prepare_data.py --hold-out "$hold_out_an4" "$an4" "$data/corpora/an4"
  ../an4/local/prepare_dict.py "$an4" "$data/corpora/an4/dict"
  ../speechocean762/local/prepare_data.py --hold-out "$hold_out_speechocean762" \
    "$speechocean762" "$data/corpora/speechocean762"
  utils/lang/prepare_dict_lexicon.py --stress drop "$speechocean762/resource/lexicon.txt" \
    "$data/corpora/speechocean762/dict"
  for side in $source $target; do
    local/prepare_data.py --age-group "${age_group[$side]:-}" "$data/corpora/${corpus[$side]}" \
      "$data/$side"
    for set in train dev test; do
      utils/data/validate_data_dir.py --no-feats "$data/$side/$set"
    done
  done
fi

if begin 1 "nested parts of the target's training set"; then
  for part in $parts; do
    if [[ $part == */all ]]; then
      utils/data/copy_data_dir.py "$data/${part%/*}/train" "$data/$part/train"
    else
      utils/data/subset_data_dir.py --minutes "${part#*/}" --balance spk2agegroup \
        "$data/$target/train" "$data/$part/train"
    fi
  done
fi

if begin 2 "lang and trigram of source and target"; then
  for side in $source $target; do
    utils/lang/prepare_lang.py "$data/corpora/${corpus[$side]}/dict" "<UNK>" "$data/$side/lang"
    utils/lang/train_ngram.py --order 3 --oov skip --utt-ids --vocab "$data/$side/lang" \
      "$data/$side/train/text" "$data/$side/lm/3gram.arpa"
    utils/lang/format_lm.py "$data/$side/lang" "$data/$side/lm/3gram.arpa" "$data/$side/lang_test"
  done
fi

if begin 3 "MFCC and CMVN"; then
  for set in $(printf '%s/train ' $parts) {"$source","$target"}/{dev,test}; do
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
    steps/hmm/train_deltas.py --config "$conf/tri_$(variant "$part").conf" \
      --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/mono_ali" "$exp/$part/tri1"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/tri1" "$exp/$part/tri1_ali"
  done
fi

if begin 6 "tri2b: LDA+MLLT"; then
  for part in $parts; do
    steps/hmm/train_lda_mllt.py --config "$conf/tri_$(variant "$part").conf" \
      --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/tri1_ali" "$exp/$part/tri2b"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/tri2b" "$exp/$part/tri2b_ali"
  done
fi

if begin 7 "tri3b: SAT with fMLLR per speaker"; then
  for part in $parts; do
    steps/hmm/train_sat.py --config "$conf/tri_$(variant "$part").conf" \
      --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/train" "$data/${part%/*}/lang" "$exp/$part/tri2b_ali" "$exp/$part/tri3b"
  done
fi

if begin 8 "graphs and decoding"; then
  for part in $parts; do
    side=${part%/*}
    for system in $systems; do
      steps/decode/make_graph.py "$data/$side/lang_test" "$exp/$part/$system" \
        "$exp/$part/$system/graph"
      decode=decode
      if [[ $system == tri3b ]]; then decode=decode_fmllr; fi   # two passes, adapted to speakers
      for set in dev test; do
        steps/decode/$decode.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/$part/$system/graph" "$data/$side/$set" "$exp/$part/$system/decode_$set"
      done
    done
  done
fi

# Networks have the stages from 9 on.

if begin 20 "word error rates"; then
  decodes=()
  for part in $parts; do
    side=${part%/*}
    for system in $systems; do
      steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
        "$data/$side/dev" "$exp/$part/$system/graph" "$exp/$part/$system/decode_dev"
      steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
        --dev "$exp/$part/$system/decode_dev" \
        "$data/$side/test" "$exp/$part/$system/graph" "$exp/$part/$system/decode_test"
      decodes+=("$exp/$part/$system/decode_test")
    done
  done
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
fi
