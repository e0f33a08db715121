#!/usr/bin/env python3
"""Make an untrained monophone system: a tree without context, and transitions of the topology.

in   <lang>/topo phones.txt phones/
out  <dir>/tree          one pdf for each set of phones and HMM state
     <dir>/final.mdl     the transition model alone, with the topology's probabilities
     <dir>/phones.txt

Enough for steps/decode/make_graph.py and for a network whose outputs are these pdfs, where a
language has a lexicon and no speech to train on.

e.g. steps/hmm/make_mono_tree.py data/mb/lang exp/mb/mono_tree
"""

import shutil

from steps.hmm.model import write_transitions
from steps.hmm.transitions import monophones
from utils.lang.langdir import LangDir
from utils.step import Step, UserError


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("lang", help="lang directory")
    step.add("dir", help="model directory to make")
    args = step.parse(argv)
    lang = LangDir(args.lang)
    inputs = [lang.path / name for name in ("topo", "phones.txt", "phones/sets.int")]
    for path in inputs:
        if not path.is_file():
            raise UserError(path, "no such file", "run utils/lang/prepare_lang.py")
    if step.up_to_date(args.dir, inputs):
        return 0
    tree, transitions = monophones(lang)
    with step.output(args.dir) as out:
        tree.write(out / "tree")
        write_transitions(out / "final.mdl", transitions)
        shutil.copyfile(lang.path / "phones.txt", out / "phones.txt")
    return step.finish(f"{args.dir}: {tree.num_pdfs} pdfs of {len(lang.sets)} sets of phones")


if __name__ == "__main__":
    raise SystemExit(main())
