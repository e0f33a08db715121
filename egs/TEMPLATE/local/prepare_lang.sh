#!/usr/bin/env bash
# Lexicon, lang directories and n-gram model, from the transcripts of the training set.
#
#   local/prepare_lang.sh <lexicon> <conf> <data> [text for the LM]
#
# in   <lexicon>        graphemes, subwords, espeak:CODE, or a file of `word phones`
#      <data>/train/text
# out  <data>/dict      words and their phones
#      <data>/lang      to train with
#      <data>/lang_test to decode with: words, or subwords, and the grammar
set -euo pipefail
lexicon=$1 conf=$2 data=$3 lm_text=${4:-}

mkdir -p "$data/lm"
cut -d " " -f 2- "$data/train/text" >"$data/lm/text"
more=()
if [[ -n $lm_text ]]; then
  utils/data/normalise_text.py --plain-text "$conf/normalise.tsv" "$lm_text" "$data/lm/more/text"
  cat "$data/lm/more/text" >>"$data/lm/text"
  more=(--plain-text "$data/lm/more/text")   # its words go into the lexicon too
fi

# Phones: letters, with --marks, --keep and --share-base of conf/dict.conf; or others' phones.
case $lexicon in
  graphemes | subwords)
    utils/lang/prepare_dict_graphemes.py --config "$conf/dict.conf" "${more[@]}" \
      "$data/train/text" "$data/dict" ;;
  espeak:*)
    utils/lang/prepare_dict_espeak.py --language "${lexicon#espeak:}" "${more[@]}" \
      "$data/train/text" "$data/dict" ;;
  *)
    utils/lang/prepare_dict_lexicon.py "$lexicon" "${more[@]}" \
      "$data/train/text" "$data/dict" ;;
esac

if [[ $lexicon != subwords ]]; then
  utils/lang/prepare_lang.py "$data/dict" "<UNK>" "$data/lang"
  utils/lang/train_ngram.py --config "$conf/lm.conf" --oov skip --vocab "$data/lang" \
    "$data/lm/text" "$data/lm/ngram.arpa"
  utils/lang/format_lm.py "$data/lang" "$data/lm/ngram.arpa" "$data/lang_test"
  exit
fi

# Words to train with, subwords to decode with: the phones are the same, wherever in a word.
utils/lang/prepare_lang.py --position-dependent-phones false "$data/dict" "<UNK>" "$data/lang"
utils/lang/prepare_dict_subwords.py --config "$conf/dict.conf" --config "$conf/subwords.conf" \
  "${more[@]}" "$data/train/text" "$data/dict_bpe"
utils/lang/prepare_lang.py --position-dependent-phones false \
  --phone-symbol-table "$data/lang/phones.txt" "$data/dict_bpe" "<UNK>" "$data/lang_bpe"
utils/lang/apply_subwords.py --plain-text "$data/dict_bpe" "$data/lm/text" "$data/lm/bpe/text"
utils/lang/train_ngram.py --config "$conf/lm_subwords.conf" --oov skip \
  "$data/lm/bpe/text" "$data/lm/bpe/ngram.arpa"
utils/lang/format_lm.py "$data/lang_bpe" "$data/lm/bpe/ngram.arpa" "$data/lang_test"
