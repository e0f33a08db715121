"""Do the files of a lang directory agree with each other?"""

import random

from utils.data.tables import read_lines
from utils.lang.langdir import LangDir
from utils.lang.lexicon import Problem
from utils.lang.word_align import align_words
from utils.step import UserError

_LISTS = ("silence", "nonsilence", "context_indep", "optional_silence", "disambig")
_TABLES = ("sets", "roots", "extra_questions", "word_boundary", "align_lexicon")


def check_lang(path):
    """[Problem] of a lang directory; [] if it is sound."""
    try:
        lang = LangDir(path)
        _ = (lang.phones, lang.words, lang.oov_id, lang.silence_phones, lang.nonsilence_phones,
             lang.context_indep, lang.optional_silence, lang.disambig)
    except UserError as error:
        return [_as_problem(error)]
    problems = []
    for check in (_check_tables, _check_lists, _check_phone_sets, _check_topology, _check_words,
                  _check_fsts):
        try:
            problems += check(lang)
        except UserError as error:
            problems.append(_as_problem(error))
    return list(dict.fromkeys(problems))   # several checks read the same file


def _as_problem(error):
    return Problem(*str(error).partition(": ")[2].split(": ", 1))


def _check_tables(lang):
    """<eps> is 0, #0 is where a grammar needs it, and every .int and .csl is its .txt in ids."""
    problems = [Problem(str(lang.path / f"{name}.txt"), "<eps> is not 0")
                for name in ("phones", "words") if getattr(lang, name).get("<eps>") != 0]
    for name in ("phones", "words"):
        if "#0" not in getattr(lang, name):
            problems.append(Problem(str(lang.path / f"{name}.txt"), "#0 is not in it"))
    problems += _check_ids(lang)
    for name in _LISTS + _TABLES:
        base = lang.path / "phones" / name
        text, ints, csl = (base.with_suffix(suffix) for suffix in (".txt", ".int", ".csl"))
        if not text.exists() and (name == "word_boundary" or not ints.exists()):
            continue
        rows = [line.split() for line in read_lines(text)]
        expected = [_to_ids(row, name, lang) for row in rows]
        if [line.split() for line in read_lines(ints)] != expected:
            problems.append(Problem(str(ints), f"does not correspond to {text.name}",
                                    "run prepare_lang.py again"))
        listed = ":".join(ident for row in expected for ident in row)
        if name in _LISTS and read_lines(csl) != [listed]:
            problems.append(Problem(str(csl), f"does not correspond to {text.name}"))
    return problems


def _check_ids(lang):
    """oov.int, and the ids of #0 where there are files of them, are those of the symbol tables."""
    problems, zero = [], "#0"
    for name, ident in (("oov.int", lang.oov_id),
                        ("phones/wdisambig_phones.int", lang.phones.get(zero)),
                        ("phones/wdisambig_words.int", lang.words.get(zero))):
        path = lang.path / name
        if path.exists() and read_lines(path) != [str(ident)]:
            problems.append(Problem(str(path), f"is not {ident}, as the symbol tables have it",
                                    "run prepare_lang.py again"))
    return problems


def _to_ids(row, name, lang):
    first_phone = {"roots": 2, "align_lexicon": 2}.get(name, 0)
    if name == "align_lexicon":
        head = [str(lang.words.get(word, word)) for word in row[:2]]
    else:
        head = row[:first_phone]
    tail = row[first_phone:]
    return head + [str(lang.phones.get(symbol, symbol)) for symbol in tail]


def _check_lists(lang):
    problems, seen = [], {}
    for name, phones in (("silence", lang.silence_phones), ("nonsilence", lang.nonsilence_phones),
                         ("disambig", lang.disambig)):
        for phone in phones:
            if phone in seen:
                problems.append(Problem(str(lang.path / f"phones/{name}.int"),
                                        f"phone {phone} is also in {seen[phone]}"))
            seen.setdefault(phone, name)
    for symbol, ident in lang.phones.items():
        if ident and ident not in seen and not symbol.startswith("#nonterm"):
            problems.append(Problem(str(lang.path / "phones.txt"), f"{symbol} is neither in "
                                    "silence.txt nor nonsilence.txt nor disambig.txt"))
    if lang.optional_silence not in lang.silence_phones:
        problems.append(Problem(str(lang.path / "phones/optional_silence.int"),
                                "the optional silence is not among the silence phones"))
    return problems


