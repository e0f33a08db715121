#!/usr/bin/env bash
# From one accent of English to another, with 5, 15, 30 and 60 minutes of it, and all there is.
#
# Source: AN4, US English, 37 minutes of a hundred words. Target: speechocean762, English read by
# Mandarin speakers, half of them children. Parts of the target's training set are nested, and as
# balanced as they can be between age groups and between speakers. Lexicon and LM of the target
# know the text of all of its training set whatever the size: it is sound that is little. Ten and
# twelve of the published training speakers are the development sets. About six hours on two cores
# (estimated), half of it decoding.
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
small_size=30      # of them, that whose networks are made smaller; if it is none, the last
trained="pruned50 pruned70 pruned90 half factored student"   # ways to make them smaller
quantized="int8 int8_static int4 int4_block32 pruned50-int8 half-int8 student-int4"   # bits
hold_out_an4=10    # training speakers to hold out for development
hold_out_speechocean762=12   # the same
forgotten=true     # whether the source's test set is decoded before and after each transfer
adapted=true       # whether networks are trained on tri3b's adapted features as well
seeds=0            # networks of the target from each of these seeds; the source from the first
systems="mono tri1 tri2b tri3b"   # GMM systems to decode and score, tri3b among them
nj=2               # jobs in parallel
data=data          # where data directories, dict, lang and LM are
conf=conf          # where the steps' options are
exp=exp            # where systems are made

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh
. utils/parse_options.sh
parse_options "$@"
demand systems tri3b   # of which networks have trees and graphs

if [[ " $sizes " != *" $small_size "* ]]; then small_size=${sizes##* }; fi

declare -A corpus=([an4]=an4 [speechocean762]=speechocean762
  [adults]=speechocean762 [children]=speechocean762)
declare -A age_group=([adults]=adult [children]=child)
# What systems train on: data/<part>/train, exp/<part>
target_parts=$(printf "$target/%s " $sizes)
parts="$source/all $target_parts"

# One network is the source, whatever seeds the targets' networks have; another on adapted features.
from=$exp/$source/all/scratch/${seeds%% *}
from_sat=$exp/$source/all/scratch_sat/${seeds%% *}
zero=$exp/$target/0/transfer
as_it_is=$exp/$target/0/kept   # the source network with the target's words and LM
as_it_is_sat=$exp/$target/0/kept_sat
kept=$data/$target/kept        # lang and LM of the target in the source's phones

# A part's options are those of its minutes; those of all of a corpus, the corpus's.
variant() {
  if [[ $1 == */all ]]; then echo "${1%/all}"; else echo "${1#*/}"; fi
}

# Whether the source has all of the target's phones.
keeps_outputs() {
  local phones=dict/nonsilence_phones.txt
  ! grep -qvxFf "$data/corpora/${corpus[$source]}/$phones" \
    "$data/corpora/${corpus[$target]}/$phones"
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

# Networks on a part of the target, exp/<part>/<network>/<seed>: from the target alone, with its
# tree on the source's layers, and with the source's tree and outputs kept as well, where it has all
# of the target's phones. <network>_sat: on adapted features; by transfer on those of the source's
# tri3b, which adapts the target's speakers where it has all of their phones.
networks="scratch transfer"
sat_networks="scratch_sat"
if keeps_outputs; then
  networks+=" kept"
  sat_networks+=" transfer_sat kept_sat"
fi
if [[ $adapted == true ]]; then networks+=" $sat_networks"; fi

has() {
  [[ " $networks " == *" $1 "* ]]
}

# Those by transfer, and those of the source, exp/<source>/all/<network>/<seed>.
by_transfer=$(printf '%s\n' $networks | grep -v '^scratch')
source_networks="scratch"
if has kept_sat; then source_networks+=" scratch_sat"; fi

# The graph of a part's network: of its tree.
graph_of() {
  if [[ $2 == kept* ]]; then echo "$as_it_is/graph"; else echo "$exp/$1/tri3b/graph"; fi
}

# Where dev and test are as a part's network sees them.
features_of() {
  case $2 in
    scratch_sat) echo "$data/$1/sat" ;;
    *_sat) echo "$data/$target/source_sat" ;;
    *) echo "$data/$target/nnet" ;;
  esac
}

# The source's network that a network begins with, and where that one's dev and test are.
source_of() {
  if [[ $1 == *_sat ]]; then echo scratch_sat; else echo scratch; fi
}
source_features_of() {
  if [[ $1 == *_sat ]]; then echo "$data/$source/all/sat"; else echo "$data/$source/nnet"; fi
}

