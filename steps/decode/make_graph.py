#!/usr/bin/env python3
"""Build the decoding graph HCLG from a lang directory with a grammar and a GMM-HMM or network.

in   <lang>/L_disambig.fst, G.fst, words.txt, phones.txt, phones/*, lm.arpa.gz if there
     <model>/final.mdl, tree, front_end.json, phones.txt
out  <graph>/HCLG.fst    binary OpenFst: transition-ids to words, costs in nats, self-loops
                         before the transition that leaves an HMM state (Kaldi's --reorder=false)
     <graph>/words.txt, phones.txt, phones/*, bpe.model   as in <lang>
     <graph>/graph.json  sizes, scales, and what decoding must find unchanged: pdfs, phones,
                         transition-ids, features; what tells the LM, for rescoring

The steps are those of Kaldi's mkgraph.sh, through kaldifst. The expected size is printed first.

e.g. steps/decode/make_graph.py data/lang_test exp/tri1 exp/tri1/graph
"""

import json
import shutil
from pathlib import Path

from utils.lang.langdir import KEPT_LM, LangDir
from utils.option_types import zero_or_more
from utils.step import Step, UserError, log, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--transition-scale", type=zero_or_more, default=1.0,
             help="scale of the transition probabilities but self-loops' (default 1)")
    step.add("--self-loop-scale", type=zero_or_more, default=0.1,
             help="scale of the probabilities of staying in a state and leaving it (default 0.1)")
    step.add("lang", help="lang directory with G.fst")
    step.add("model", help="directory with final.mdl and tree")
    step.add("graph", help="graph directory to make")
    args = step.parse(argv)
    lang, model, graph = Path(args.lang), Path(args.model), Path(args.graph)
    needed = [lang / f for f in ("L_disambig.fst", "G.fst", "words.txt", "phones.txt",
                                 "phones/disambig.int")]
    needed += [model / f for f in ("final.mdl", "tree", "phones.txt")]
    for path in needed:
        if not path.is_file():
            raise UserError(path, "no such file", "run prepare_lang.py and format_lm.py"
                            if path.parent == lang else "train the model first")
    copied = [lang / "bpe.model", *sorted((lang / "phones").glob("*"))]
    arpa = lang / KEPT_LM
    if step.up_to_date(graph, [*needed, model / "front_end.json", *copied, arpa]):
        return 0

    from steps.decode.compile_graph import compile_graph
    from steps.decode.fingerprints import graph_fingerprints, lm_fingerprint
    from steps.decode.fst_arrays import write_fst
    from steps.hmm.model import check_phones, read_transitions
    from steps.hmm.tree import Tree
    lang_dir = LangDir(lang)
    transitions = read_transitions(model / "final.mdl")
    tree = Tree.read(model / "tree")
    check_phones(model, lang_dir)
    fst, sizes = compile_graph(lang, lang_dir.disambig, tree, transitions, args.transition_scale,
                               args.self_loop_scale, log)
    with step.output(graph) as out:
        write_fst(out / "HCLG.fst", fst)
        for name in ("words.txt", "phones.txt", "bpe.model"):
            if (lang / name).is_file():
                shutil.copyfile(lang / name, out / name)
        shutil.copytree(lang / "phones", out / "phones")
        write_atomic(out / "graph.json", json.dumps({
            **graph_fingerprints(model, lang, transitions), "sizes": sizes,
            **({"lm": lm_fingerprint(arpa)} if arpa.is_file() else {}),
            "context_width": tree.context_width, "transition_scale": args.transition_scale,
            "self_loop_scale": args.self_loop_scale, "reorder": False}, indent=1) + "\n")
    return step.finish(f"{graph}: {fst.num_states} states, {fst.num_arcs} arcs, "
                       f"{(graph / 'HCLG.fst').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    raise SystemExit(main())
