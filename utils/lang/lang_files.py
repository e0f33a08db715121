"""The text files of a lang directory, made in memory: {file name: text}."""

from pathlib import Path

from utils.data.tables import read_table
from utils.lang.dictdir import POSITIONS
from utils.lang.langdir import read_symbols
from utils.lang.topo import topology
from utils.step import UserError

_BOUNDARY = {"_B": "begin", "_I": "internal", "_E": "end", "_S": "singleton"}


def lang_files(contents, entries, num_disambig, args):
    """All text files but those which the dict directory gives as they are.

    contents      dictdir.Dict
    entries       its entries with positions marked, if args.position_dependent_phones
    num_disambig  the highest disambiguation symbol, #num_disambig
    """
    expand = _expander(contents, args.position_dependent_phones)
    silence = [p for row in contents.silence for p in expand(row)]
    nonsilence = [p for row in contents.nonsilence for p in expand(row)]
    disambig = [f"#{n}" for n in range(num_disambig + 1)]
    phones = _phone_table(silence + nonsilence, disambig, args.phone_symbol_table)
    words = _word_table(entries)
    files = {"phones.txt": _table(phones), "words.txt": _table(words),
             "oov.txt": f"{args.oov}\n", "oov.int": f"{words[args.oov]}\n",
             "phones/wdisambig.txt": "#0\n",
             "phones/wdisambig_phones.int": f"{phones['#0']}\n",
             "phones/wdisambig_words.int": f"{words['#0']}\n"}
    lists = {"silence": silence, "nonsilence": nonsilence, "context_indep": silence,
             "optional_silence": [contents.optional_silence], "disambig": disambig}
    for name, symbols in lists.items():
        ids = [str(phones[symbol]) for symbol in symbols]
        files[f"phones/{name}.txt"] = _lines(symbols)
        files[f"phones/{name}.int"] = _lines(ids)
        files[f"phones/{name}.csl"] = ":".join(ids) + "\n"
    files |= _phone_sets(contents, expand, phones, args)
    kinds = _boundary_kinds(silence + nonsilence, args)
    if kinds:
        files["phones/word_boundary.txt"] = _lines(f"{p} {kind}" for p, kind in kinds.items())
        files["phones/word_boundary.int"] = _lines(f"{phones[p]} {k}" for p, k in kinds.items())
    align = {(e.word, e.phones) for e in entries} | {("<eps>", (contents.optional_silence,))}
    align = sorted(align, key=lambda row: " ".join((row[0], row[0], *row[1])))
    files["phones/align_lexicon.txt"] = _lines(f"{w} {w} {' '.join(p)}" for w, p in align)
    files["phones/align_lexicon.int"] = _lines(
        f"{words[w]} {words[w]} {' '.join(str(phones[x]) for x in p)}" for w, p in align)
    files["topo"] = topology([phones[p] for p in nonsilence], [phones[p] for p in silence],
                             args.num_nonsil_states, args.num_sil_states)
    return files


def with_phones_of(given, contents, positions):
    """A Dict that has all phones of a given phones.txt: those it lacks are speech, of no word; or
    silence, which alone stands without a position where these are told apart."""
    known = {phone for row in contents.silence + contents.nonsilence for phone in row}
    symbols = read_symbols(Path(given))
    silence, speech = {}, {}
    for symbol in symbols:
        phone = symbol[:-2] if positions and symbol.endswith(POSITIONS) else symbol
        if phone not in known and phone != "<eps>" and not phone.startswith("#"):
            (silence if positions and phone in symbols else speech)[phone] = [phone]
    return contents._replace(silence=contents.silence + list(silence.values()),
                             nonsilence=contents.nonsilence + list(speech.values()))


def symbol_tables(files):
    """{phone: id}, {word: id} of phones.txt and words.txt among the files."""
    return tuple({symbol: int(ident) for symbol, ident in
                  (line.split(" ") for line in files[name].splitlines())}
                 for name in ("phones.txt", "words.txt"))


def _expander(contents, positions):
    """A function from base phones to those of phones.txt. Silence stands both outside words,
    as it is, and inside them with a position."""
    silence = {phone for row in contents.silence for phone in row}

    def expand(row):
        if not positions:
            return list(row)
        return [phone + suffix for phone in row
                for suffix in ((("",) if phone in silence else ()) + POSITIONS)]
    return expand


def _boundary_kinds(phones, args):
    """{phone: begin, internal, end, singleton or nonword}; {} if positions are not told apart.

    A dict directory whose own phones tell them apart may bring word_boundary.txt.
    """
    if args.position_dependent_phones:
        return {p: _BOUNDARY.get(p[-2:], "nonword") for p in phones}
    path = Path(args.dict) / "word_boundary.txt"
    if not path.exists():
        return {}
    given = read_table(path)
    for phone in set(phones) ^ set(given):
        raise UserError(path, f"phone {phone} is only "
                              f"{'here' if phone in given else 'in the dict directory'}")
    return given


def _phone_sets(contents, expand, phones, args):
    """sets, roots and extra_questions, .txt and .int."""
    silence = contents.silence
    if args.share_silence_phones:
        silence = [[phone for row in silence for phone in row]]
    sets = [expand(row) for row in silence + contents.nonsilence]
    kinds = ["shared split"] * len(sets)
    if args.share_silence_phones:
        kinds[0] = "not-shared not-split"
    questions = [" ".join(expand(row)) for row in contents.extra_questions]
    if args.position_dependent_phones:
        # Kaldi writes a space at the end of these lines.
        questions += ["".join(f"{p}{s} " for row in contents.nonsilence for p in row)
                      for s in POSITIONS]
        questions += ["".join(f"{p}{s} " for row in contents.silence for p in row)
                      for s in ("", *POSITIONS)]
    ints = [[str(phones[p]) for p in row] for row in sets]
    return {
        "phones/sets.txt": _lines(" ".join(row) for row in sets),
        "phones/sets.int": _lines(" ".join(row) for row in ints),
        "phones/roots.txt": _lines(f"{k} {' '.join(r)}" for k, r in zip(kinds, sets, strict=True)),
        "phones/roots.int": _lines(f"{k} {' '.join(r)}" for k, r in zip(kinds, ints, strict=True)),
        "phones/extra_questions.txt": _lines(questions),
        "phones/extra_questions.int": _lines(
            " ".join(str(phones[p]) for p in row.split()) for row in questions),
    }


def _phone_table(real, disambig, given):
    """{phone: id}: <eps>, silence, speech, then #0, #1, ...; or the ids of a given phones.txt,
    whose disambiguation symbols may become more."""
    if not given:
        return {symbol: n for n, symbol in enumerate(["<eps>", *real, *disambig])}
    table = {p: n for p, n in read_symbols(Path(given)).items() if not p.startswith("#")}
    for phone in real:
        if phone not in table:
            raise UserError(given, f"lacks {phone}, a phone of the dict directory",
                            "the model must know all phones of the words, with their positions in "
                            "a word or without (--position-dependent-phones)")
    first = max(table.values()) + 1
    return table | {symbol: first + n for n, symbol in enumerate(disambig)}


def _word_table(entries):
    words = sorted({entry.word for entry in entries})
    return {word: n for n, word in enumerate(["<eps>", *words, "#0", "<s>", "</s>"])}


def _table(symbols):
    return _lines(f"{symbol} {ident}" for symbol, ident in symbols.items())


def _lines(rows):
    return "".join(f"{row}\n" for row in rows)
