#!/usr/bin/env python3
"""Build the decoding graph HCLG from a lang directory with a grammar and a GMM-HMM.

in   <lang>/L_disambig.fst, G.fst, words.txt, phones.txt, phones/*
     <model>/final.mdl, tree, front_end.json
out  <graph>/HCLG.fst    binary OpenFst: transition-ids to words, costs in nats, self-loops
                         before the transition that leaves an HMM state (Kaldi's --reorder=false)
     <graph>/words.txt, phones.txt, phones/*, bpe.model   as in <lang>
     <graph>/graph.json  sizes, scales, and what decoding must find unchanged: pdfs, phones,
                         transition-ids, features

The steps are those of Kaldi's mkgraph.sh, through kaldifst. The expected size is printed first.

e.g. steps/decode/make_graph.py data/lang_test exp/tri1 exp/tri1/graph
"""

import json
import shutil
from pathlib import Path

from utils.lang.langdir import LangDir
from utils.step import Step, UserError, log, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--transition-scale", type=float, default=1.0,
             help="scale of the transition probabilities but self-loops' (default 1)")
    step.add("--self-loop-scale", type=float, default=0.1,
             help="scale of the probabilities of staying in a state and leaving it (default 0.1)")
    step.add("lang", help="lang directory with G.fst")
    step.add("model", help="directory with final.mdl and tree")
    step.add("graph", help="graph directory to make")
    args = step.parse(argv)
    lang, model, graph = Path(args.lang), Path(args.model), Path(args.graph)
    inputs = [lang / f for f in ("L_disambig.fst", "G.fst", "words.txt", "phones.txt",
                                 "phones/disambig.int")]
    inputs += [model / f for f in ("final.mdl", "tree", "front_end.json")]
    for path in inputs[:-1]:
        if not path.is_file():
            raise UserError(path, "no such file", "run prepare_lang.py and format_lm.py"
                            if path.parent == lang else "train the model first")
    if step.up_to_date(graph, inputs):
        return 0

    from steps.decode.compile_graph import compile_graph
    from steps.decode.fingerprints import graph_fingerprints
    from steps.decode.fst_arrays import write_fst
    from steps.hmm.model import read_model
    from steps.hmm.tree import Tree
    lang_dir = LangDir(lang)
    transitions, _ = read_model(model / "final.mdl")
    tree = Tree.read(model / "tree")
    _check_phones(lang_dir, transitions, model)
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
            "context_width": tree.context_width, "transition_scale": args.transition_scale,
            "self_loop_scale": args.self_loop_scale, "reorder": False}, indent=1) + "\n")
    return step.finish(f"{graph}: {fst.num_states} states, {fst.num_arcs} arcs, "
                       f"{(graph / 'HCLG.fst').stat().st_size / 1e6:.1f} MB")


def _check_phones(lang, transitions, model):
    """The lang directory's phones must be the model's: same names, same ids."""
    trained = model / "phones.txt"
    if trained.is_file():
        from utils.lang.langdir import read_symbols
        known = {p: i for p, i in read_symbols(trained).items() if not p.startswith("#")}
        found = {p: i for p, i in lang.phones.items() if not p.startswith("#")}
        if known != found:
            first = sorted(set(known.items()) ^ set(found.items()))[0][0]
            raise UserError(lang.path / "phones.txt", f"{first} is {found.get(first, 'missing')} "
                            f"here and {known.get(first, 'missing')} in {trained}",
                            "make the lang directory with prepare_lang.py --phone-symbol-table")
    missing = set(transitions.topo.phones) ^ set(lang.silence_phones + lang.nonsilence_phones)
    if missing:
        raise UserError(lang.path / "phones.txt", f"phone {lang.phone(min(missing))} is not both "
                        f"here and in {model}/final.mdl", "use the model's lang directory")


if __name__ == "__main__":
    raise SystemExit(main())
