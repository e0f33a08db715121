#!/usr/bin/env python3
"""Make a recipe for a language of your own: from recordings and transcripts to a folder that runs.

in   <recordings>   sound files, in folders or not
     transcripts    --table FILE: csv, tsv, `|` or `;` between columns; or in <recordings> one
                    table, or a Praat TextGrid, an ELAN .eaf or a .txt for each recording
out  <recipe>/run.sh path.sh cmd.sh local/ conf/ README.md RESULTS   from egs/TEMPLATE
     <recipe>/README.md             what was found: hours, speakers, levels, characters; what was
                                    chosen: sets, lexicon, sizes
     <recipe>/conf/suspicious.tsv   transcripts and recordings that look wrong: file:line, what,
                                    what to do

Columns are found by their names and by what stands in them; options of utils/data/import_corpus.py
decide. Nothing is trained: then `cd <recipe>; ./run.sh`.

e.g. utils/new_recipe.py --table clips.tsv --language sw ~/clips egs/swahili
     utils/new_recipe.py --tier words --source egs/english/exp/nnet/0 ~/fieldwork egs/mylang
"""

import os
import shlex
import sys
from pathlib import Path

try:
    from utils.step import Step, UserError, log, positive
except ModuleNotFoundError:   # called without path.sh: once more with it, .venv is made if need be
    _root = Path(__file__).resolve().parent.parent
    os.execvp("bash", ["bash", "-c", 'here=$PWD; cd "$0" && . ./path.sh && cd "$here" && '
                       'exec python "$@"', str(_root), str(Path(__file__).resolve()),
                       *sys.argv[1:]])


def main(argv=None):
    from utils.data.import_corpus import add_options
    step = Step(__file__, __doc__)
    add_options(step)
    step.add("--language", default="", metavar="CODE",
             help="of eSpeak NG, such as sw or pt-br: pronunciations are made by its rules")
    step.add("--lexicon", default="", metavar="KIND",
             help="graphemes (default without --language), subwords, espeak:CODE, or a file of "
                  "`word phones`")
    step.add("--lm-text", default="", metavar="FILE",
             help="more text for the language model, a sentence a line")
    step.add("--source", default="", metavar="DIR",
             help="network to graft on: its directory, or a package, folder or zip; without one "
                  "networks begin from scratch")
    step.add("--nj", type=positive, default=2, help="jobs that run.sh runs in parallel (default 2)")
    step.add("recordings", help="folder of sound files")
    step.add("recipe", help="folder to make, such as egs/mylang")
    args = step.parse(argv)
    if args.table:   # so that its name is short wherever it is told
        args.table = os.path.normpath(args.table)
    from utils.recipe.make import make_recipe
    from utils.recipe.source import find_network
    from utils.recipe.write import check_target
    check_target(args.recipe, args.force)
    args.lexicon = _lexicon(args)
    if args.lm_text and not Path(args.lm_text).is_file():
        raise UserError(args.lm_text, "no such text")
    if args.source:   # before the recordings are listened to
        args.source = str(find_network(args.source))
    print(make_recipe(args))
    return step.finish(
        f"{args.recipe}: made; look at conf/suspicious.tsv, conf/normalise.tsv, conf/dev and "
        f"conf/test there; now\n  cd {shlex.quote(args.recipe)}\n  ./run.sh --stop-stage 3   "
        "# up to monophones, a first look\n  ./run.sh                  # all")


def _lexicon(args):
    """The kind, a code of eSpeak's checked, a file made absolute."""
    kind = args.lexicon or (f"espeak:{args.language}" if args.language else "graphemes")
    if kind == "espeak":
        if not args.language:
            raise UserError("--lexicon", "espeak of which language?", "--language CODE as well")
        kind = f"espeak:{args.language}"
    if kind.startswith("espeak:"):
        from utils.lang.espeak import Espeak, languages
        code = kind.removeprefix("espeak:")
        try:
            Espeak(code)
        except UserError:
            near = [own for own in languages() if own[:2].lower() == code[:2].lower()]
            raise UserError(code, "eSpeak NG has no such language, but "
                            + ", ".join(near or languages()),
                            "without --language letters are the phones") from None
        return kind
    if kind in ("graphemes", "subwords"):
        if args.language:
            log(f"--lexicon {kind}: phones are letters, --language {args.language} only goes into "
                "the package's card")
        return kind
    if not Path(kind).is_file():
        raise UserError("--lexicon", f"{kind} is neither graphemes, subwords, espeak, espeak:CODE "
                        "such as espeak:sw, nor a file")
    return str(Path(kind).resolve())


if __name__ == "__main__":
    raise SystemExit(main())