# Features of a system with fMLLR, adapted by the transforms of its alignments or decoding, beside
# log mel energies:
# adapt <system> <alignments or decoding> <data with MFCC> <data with log mel energies> <data>
adapt() {
  local fmllr=${5%/*}/fmllr/${5##*/}
  steps/hmm/make_fmllr_feats.py --nj "$nj" --cmd "$train_cmd" "$3" "$1" "$2" "$fmllr"
  steps/features/paste_feats.py "$fmllr" "$4" "$5"
  steps/features/compute_cmvn.py "$5"
}

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
  if has kept; then
    utils/lang/prepare_lang.py --phone-symbol-table "$data/$source/lang/phones.txt" \
      "$data/corpora/${corpus[$target]}/dict" "<UNK>" "$kept/lang"
    utils/lang/format_lm.py "$kept/lang" "$data/$target/lm/3gram.arpa" "$kept/lang_test"
  else
    echo "run.sh: $source has not all the phones of $target: its outputs are not kept as they" \
      "are, and its tri3b does not adapt the target's speakers"
  fi
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

if begin 8 "graphs, and decoding of the target"; then
  steps/decode/make_graph.py "$data/$source/lang_test" "$exp/$source/all/tri3b" \
    "$exp/$source/all/tri3b/graph"
  for part in $target_parts; do
    for system in $systems; do
      steps/decode/make_graph.py "$data/$target/lang_test" "$exp/$part/$system" \
        "$exp/$part/$system/graph"
      decode=decode
      if [[ $system == tri3b ]]; then decode=decode_fmllr; fi   # two passes, adapted to speakers
      for set in dev test; do
        steps/decode/$decode.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/$part/$system/graph" "$data/$target/$set" "$exp/$part/$system/decode_$set"
      done
    done
  done
fi

if begin 9 "log mel energies, and copies at other speeds, for networks"; then
  for part in $parts; do
    utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/$part/train" "$data/$part/nnet/train"
  done
  for set in {"$source","$target"}/{dev,test}; do
    utils/data/copy_data_dir.py "$data/$set" "$data/${set%/*}/nnet/${set#*/}"
  done
  for set in $(printf '%s/nnet/train ' $parts) {"$source","$target"}/nnet/{dev,test}; do
    steps/features/make_fbank.py --config "$conf/fbank.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$set"
    steps/features/compute_cmvn.py "$data/$set"
  done
fi

if begin 10 "the source network, on the alignments of tri3b"; then
  steps/nnet/train.py --config "$conf/nnet.conf" --config "$conf/nnet_$source.conf" \
    --seed "${seeds%% *}" "$data/$source/all/nnet/train" "$exp/$source/all/tri3b" "$from"
fi

if begin 11 "networks from scratch: the target alone"; then
  for size in $sizes; do
    part=$target/$size
    for seed in $seeds; do
      steps/nnet/train.py --config "$conf/nnet.conf" --config "$conf/nnet_$(variant "$part").conf" \
        --seed "$seed" "$data/$part/nnet/train" "$exp/$part/tri3b" "$exp/$part/scratch/$seed"
    done
  done
fi

if begin 12 "transfer: the target on the source network's layers"; then
  for size in $sizes; do
    part=$target/$size
    steps/transfer/map_phones.py --alidir "$exp/$part/tri3b" "$from" "$exp/$part/tri3b" \
      "$exp/$part/map"
    for seed in $seeds; do
      steps/transfer/transfer.py --config "$conf/transfer.conf" \
        --config "$conf/nnet_$(variant "$part").conf" --pdf-map "$exp/$part/map" --seed "$seed" \
        --scratch "$exp/$part/scratch/$seed" \
        "$from" "$data/$part/nnet/train" "$exp/$part/tri3b" "$exp/$part/transfer/$seed"
    done
    if has kept; then
      steps/nnet/align.py --nj "$nj" --cmd "$train_cmd" \
        "$data/$part/nnet/train" "$kept/lang" "$from" "$exp/$part/kept/ali"
      for seed in $seeds; do
        steps/transfer/transfer.py --config "$conf/nnet_$(variant "$part").conf" \
          --config "$conf/kept.conf" --seed "$seed" \
          "$from" "$data/$part/nnet/train" "$exp/$part/kept/ali" "$exp/$part/kept/$seed"
      done
    fi
  done
fi