def _check_phone_sets(lang):
    """Sets, roots and word boundaries speak of each phone once."""
    real = sorted(lang.silence_phones + lang.nonsilence_phones)
    problems = []
    for name, rows in (("sets", lang.sets), ("roots", [row[2] for row in lang.roots]),
                       ("word_boundary", [list(lang.word_boundary)])):
        if name == "word_boundary" and not lang.word_boundary:
            continue
        if sorted(phone for row in rows for phone in row) != real:
            problems.append(Problem(str(lang.path / f"phones/{name}.int"),
                                    "does not hold each phone exactly once"))
    return problems


def _check_topology(lang):
    path = lang.path / "topo"
    phones = [int(field) for line in read_lines(path) if line.strip()[:1].isdigit()
              for field in line.split() if field.isdigit()]
    if sorted(phones) != sorted(lang.silence_phones + lang.nonsilence_phones):
        return [Problem(str(path), "does not hold each phone exactly once")]
    return []


def _check_words(lang):
    known = set(lang.silence_phones + lang.nonsilence_phones)
    ids = set(lang.words.values())
    for word, prons in lang.align_lexicon.items():
        for pron in prons:
            if word not in ids or not pron or not known.issuperset(pron):
                return [Problem(str(lang.path / "phones/align_lexicon.int"),
                                f"word {word} or its phones {pron} are not in the symbol tables")]
    return []


def _check_fsts(lang):
    """Sorted as composition needs them, and random words go through them and come back."""
    import kaldifst

    problems = []
    for name in ("L.fst", "L_disambig.fst", "G.fst"):
        path = lang.path / name
        if name == "G.fst" and not path.exists():
            continue
        fst = kaldifst.StdVectorFst.read(str(path)) if path.exists() else None
        if fst is None:
            problems.append(Problem(str(path), "not there, or not an FST"))
        elif not (fst.is_ilabel_sorted if name == "G.fst" else fst.is_olabel_sorted):
            side = "input" if name == "G.fst" else "output"
            problems.append(Problem(str(path), f"arcs are not sorted by {side} label"))
        elif name == "L.fst":
            problems += _check_round_trip(lang, fst, path)
    return problems


def _check_round_trip(lang, fst, path):
    import kaldifst

    known = set(lang.words.values())   # that others are in it, _check_words tells
    start = [word for word in lang.align_lexicon if word and word in known]
    words = random.Random(1).choices(start, k=min(50, 5 * len(start)))
    if (lang.path / "bpe.model").exists():
        from utils.lang.subwords import starts_word
        words = [w for w in words if starts_word(lang.word_symbols[w])]
    path_fst = kaldifst.shortest_path(kaldifst.compose(fst, kaldifst.make_linear_acceptor(words)))
    if path_fst.start < 0:
        return [Problem(str(path), "does not accept sequences of its own words")]
    disambig = set(lang.disambig)   # Kaldi's L.fst has some around a model of unknown words
    phones = [p for p in kaldifst.get_linear_symbol_sequence(path_fst)[1] if p not in disambig]
    aligned = align_words(phones, words, lang.align_lexicon, lang.optional_silence)
    if aligned is None or [word for word, _, _ in aligned if word] != words:
        return [Problem(str(path), "its pronunciations are not those of align_lexicon.int")]
    return []


def check_determinizable(path):
    """[Problem] unless L_disambig.fst o G.fst, or L_disambig.fst alone, can be determinized."""
    import kaldifst

    lang = LangDir(path)
    fst = kaldifst.StdVectorFst.read(str(lang.path / "L_disambig.fst"))
    name = "L_disambig.fst"
    if (lang.path / "G.fst").exists():
        grammar = kaldifst.StdVectorFst.read(str(lang.path / "G.fst"))
        fst, name = kaldifst.compose(fst, grammar), "L_disambig.fst o G.fst"
    limit = 50 * (fst.num_states + 1000)
    try:
        stopped = kaldifst.determinize_star(fst, max_states=limit)
    except RuntimeError:
        stopped = True
    if stopped:
        return [Problem(str(lang.path), f"{name} cannot be determinized",
                        "two words or word sequences have the same phones and symbols")]
    return []
