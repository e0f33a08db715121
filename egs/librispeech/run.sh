#!/usr/bin/env bash
# LibriSpeech: audio books in English, 5, 100 or 960 hours; GMM-HMMs and a network, as a source.
#
# Parts, speakers, text and lexicon are those of Kaldi's recipes mini_librispeech and librispeech;
# with --lm 3-gram.pruned.3e-7 the first-pass LM as well. Mini is scored on dev-clean-2, on which
# its LM weight is chosen too, as Kaldi does; 100 and 960 on test-clean and test-other, with weights
# of dev-clean and dev-other. Mini about two hours on two cores, 100 about two days (estimated);
# 960 wants a cluster, see cmd.sh.
#
#   ./run.sh                                    mini: fetches 460 MB to corpus/, runs all
#   ./run.sh --part 100 --lm 3-gram.pruned.3e-7   fetches 7.7 GB
#   ./run.sh --corpus /data/LibriSpeech         the corpus is on disk already
#   ./run.sh --stage 9 --seeds "0 1 2"          networks from three seeds
set -euo pipefail

stage=0            # first stage to run
stop_stage=99      # last stage to run
part=mini          # mini, 100 or 960 hours; data/<part>, exp/<part>
corpus=""          # the directory with SPEAKERS.TXT and the parts; none: it is fetched
lexicon=""         # librispeech-lexicon.txt; none: it is fetched
lm=train           # trigram of the transcripts; or 3-gram.pruned.3e-7, as published; or a file
url=""             # a mirror, such as https://openslr.elda.org/resources; none: www.openslr.org
speakers=chapter   # a reader in one chapter, as in Kaldi, or in all: reader
systems="mono tri1 tri2b tri3b"   # GMM systems to decode and score
seeds=0            # networks from each of these seeds
nj=2               # jobs in parallel
data=data          # where data directories, lang and LM are
conf=conf          # where the steps' options are
exp=exp            # where systems are made

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh
. utils/parse_options.sh
parse_options "$@"

declare -A train=([mini]=train-clean-5 [100]=train-clean-100
  [960]="train-clean-100 train-clean-360 train-other-500")
declare -A dev=([mini]=dev-clean-2 [100]="dev-clean dev-other" [960]="dev-clean dev-other")
declare -A test=([mini]="" [100]="test-clean test-other" [960]="test-clean test-other")
declare -A mono_utts=([mini]=500 [100]=2000 [960]=2000)   # the shortest, for the flat start
tri1_utts=5000     # triphones need not have heard all; mini has fewer
tri2b_utts=10000
if [[ ! -v train[$part] ]]; then
  echo "run.sh: --part: expected mini, 100 or 960, not $part" >&2
  exit 1
fi

# train-clean-5 to train_clean_5, as Kaldi names data directories
sets=(train)
for name in ${dev[$part]} ${test[$part]}; do sets+=("${name//-/_}"); done
data=$data/$part
exp=$exp/$part

if begin 0 "data"; then
  if [[ -z $corpus ]]; then
    for name in ${train[$part]} ${dev[$part]} ${test[$part]}; do
      local/download.py ${url:+--url "$url"} corpus "$name"
    done
    corpus=corpus/LibriSpeech
  fi
  local/prepare_data.py --speakers "$speakers" "$corpus" ${train[$part]} "$data/train"
  for name in ${dev[$part]} ${test[$part]}; do
    local/prepare_data.py --speakers "$speakers" "$corpus" "$name" "$data/${name//-/_}"
  done
  for set in "${sets[@]}"; do
    utils/data/validate_data_dir.py --no-feats "$data/$set"
  done
fi

if begin 1 "lexicon, lang and trigram"; then
  if [[ -z $lexicon ]]; then
    local/download.py ${url:+--url "$url"} corpus librispeech-lexicon.txt
    lexicon=corpus/lm/librispeech-lexicon.txt
  fi
  if [[ $lm == train ]]; then
    # The words of the training transcripts and no others.
    utils/lang/prepare_dict_lexicon.py "$lexicon" "$data/train/text" "$data/dict"
    utils/lang/prepare_lang.py "$data/dict" "<UNK>" "$data/lang"
    utils/lang/train_ngram.py --order 3 --oov skip --utt-ids --vocab "$data/lang" \
      "$data/train/text" "$data/lm/3gram.arpa"
    lm=$data/lm/3gram.arpa
  else
    if [[ ! -f $lm ]]; then
      local/download.py ${url:+--url "$url"} corpus "$lm.arpa.gz"
      lm=corpus/lm/$lm.arpa.gz
    fi
    # All 200,000 words of the lexicon, which are the LM's.
    utils/lang/prepare_dict_lexicon.py "$lexicon" "$data/dict"
    utils/lang/prepare_lang.py "$data/dict" "<UNK>" "$data/lang"
  fi
  utils/lang/format_lm.py "$data/lang" "$lm" "$data/lang_test"
