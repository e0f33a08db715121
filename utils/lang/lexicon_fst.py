"""The lexicon as a transducer from phones to words (Kaldi's L.fst and L_disambig.fst)."""

import math


def lexicon_fst(entries, phones, words, silence, sil_prob=0.5, sil_disambig=None,
                starts_word=None, pass_through=()):
    """The closure of all words with optional silence before, between and after them.

    entries       lexicon entries, with disambiguation symbols or without
    phones, words {symbol: id}
    silence       the optional-silence phone; sil_prob its probability, 0 for no silence
    sil_disambig  the symbol that follows silence in L_disambig.fst, e.g. "#5"
    starts_word   for subwords: starts_word(unit) says whether a unit begins a word. Silence is
                  then only allowed before such a unit
    pass_through  [(phone symbol, word symbol)] of self-loops, #0 of the grammar
    returns       kaldifst.StdVectorFst, arcs sorted by output label
    """
    import kaldifst

    text = _fst_text(entries, phones, words, silence, sil_prob, sil_disambig, starts_word)
    fst = kaldifst.compile(text)
    if pass_through:
        kaldifst.add_self_loops(fst, [phones[p] for p, _ in pass_through],
                                [words[w] for _, w in pass_through])
    kaldifst.arcsort(fst, sort_type="olabel")
    return fst


def _fst_text(entries, phones, words, silence, sil_prob, sil_disambig, starts_word):
    """OpenFst's text: `from to ilabel olabel cost` a line, state 0 first.

    With silence, words leave from state 1 and come back to it, or to state 2 where silence
    follows. With subwords, they also come back to a state from which only the units go that
    continue a word.
    """
    lines = []
    sil_cost = -math.log(sil_prob) if sil_prob else 0.0
    no_sil_cost = -math.log(1 - sil_prob)
    loop = 0
    ends = [(loop, 0.0)]
    next_state = 1
    if sil_prob:
        loop, sil_state, next_state = 1, 2, 3
        lines += [f"0 1 0 0 {no_sil_cost:.9g}", f"0 2 0 0 {sil_cost:.9g}"]
        if sil_disambig:
            lines += [f"2 3 {phones[silence]} 0", f"3 1 {phones[sil_disambig]} 0"]
            next_state = 4
        else:
            lines += [f"2 1 {phones[silence]} 0"]
        ends = [(loop, no_sil_cost), (sil_state, sil_cost)]
    inside = loop
    if starts_word:
        inside, next_state = next_state, next_state + 1
        ends.append((inside, 0.0))
    for word, prob, pron in entries:
        source = loop if starts_word is None or starts_word(word) else inside
        olabel, cost = words[word], -math.log(prob) + 0.0
        for phone in pron[:-1]:
            lines.append(f"{source} {next_state} {phones[phone]} {olabel} {cost:.9g}")
            source, olabel, cost = next_state, 0, 0.0
            next_state += 1
        lines += [f"{source} {end} {phones[pron[-1]]} {olabel} {cost + end_cost:.9g}"
                  for end, end_cost in ends]
    lines.append(f"{loop} 0")
    return "\n".join(lines) + "\n"
