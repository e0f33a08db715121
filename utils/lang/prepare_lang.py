#!/usr/bin/env python3
"""Make a lang directory from a dict directory, file by file as Kaldi's prepare_lang.sh does.

in   <dict>/lexiconp.txt or lexicon.txt, silence_phones.txt, nonsilence_phones.txt,
     optional_silence.txt, extra_questions.txt; bpe.model if the words are subwords
out  <lang>/phones.txt words.txt          symbol id
     <lang>/L.fst L_disambig.fst          phones to words, binary OpenFst, sorted by output label
     <lang>/topo                          HMM states of each phone
     <lang>/oov.txt oov.int               the word for what is not in words.txt
     <lang>/phones/*.txt .int .csl        sets of phones: silence, roots, word_boundary, ...

e.g. utils/lang/prepare_lang.py data/dict "<UNK>" data/lang
"""

import shutil
from pathlib import Path

from utils.lang.dictdir import FILES, read_dict
from utils.lang.lang_files import lang_files, symbol_tables, with_phones_of
from utils.lang.lexicon import add_disambig, mark_positions
from utils.lang.lexicon_fst import lexicon_fst
from utils.lang.subwords import starts_word
from utils.step import Step, UserError, log, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--position-dependent-phones", type=_boolean, default=True, metavar="true|false",
             help="tell the phones at a word's begin (_B), inside (_I), end (_E) and alone (_S) "
                  "apart (default true)")
    step.add("--num-sil-states", type=int, default=5, help="HMM states of silence (default 5)")
    step.add("--num-nonsil-states", type=int, default=3, help="HMM states of phones (default 3)")
    step.add("--sil-prob", type=float, default=0.5,
             help="probability of silence after a word (default 0.5); 0 for none")
    step.add("--share-silence-phones", type=_boolean, default=False, metavar="true|false",
             help="one set of pdfs for all silence phones (default false)")
    step.add("--phone-symbol-table", default="", metavar="FILE",
             help="phones.txt of a trained model, to make a lang directory of other words for it; "
                  "the model may have phones that these words have not")
    step.add("dict", help="dict directory")
    step.add("oov", help='word of the lexicon for unknown words, e.g. "<UNK>"')
    step.add("lang", help="lang directory to make")
    args = step.parse(argv)
    source = Path(args.dict)
    inputs = [source / name for name in FILES]
    if args.phone_symbol_table:
        inputs.append(args.phone_symbol_table)
    if step.up_to_date(args.lang, inputs):
        return 0
    contents = read_dict(source)
    _check_options(args, contents)
    if args.phone_symbol_table:
        contents = with_phones_of(args.phone_symbol_table, contents, args.position_dependent_phones)
    if (source / "lexiconp_silprob.txt").exists():
        log(f"{source}/lexiconp_silprob.txt is not used: silence has --sil-prob after all words")
    with step.output(args.lang) as out:
        summary = _write_lang(args, contents, out)
        # What an earlier run with other options wrote and this one does not.
        for name in ("phones/word_boundary.txt", "phones/word_boundary.int", "bpe.model",
                     "units.txt"):
            if not (out / name).exists():
                (Path(args.lang) / name).unlink(missing_ok=True)
    return step.finish(summary)


def _write_lang(args, contents, out):
    entries = contents.entries
    if args.position_dependent_phones:
        entries = mark_positions(entries)
    with_disambig, highest = add_disambig(entries)
    sil_disambig = f"#{highest + 1}"
    files = lang_files(contents, entries, highest + 1, args)
    phones, words = symbol_tables(files)
    for name, text in files.items():
        write_atomic(out / name, text)
    subwords = [Path(args.dict) / name for name in ("bpe.model", "units.txt")]
    subwords = [path for path in subwords if path.exists()]
    for path in subwords:
        shutil.copyfile(path, out / path.name)
    options = {"silence": contents.optional_silence, "sil_prob": args.sil_prob,
               "starts_word": starts_word if subwords else None}
    lexicon_fst(entries, phones, words, **options).write(str(out / "L.fst"))
    lexicon_fst(with_disambig, phones, words, sil_disambig=sil_disambig,
                pass_through=[("#0", "#0")], **options).write(str(out / "L_disambig.fst"))
    base = sum(map(len, contents.silence + contents.nonsilence))
    return (f"{args.lang}: {len(words) - 4} words, {len(entries)} pronunciations, {base} phones "
            f"({len(phones) - highest - 3} with positions), {highest + 2} disambiguation symbols")


def _check_options(args, contents):
    if args.oov not in {entry.word for entry in contents.entries}:
        raise UserError(args.dict, f"the lexicon has no word {args.oov}",
                        f"add a line `{args.oov} SPN` or name another word")
    if not 0 <= args.sil_prob < 1:
        raise UserError("--sil-prob", f"{args.sil_prob} is not in [0, 1)")
    if args.num_sil_states < 3 or args.num_nonsil_states < 1:
        raise UserError("--num-sil-states, --num-nonsil-states", "at least 3, at least 1")


def _boolean(text):
    """Kaldi's options take true and false."""
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


if __name__ == "__main__":
    raise SystemExit(main())
