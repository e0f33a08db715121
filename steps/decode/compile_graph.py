"""HCLG from L, G, a tree and a transition model: the steps of Kaldi's mkgraph.sh on kaldifst.

    LG    = min(det(L_disambig o G))         words as phones with disambiguation symbols
    CLG   = C o LG                           phones in context
    HCLGa = min(rmeps(det(Ha o CLG)))        transition-ids, without self-loops
    HCLG  = HCLGa with self-loops

Determinisation is in the log semiring, as there. Kaldi's push-special, which only moves costs
along paths, is left out.
"""

from pathlib import Path

import kaldifst
import numpy as np

from steps.decode.fst_arrays import FstArrays, from_kaldifst, read_fst, to_kaldifst
from steps.decode.h_transducer import (
    add_self_loops,
    h_transducer,
    remove_epsilons_local,
    remove_symbols,
)
from utils.step import UserError

BYTES_PER_ARC = 16
# Building takes about this many times the finished graph's bytes (measured on AN4).
BUILD_FACTOR = 16


def compile_graph(lang, disambig, tree, transitions, transition_scale, self_loop_scale, log):
    """HCLG of a lang directory with G.fst.

    disambig  the disambiguation symbols among the phones
    log       called with one line on each part
    returns   FstArrays; {part: [states, arcs]}
    """
    sizes = {}

    def made(name, fst):
        """Note and log a part's size; an empty one is the user's mistake."""
        count = fst.num_states
        arcs = fst.num_arcs if isinstance(fst, FstArrays) else sum(
            fst.num_arcs(s) for s in range(count))
        sizes[name] = [count, arcs]
        if not count:
            raise UserError(lang, f"{name} is empty", "do G.fst and L_disambig.fst have the same "
                            "words.txt, and does G.fst have #0 on its back-off arcs?")
        log(f"{name}: {count} states, {arcs} arcs")
        return fst

    lexicon, grammar = (read_fst(Path(lang) / f) for f in ("L_disambig.fst", "G.fst"))
    arcs = estimate_arcs(lexicon, grammar, disambig, transitions, tree.context_width)
    log(f"expect about {_round(arcs)} arcs, {arcs * BYTES_PER_ARC / 1e6:.1f} MB; "
        f"{arcs * BYTES_PER_ARC * BUILD_FACTOR / 1e6:.0f} MB of memory to build it")
    lexicon, grammar = to_kaldifst(lexicon), to_kaldifst(grammar)
    kaldifst.arcsort(lexicon, "olabel")
    kaldifst.arcsort(grammar, "ilabel")
    lg = kaldifst.compose(lexicon, grammar)
    kaldifst.determinize_star(lg, use_log=True)
    kaldifst.minimize_encoded(lg)
    made("LG", lg)
    kaldifst.arcsort(lg, "ilabel")
    clg, windows = kaldifst.compose_context(list(disambig), tree.context_width,
                                            tree.central_position, lg)
    made("CLG", clg)
    kaldifst.arcsort(clg, "ilabel")
    h, h_disambig = h_transducer(windows, tree, transitions, transition_scale)
    made("H", h)
    h = to_kaldifst(h)
    kaldifst.arcsort(h, "olabel")
    hclg = kaldifst.compose(h, clg)
    del h, clg, lg
    kaldifst.determinize_star(hclg, use_log=True)
    hclg = to_kaldifst(remove_epsilons_local(remove_symbols(from_kaldifst(hclg), h_disambig)))
    kaldifst.connect(hclg)
    kaldifst.minimize_encoded(hclg)
    made("HCLGa", hclg)
    return made("HCLG", add_self_loops(from_kaldifst(hclg), transitions, self_loop_scale)), sizes


def estimate_arcs(lexicon, grammar, disambig, transitions, context_width):
    """About how many arcs HCLG will have, from the sizes of its parts.

    Each word of G is spelt in phones, of which the words that leave the same state of G share
    their beginnings, and each phone has its HMM's states; a state comes to about one arc, more
    with context, as minimisation shares what self-loops and epsilons add (measured on AN4).
    """
    phones = lexicon.ilabel[(lexicon.ilabel > 0) & ~np.isin(lexicon.ilabel, disambig)]
    words = max(len(np.unique(lexicon.olabel[lexicon.olabel > 0])), 1)
    per_word = len(phones) / words
    out = np.bincount(grammar.source[grammar.olabel > 0], minlength=grammar.num_states)
    # n words share the more the more of the lexicon they are; a tree of all words has few arcs at
    # its root, so about the first of a word's phones is shared.
    shared = np.clip(np.log2(np.maximum(out, 1)) / np.log2(max(words, 2)), 0, 1)
    spelt = float((out * np.maximum(per_word - shared, 1.0)).sum())
    states = np.mean([len(s) - 1 for s in transitions.topo.entries.values()])
    return int(spelt * states * (1.0 if context_width == 1 else 1.3)) + 1


def _round(number):
    digits = len(str(number)) - 2
    return number if digits <= 0 else round(number, -digits)