if begin 13 "before any of the target was heard: monophones by sound, and the source as it is"; then
  steps/hmm/make_mono_tree.py "$data/$target/lang" "$zero/tree"
  steps/transfer/map_phones.py "$from" "$zero/tree" "$zero/map"
  steps/transfer/transfer.py --output map --pdf-map "$zero/map" --num-epochs 0 \
    "$from" "$data/$target/nnet/dev" "$zero/tree" "$zero/network"
  steps/decode/make_graph.py "$data/$target/lang_test" "$zero/network" "$zero/graph"
  for set in dev test; do
    steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
      --model "$zero/network" "$zero/graph" "$data/$target/nnet/$set" "$zero/decode_$set"
  done
  if has kept; then
    steps/decode/make_graph.py "$kept/lang_test" "$exp/$source/all/tri3b" "$as_it_is/graph"
    for set in dev test; do
      steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
        --model "$from" "$as_it_is/graph" "$data/$target/nnet/$set" "$as_it_is/decode_$set"
    done
  fi
fi

if [[ $adapted == true ]] && begin 14 "features adapted to speakers beside log mel energies"; then
  adapted_parts=$target_parts
  if has kept_sat; then adapted_parts=$parts; fi
  for part in $adapted_parts; do
    system=$exp/$part/tri3b
    utils/data/perturb_speed.py 0.9,1.0,1.1 "$data/$part/train" "$data/$part/sp/train"
    steps/features/make_mfcc.py --config "$conf/mfcc.conf" --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/sp/train"
    steps/features/compute_cmvn.py "$data/$part/sp/train"
    steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/sp/train" "$data/${part%/*}/lang" "$system" "${system}_sp_ali"
    adapt "$system" "${system}_sp_ali" "$data/$part/sp/train" "$data/$part/nnet/train" \
      "$data/$part/sat/train"
  done
  for part in $target_parts; do
    system=$exp/$part/tri3b
    for set in dev test; do
      adapt "$system" "$system/decode_$set" "$data/$target/$set" "$data/$target/nnet/$set" \
        "$data/$part/sat/$set"
    done
  done
  # The source's tri3b adapts to the target's speakers, whose phones it has.
  if has kept_sat; then
    system=$exp/$source/all/tri3b
    for part in $target_parts; do
      ali=$exp/$part/kept_sat/tri3b_ali
      steps/hmm/align.py --nj "$nj" --cmd "$train_cmd" \
        "$data/$part/sp/train" "$kept/lang" "$system" "$ali"
      adapt "$system" "$ali" "$data/$part/sp/train" "$data/$part/nnet/train" \
        "$data/$part/source_sat/train"
    done
    for set in dev test; do
      decode=$as_it_is_sat/tri3b/decode_$set
      steps/decode/decode_fmllr.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
        --model "$system" "$as_it_is/graph" "$data/$target/$set" "$decode"
      adapt "$system" "$decode" "$data/$target/$set" "$data/$target/nnet/$set" \
        "$data/$target/source_sat/$set"
      if [[ $forgotten == true ]]; then
        decode=$system/decode_$set
        steps/decode/decode_fmllr.py --config "$conf/decode.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$system/graph" "$data/$source/$set" "$decode"
        adapt "$system" "$decode" "$data/$source/$set" "$data/$source/nnet/$set" \
          "$data/$source/all/sat/$set"
      fi
    done
  fi
fi

if [[ $adapted == true ]] && begin 15 "networks on them: source, scratch and by transfer"; then
  if has kept_sat; then
    steps/nnet/train.py --config "$conf/nnet.conf" --config "$conf/nnet_$source.conf" \
      --config "$conf/sat.conf" --seed "${seeds%% *}" \
      "$data/$source/all/sat/train" "$exp/$source/all/tri3b_sp_ali" "$from_sat"
  fi
  for part in $target_parts; do
    ali=$exp/$part/tri3b_sp_ali
    options="$conf/nnet_$(variant "$part").conf"
    for seed in $seeds; do
      steps/nnet/train.py --config "$conf/nnet.conf" --config "$options" \
        --config "$conf/sat.conf" --seed "$seed" \
        "$data/$part/sat/train" "$ali" "$exp/$part/scratch_sat/$seed"
    done
    if ! has kept_sat; then continue; fi
    steps/transfer/map_phones.py --alidir "$ali" "$from_sat" "$exp/$part/tri3b" \
      "$exp/$part/map_sat"
    steps/nnet/align.py --nj "$nj" --cmd "$train_cmd" \
      "$data/$part/source_sat/train" "$kept/lang" "$from_sat" "$exp/$part/kept_sat/ali"
    for seed in $seeds; do
      steps/transfer/transfer.py --config "$conf/transfer.conf" --config "$options" \
        --config "$conf/sat.conf" --pdf-map "$exp/$part/map_sat" --seed "$seed" \
        --scratch "$exp/$part/scratch_sat/$seed" \
        "$from_sat" "$data/$part/source_sat/train" "$ali" "$exp/$part/transfer_sat/$seed"
      steps/transfer/transfer.py --config "$options" --config "$conf/kept.conf" \
        --config "$conf/sat.conf" --seed "$seed" \
        "$from_sat" "$data/$part/source_sat/train" "$exp/$part/kept_sat/ali" \
        "$exp/$part/kept_sat/$seed"
    done
  done
fi

if begin 16 "decoding with the networks, and of the source after transfer"; then
  for seed in $seeds; do
    for part in $target_parts; do
      for network in $networks; do
        for set in dev test; do
          steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
            "$(graph_of "$part" "$network")" "$(features_of "$part" "$network")/$set" \
            "$exp/$part/$network/$seed/decode_$set"
        done
      done
    done
  done
  if has kept_sat; then
    for set in dev test; do
      steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
        --model "$from_sat" "$as_it_is/graph" "$data/$target/source_sat/$set" \
        "$as_it_is_sat/decode_$set"
    done
  fi
  if [[ $forgotten == true ]]; then
    for part in $target_parts; do
      for network in $by_transfer; do
        steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/$source/all/tri3b/graph" "$(source_features_of "$network")/test" \
          "$exp/$part/$network/${seeds%% *}/source/decode_test"
      done
    done
    for network in $source_networks; do
      for set in dev test; do
        steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/$source/all/tri3b/graph" "$(source_features_of "$network")/$set" \
          "$exp/$source/all/$network/${seeds%% *}/decode_$set"
      done
    done
  fi
fi

# Chooses the LM weight on a development set, and applies it to the test set:
# score_pair <data>/dev|test <graph> <decode>_dev|_test
score_pair() {
  steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
    "$1/dev" "$2" "$3_dev"
  steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
    --dev "$3_dev" "$1/test" "$2" "$3_test"
}

# The decode directories of a part's networks, a seed each, commas between.
of_seeds() {
  local decodes=()
  for seed in $seeds; do decodes+=("$exp/$1/$seed/$2"); done
  (IFS=,; echo "${decodes[*]}")
}

if begin 20 "word error rates"; then
  decodes=()
  for part in $target_parts; do
    for system in $systems; do
      score_pair "$data/$target" "$exp/$part/$system/graph" "$exp/$part/$system/decode"
      decodes+=("$exp/$part/$system/decode_test")
    done
  done
  score_pair "$data/$target/nnet" "$zero/graph" "$zero/decode"
  decodes+=("$zero/decode_test")
  if has kept; then
    score_pair "$data/$target/nnet" "$as_it_is/graph" "$as_it_is/decode"
    decodes+=("$as_it_is/decode_test")
  fi
  if has kept_sat; then
    score_pair "$data/$target/source_sat" "$as_it_is/graph" "$as_it_is_sat/decode"
    decodes+=("$as_it_is_sat/decode_test")
  fi
  for part in $target_parts; do
    for seed in $seeds; do
      for network in $networks; do
        score_pair "$(features_of "$part" "$network")" "$(graph_of "$part" "$network")" \
          "$exp/$part/$network/$seed/decode"
        decodes+=("$exp/$part/$network/$seed/decode_test")
      done
    done
  done
  if [[ $forgotten == true ]]; then
    for network in $source_networks; do
      score_pair "$(source_features_of "$network")" "$exp/$source/all/tri3b/graph" \
        "$exp/$source/all/$network/${seeds%% *}/decode"
    done
    for part in $target_parts; do
      for network in $by_transfer; do
        steps/score/score.py --config "$conf/score.conf" --nj "$nj" --cmd "$decode_cmd" \
          --dev "$exp/$source/all/$(source_of "$network")/${seeds%% *}/decode_dev" \
          "$(source_features_of "$network")/test" "$exp/$source/all/tri3b/graph" \
          "$exp/$part/$network/${seeds%% *}/source/decode_test"
      done
    done
  fi
  steps/score/results.py --out "$exp/$target/results" "${decodes[@]}"
fi

if begin 21 "tables with significance, and the learning curve"; then
  points=()
  for size in $sizes; do
    part=$target/$size
    table=(tri3b="$exp/$part/tri3b/decode_test" zero="$zero/decode_test")
    if has kept; then table+=(source="$as_it_is/decode_test"); fi
    if has kept_sat; then table+=(source_sat="$as_it_is_sat/decode_test"); fi
    minutes=$size
    if [[ $size == all ]]; then
      minutes=$(awk '{ s += $2 } END { printf "%.0f", s / 60 }' "$data/$part/train/utt2dur")
    fi
    points+=("GMM:$minutes=$exp/$part/tri3b/decode_test")
    for network in $networks; do
      decodes=$(of_seeds "$part/$network" decode_test)
      table+=("$network=$decodes")
      points+=("$network:$minutes=$decodes")
    done
    steps/score/table.py --baseline scratch --out "$exp/$part/table" "${table[@]}"
  done
  if [[ $forgotten == true ]]; then
    # What the source has forgotten: its own test set before and after each training.
    for before in $source_networks; do
      rows=("before=$exp/$source/all/$before/${seeds%% *}/decode_test")
      for size in $sizes; do
        for network in $by_transfer; do
          if [[ $(source_of "$network") != "$before" ]]; then continue; fi
          rows+=("${network}_$size=$exp/$target/$size/$network/${seeds%% *}/source/decode_test")
        done
      done
      steps/score/table.py --baseline before --out "$exp/$target/forgotten${before#scratch}" \
        "${rows[@]}"
    done
  fi
  steps/score/learning_curve.py --title "$source to $target" "$exp/$target/learning_curve.png" \
    "${points[@]}"
fi

small_part=$target/$small_size
# The networks by transfer of one size, made smaller: <variant> of conf/<variant>.conf, of which
# <other>-<variant> takes another variant further.
small="$trained $quantized"

# The step of steps/compress that trains a variant.
step_of() {
  case $1 in
    factored) echo factor ;;
    student) echo distill ;;
    *) echo prune ;;
  esac
}

# None is refused: the table is to show what each of them costs.
if begin 22 "small: a transfer's networks pruned, factored, distilled and quantized"; then
  for seed in $seeds; do
    from=$exp/$small_part/transfer/$seed
    gate=(--no-gate --baseline "$from/decode_dev" --nj "$nj" --cmd "$decode_cmd")
    for variant in $trained; do
      steps/compress/"$(step_of "$variant")".py --config "$conf/$variant.conf" --seed "$seed" \
        "${gate[@]}" "$from" "$data/$small_part/nnet/train" "$exp/$small_part/tri3b" \
        "$from/$variant"
    done
    for variant in $quantized; do
      of=$from
      if [[ $variant == *-* ]]; then of=$from/${variant%-*}; fi
      steps/compress/quantize.py --config "$conf/${variant#*-}.conf" "${gate[@]}" \
        "$of" "$data/$small_part/nnet/train" "$from/$variant"
    done
  done
fi

if begin 23 "decoding with them, and word error rates"; then
  for seed in $seeds; do
    for variant in $small; do
      from=$exp/$small_part/transfer/$seed/$variant
      for set in dev test; do
        steps/decode/decode.py --config "$conf/decode_nnet.conf" --nj "$nj" --cmd "$decode_cmd" \
          "$exp/$small_part/tri3b/graph" "$data/$target/nnet/$set" "$from/decode_$set"
      done
      score_pair "$data/$target/nnet" "$exp/$small_part/tri3b/graph" "$from/decode"
    done
  done
fi

if begin 24 "what each of them costs: bytes, speed, memory and word errors"; then
  table=("float=$(of_seeds "$small_part/transfer" decode_test)")
  for variant in $small; do
    table+=("$variant=$(of_seeds "$small_part/transfer" "$variant/decode_test")")
  done
  steps/score/table.py --baseline float --out "$exp/$small_part/small" "${table[@]}"
  for seed in $seeds; do
    from=$exp/$small_part/transfer/$seed
    rows=("float=$from,$from/decode_dev,$from/decode_test")
    for variant in $small; do
      rows+=("$variant=$from/$variant,$from/$variant/decode_dev,$from/$variant/decode_test")
    done
    steps/compress/benchmark.py --config "$conf/benchmark.conf" \
      --graph "$exp/$small_part/tri3b/graph" "$data/$target/nnet/test" "$from/benchmark" \
      "${rows[@]}"
  done
fi

if begin 25 "a package"; then
  from=$exp/$small_part/transfer/${seeds%% *}
  packed=$from/${quantized%% *}   # the first of them
  steps/package/package.py --config "$conf/package.conf" --dev "$packed/decode_dev" \
    --decode "$packed/decode_test" --trainable "$from" \
    --lexicon "$data/corpora/${corpus[$target]}/dict/lexicon.txt" --sound "$data/$target/test" \
    --name "$source to $target" --corpus "${corpus[$target]}, after ${corpus[$source]}" \
    "$packed" "$exp/$small_part/tri3b/graph" "$data/$target/lang_test" "$exp/$target/package"
fi
