#!/usr/bin/env python3
"""Make a lang directory to decode with: a copy of LANG, and the grammar of an n-gram model.

in   <lang>                     Kaldi's lang directory
     <arpa>                     ARPA format, gzip if the name ends in .gz
out  <lang-test>/*              the files of <lang>
     <lang-test>/G.fst          words to words, binary OpenFst sorted by input label; back-off
                                arcs read #0, as after Kaldi's arpa2fst --disambig-symbol=#0
     <lang-test>/lm.arpa.gz     the model, for rescoring

n-grams with words that <lang>/words.txt lacks are dropped and counted. The range of what is left
of each history's probabilities is reported: 1 to 1 if nothing was dropped.

e.g. utils/lang/format_lm.py data/lang data/lm/3gram.arpa.gz data/lang_test
"""

import shutil
from pathlib import Path

import numpy as np

from utils.gzip_file import gzip_writer
from utils.lang.arpa import ArpaModel
from utils.lang.grammar import arpa_to_fst, history_mass, without_words
from utils.lang.langdir import KEPT_LM, read_symbols
from utils.lang.lm_text import BOS, EOS
from utils.step import Step, UserError, log

OURS = ("G.fst", KEPT_LM)
NAMED = 10   # dropped words named in the log


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("lang", help="lang directory")
    step.add("arpa", help="n-gram model")
    step.add("lang_test", metavar="lang-test", help="lang directory to make")
    args = step.parse(argv)
    lang = Path(args.lang)
    files = _files(lang)
    if step.up_to_date(args.lang_test, [*(lang / name for name in files), args.arpa]):
        return 0
    words = read_symbols(lang / "words.txt")
    for symbol in ("#0", BOS, EOS):
        if symbol not in words:
            raise UserError(lang / "words.txt", f"has no {symbol}",
                            "make the directory with utils/lang/prepare_lang.py")
    model = ArpaModel.read(args.arpa)
    _report(args, model, words)
    with step.output(args.lang_test) as out:
        for name in files:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(lang / name, out / name)
        grammar = arpa_to_fst(args.arpa, lang / "words.txt", out / "G.fst")
        _keep_arpa(args.arpa, out / KEPT_LM)
    arcs = sum(grammar.num_arcs(state) for state in range(grammar.num_states))
    return step.finish(f"{args.lang_test}/G.fst: {grammar.num_states} states, {arcs} arcs")


def _files(lang):
    """Names of the files to copy."""
    if not lang.is_dir():
        raise UserError(lang, "no such lang directory", "make it with utils/lang/prepare_lang.py")
    names = sorted(path.relative_to(lang) for path in lang.rglob("*") if path.is_file())
    return [name for name in names
            if str(name) not in OURS and not any(part.startswith(".") for part in name.parts)]


def _report(args, model, words):
    """What of the model is lost, and whether its probabilities add up."""
    for symbol in ("<eps>", "#0"):
        if symbol in model.ids:
            raise UserError(args.arpa, f"{symbol} is a word of the model",
                            "it has another meaning in a grammar; take it out of the text")
    if BOS not in model.ids or EOS not in model.ids:
        raise UserError(args.arpa, f"has no {BOS} or no {EOS}", "train it on whole sentences")
    if model.skipped:
        log(f"{args.arpa}: {model.skipped} n-grams dropped: their history is no n-gram")
    known = np.array([word in words for word in model.words])
    dropped = [word for word in model.words if word not in words]
    if dropped:
        lost = sum(int((~keep).sum()) for keep in without_words(model, known))
        more = f" and {len(dropped) - NAMED} more" if len(dropped) > NAMED else ""
        log(f"{args.arpa}: {lost} n-grams dropped, with words that {args.lang}/words.txt lacks: "
            f"{' '.join(dropped[:NAMED])}{more}")
    unlisted = [word for word in words if word not in model.ids and word not in ("<eps>", "#0")]
    if unlisted:
        more = f" and {len(unlisted) - NAMED} more" if len(unlisted) > NAMED else ""
        log(f"{args.lang}/words.txt: not in the model, so never recognised: "
            f"{' '.join(unlisted[:NAMED])}{more}")
    mass = history_mass(model, known)
    log(f"{args.arpa}: each history's probabilities sum to {mass.min():.5f} at least, "
        f"{mass.max():.5f} at most, {mass.mean():.5f} on average")


def _keep_arpa(arpa, target):
    if Path(arpa).suffix == ".gz":
        shutil.copyfile(arpa, target)
        return
    with Path(arpa).open("rb") as source, gzip_writer(target, 5) as packed:
        shutil.copyfileobj(source, packed, 1 << 20)


if __name__ == "__main__":
    raise SystemExit(main())