fi

if begin 2 "MFCC and CMVN, and parts to begin with"; then
  for set in "${sets[@]}"; do
    steps/features/make_mfcc.py --config "$conf/mfcc.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$set"
    steps/features/compute_cmvn.py "$data/$set"
  done
  # Short utterances align best from a flat start.
  utils/data/subset_data_dir.py --shortest "$data/train" "${mono_utts[$part]}" "$data/train_mono"
  utils/data/subset_data_dir.py "$data/train" "$tri1_utts" "$data/train_tri1"
  utils/data/subset_data_dir.py "$data/train" "$tri2b_utts" "$data/train_tri2b"
fi

if begin 3 "mono: monophones from a flat start"; then
  steps/hmm/train_mono.py --config "$conf/mono.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/train_mono" "$data/lang" "$exp/mono"
  steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
    "$data/train_tri1" "$data/lang" "$exp/mono" "$exp/mono_ali"
fi

if begin 4 "tri1: triphones on deltas"; then
  steps/hmm/train_deltas.py --config "$conf/tri1.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/train_tri1" "$data/lang" "$exp/mono_ali" "$exp/tri1"
  steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
    "$data/train_tri2b" "$data/lang" "$exp/tri1" "$exp/tri1_ali"
fi

if begin 5 "tri2b: LDA+MLLT"; then
  steps/hmm/train_lda_mllt.py --config "$conf/tri2b.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/train_tri2b" "$data/lang" "$exp/tri1_ali" "$exp/tri2b"
  steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/tri2b" "$exp/tri2b_ali"
fi

if begin 6 "tri3b: SAT with fMLLR per speaker"; then
  steps/hmm/train_sat.py --config "$conf/tri3b_$part.conf" --nj "$nj" --cmd "$train_cmd" \
    "$data/train" "$data/lang" "$exp/tri2b_ali" "$exp/tri3b"
fi

if begin 7 "graphs and decoding"; then
  for system in $systems; do
    steps/decode/make_graph.py "$data/lang_test" "$exp/$system" "$exp/$system/graph"
    decode=decode
    if [[ $system == tri3b ]]; then decode=decode_fmllr; fi   # two passes, adapted to the speaker
    for set in "${sets[@]:1}"; do
      steps/decode/$decode.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
        "$exp/$system/graph" "$data/$set" "$exp/$system/decode_$set"
    done
  done
fi

if begin 8 "log mel energies, and copies at other speeds, for networks"; then
  utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/train" "$data/nnet/train"
  for set in "${sets[@]:1}"; do
    utils/data/copy_data_dir.py "$data/$set" "$data/nnet/$set"
  done
  for set in "${sets[@]}"; do
    steps/features/make_fbank.py --config "$conf/fbank.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/nnet/$set"
    steps/features/compute_cmvn.py "$data/nnet/$set"
  done
fi

if begin 9 "networks on the alignments of tri3b"; then
  for seed in $seeds; do
    steps/nnet/train.py --config "$conf/nnet.conf" --config "$conf/nnet_$part.conf" \
      --seed "$seed" "$data/nnet/train" "$exp/tri3b" "$exp/nnet/$seed"
  done
fi

if begin 10 "decoding with the networks"; then
  steps/decode/make_graph.py "$data/lang_test" "$exp/tri3b" "$exp/tri3b/graph"
  for seed in $seeds; do
    for set in "${sets[@]:1}"; do
      # The tree is tri3b's, and so the graph.
      steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
        "$exp/tri3b/graph" "$data/nnet/$set" "$exp/nnet/$seed/decode_$set"
    done
  done
fi

# Chooses the LM weight on each development set, and applies it to the test set of that name; mini
# has none: score_all <data> <graph> <system>
score_all() {
  local name set
  for name in ${dev[$part]}; do
    set=${name//-/_}
    steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
      "$1/$set" "$2" "$3/decode_$set"
    decodes+=("$3/decode_$set")
  done
  for name in ${test[$part]}; do
    set=${name//-/_}
    steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
      --dev "$3/decode_dev_${set#test_}" "$1/$set" "$2" "$3/decode_$set"
    decodes+=("$3/decode_$set")
  done
}

if begin 20 "word error rates"; then
  decodes=()
  for system in $systems; do score_all "$data" "$exp/$system/graph" "$exp/$system"; done
  for seed in $seeds; do score_all "$data/nnet" "$exp/tri3b/graph" "$exp/nnet/$seed"; done
  steps/score/results.py --out "$exp/results" "${decodes[@]}"
fi
