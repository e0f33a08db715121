import itertools

import kaldifst
import pytest

from steps.hmm.model import check_phones
from tests.utils.lang.dicts import LEXICON, make_dict
from utils.lang.lang_check import check_lang
from utils.lang.langdir import LangDir
from utils.lang.prepare_lang import main
from utils.lang.word_align import align_words
from utils.step import UserError


def lang_of(tmp_path, *options, **kwargs):
    source = make_dict(tmp_path / "dict", **kwargs)
    assert main([*options, str(source), "<UNK>", str(tmp_path / "lang")]) == 0
    return LangDir(tmp_path / "lang")


def text(lang, name):
    return (lang.path / name).read_text("utf-8")


def relation(fst, phones, words):
    """Costs of the word sequences that a phone sequence stands for."""
    if words is None:
        fst = kaldifst.compose(kaldifst.make_linear_acceptor(phones), fst)
    else:
        fst = kaldifst.compose(kaldifst.make_linear_acceptor(phones),
                               kaldifst.compose(fst, kaldifst.make_linear_acceptor(words)))
    best = kaldifst.shortest_path(fst)
    if best.start < 0:
        return None
    return kaldifst.get_linear_symbol_sequence(best)[3].value


def test_files_as_kaldi_writes_them(tmp_path):
    # What Kaldi's prepare_lang.sh writes for this dict directory, worked out by hand.
    lang = lang_of(tmp_path, nonsilence=["AH EY", "B", "IY", "T"], questions=["AH B", "SIL SPN"])
    positions = [p + s for p in ["AH", "EY", "B", "IY", "T"] for s in ("_B", "_E", "_I", "_S")]
    silence = [p + s for p in ("SIL", "SPN") for s in ("", "_B", "_E", "_I", "_S")]
    symbols = ["<eps>", *silence, *positions, "#0", "#1", "#2", "#3"]
    assert text(lang, "phones.txt") == "".join(f"{s} {n}\n" for n, s in enumerate(symbols))
    assert text(lang, "words.txt") == ("<eps> 0\n!SIL 1\n<UNK> 2\na 3\nate 4\nbe 5\nbeat 6\nbee 7\n"
                                       "eight 8\n#0 9\n<s> 10\n</s> 11\n")
    assert text(lang, "oov.txt") == "<UNK>\n"
    assert text(lang, "oov.int") == "2\n"
    assert text(lang, "phones/silence.txt") == "".join(f"{s}\n" for s in silence)
    assert text(lang, "phones/silence.csl") == "1:2:3:4:5:6:7:8:9:10\n"
    assert text(lang, "phones/context_indep.int") == "".join(f"{n}\n" for n in range(1, 11))
    assert text(lang, "phones/optional_silence.csl") == "1\n"
    assert text(lang, "phones/disambig.csl") == "31:32:33:34\n"
    assert text(lang, "phones/wdisambig.txt") == "#0\n"
    assert text(lang, "phones/wdisambig_phones.int") == "31\n"
    assert text(lang, "phones/wdisambig_words.int") == "9\n"
    assert text(lang, "phones/sets.txt").splitlines()[2] == \
        "AH_B AH_E AH_I AH_S EY_B EY_E EY_I EY_S"
    assert text(lang, "phones/sets.int").splitlines()[0] == "1 2 3 4 5"
    assert text(lang, "phones/roots.txt").splitlines()[3] == "shared split B_B B_E B_I B_S"
    assert text(lang, "phones/roots.int").splitlines()[1] == "shared split 6 7 8 9 10"
    assert text(lang, "phones/extra_questions.txt") == (
        "AH_B AH_E AH_I AH_S B_B B_E B_I B_S\n"
        "SIL SIL_B SIL_E SIL_I SIL_S SPN SPN_B SPN_E SPN_I SPN_S\n"
        "AH_B EY_B B_B IY_B T_B \nAH_E EY_E B_E IY_E T_E \nAH_I EY_I B_I IY_I T_I \n"
        "AH_S EY_S B_S IY_S T_S \nSIL SPN \nSIL_B SPN_B \nSIL_E SPN_E \nSIL_I SPN_I \n"
        "SIL_S SPN_S \n")
    assert text(lang, "phones/extra_questions.int").splitlines()[2] == "11 15 19 23 27"
    assert text(lang, "phones/word_boundary.txt").splitlines()[:6] == [
        "SIL nonword", "SIL_B begin", "SIL_E end", "SIL_I internal", "SIL_S singleton",
        "SPN nonword"]
    assert text(lang, "phones/word_boundary.int").splitlines()[-1] == "30 singleton"
    assert text(lang, "phones/align_lexicon.txt") == (
        "!SIL !SIL SIL_S\n<UNK> <UNK> SPN_S\n<eps> <eps> SIL\na a AH_S\na a EY_S\n"
        "ate ate EY_B T_E\nbe be B_B IY_E\nbeat beat B_B IY_I T_E\nbee bee B_B IY_E\n"
        "eight eight EY_B T_E\n")
    assert text(lang, "phones/align_lexicon.int").splitlines()[:4] == \
        ["1 1 5", "2 2 10", "0 0 1", "3 3 14"]
    assert not (lang.path / "bpe.model").exists()


def test_lexicon_fst_without_positions(tmp_path):
    """The arcs of Kaldi's make_lexicon_fst, one by one."""
    source = make_dict(tmp_path / "dict", lexicon=["<UNK> SPN", "be B IY"], nonsilence=["B", "IY"])
    main(["--position-dependent-phones", "false", str(source), "<UNK>", str(tmp_path / "lang")])
    fst = kaldifst.StdVectorFst.read(str(tmp_path / "lang/L.fst"))
    assert fst.is_olabel_sorted
    arcs = sorted((s, a.nextstate, a.ilabel, a.olabel, round(a.weight.value, 6))
                  for s in range(fst.num_states) for a in kaldifst.ArcIterator(fst, s))
    half = 0.693147
    sil, spn, b, iy, unk, be = 1, 2, 3, 4, 1, 2
    assert arcs == sorted([
        (0, 1, 0, 0, half), (0, 2, 0, 0, half), (2, 1, sil, 0, 0.0),
        (1, 1, spn, unk, half), (1, 2, spn, unk, half),
        (1, 3, b, be, 0.0), (3, 1, iy, 0, half), (3, 2, iy, 0, half)])
    assert [s for s in range(fst.num_states) if fst.final(s).value == 0] == [1]
    disambig = kaldifst.StdVectorFst.read(str(tmp_path / "lang/L_disambig.fst"))
    lang = LangDir(tmp_path / "lang")
    loops = [s for s in range(disambig.num_states) for a in kaldifst.ArcIterator(disambig, s)
             if (a.ilabel, a.olabel) == (lang.phones["#0"], lang.words["#0"])
             and a.nextstate == s]
    # As Kaldi's AddSelfLoops: final states, and those that words leave from.
    assert loops == [1]
    after_silence = [(a.ilabel, a.nextstate) for a in kaldifst.ArcIterator(disambig, 3)]
    assert after_silence == [(lang.phones["#1"], 1)]


@pytest.mark.parametrize("positions", ["true", "false"])
def test_lexicon_fst_accepts_the_words_and_nothing_else(tmp_path, positions):
    lang = lang_of(tmp_path, "--position-dependent-phones", positions)
    fst = kaldifst.StdVectorFst.read(str(lang.path / "L.fst"))

    def phones(*names):
        return [lang.phones[n if positions == "true" else n.split("_")[0]] for n in names]

    beat = lang.words["beat"], phones("B_B", "IY_I", "T_E")
    bee = lang.words["bee"], phones("B_B", "IY_E")
    sil = [lang.phones["SIL"]]
    half = 0.693147
    for before, between, after in itertools.product([[], sil], repeat=3):
        sequence = before + beat[1] + between + bee[1] + after
        cost = relation(fst, sequence, [beat[0], bee[0]])
        # Once for each decision for or against silence.
        assert cost == pytest.approx(half * 3, abs=1e-4)
        words = [w for w, _, _ in align_words(sequence, [beat[0], bee[0]], lang.align_lexicon,
                                              lang.optional_silence)]
        assert [w for w in words if w] == [beat[0], bee[0]]
    assert relation(fst, sil + sil + beat[1], [beat[0]]) is None
    assert relation(fst, beat[1][:-1] + sil, [beat[0]]) is None
    assert relation(fst, phones("IY_E", "B_B"), None) is None


def test_pronunciation_probabilities_are_costs(tmp_path):
    source = make_dict(tmp_path / "dict")
    (source / "lexicon.txt").unlink()
    lines = [f"{line.split()[0]} {0.25 if line == 'a EY' else 1.0} {' '.join(line.split()[1:])}\n"
             for line in LEXICON]
    (source / "lexiconp.txt").write_text("".join(lines))
    main(["--sil-prob", "0", str(source), "<UNK>", str(tmp_path / "lang")])
    lang = LangDir(tmp_path / "lang")
    fst = kaldifst.StdVectorFst.read(str(lang.path / "L.fst"))
    a = [lang.words["a"]]
    assert relation(fst, [lang.phones["EY_S"]], a) == pytest.approx(1.386294, abs=1e-5)
    assert relation(fst, [lang.phones["AH_S"]], a) == 0
    assert relation(fst, [lang.phones["SIL"], lang.phones["AH_S"]], a) is None


@pytest.mark.parametrize("positions", ["true", "false"])
def test_homophones_and_prefixes_are_determinizable(tmp_path, positions):
    lang = lang_of(tmp_path, "--position-dependent-phones", positions)
    words = [lang.words[w] for w in ("ate", "eight", "be", "bee", "beat", "a")]
    zero = lang.words["#0"]
    # A bigram-like grammar: from each word any other, back-off through #0.
    lines = [f"0 {i + 1} {w} {w} 1\n{i + 1} 0 {zero} 0 0.5\n{i + 1} 0.1\n"
             for i, w in enumerate(words)]
    lines += [f"{i + 1} {j + 1} {w} {w} {0.1 * (j + 1)}\n"
              for i, j, w in ((0, 2, words[2]), (2, 1, words[1]), (4, 5, words[5]))]
    grammar = kaldifst.compile("".join(lines))
    kaldifst.arcsort(grammar, "ilabel")

    def determinized(name):
        fst = kaldifst.StdVectorFst.read(str(lang.path / name))
        kaldifst.arcsort(fst, "olabel")
        composed = kaldifst.compose(fst, grammar)
        return not kaldifst.determinize_star(composed, max_states=20000)

    assert determinized("L_disambig.fst")
    with pytest.raises(RuntimeError):
        determinized("L.fst")


def test_subword_units_take_silence_only_between_words(tmp_path):
    source = make_dict(tmp_path / "dict", nonsilence=["a", "b"],
                       lexicon=["<UNK> SPN", "a a", "b b", "▁a a", "▁b b"])
    (source / "bpe.model").write_bytes(b"model")
    (source / "units.txt").write_text("a\nb\n▁a\n▁b\n", "utf-8")
    main(["--position-dependent-phones", "false", str(source), "<UNK>", str(tmp_path / "lang")])
    lang = LangDir(tmp_path / "lang")
    assert (lang.path / "bpe.model").read_bytes() == b"model"
    fst = kaldifst.StdVectorFst.read(str(lang.path / "L.fst"))
    a, b, sil = (lang.phones[p] for p in ("a", "b", "SIL"))
    one_word, two_words = lang.word_ids(["▁a", "b"]), lang.word_ids(["▁a", "▁b"])
    assert relation(fst, [a, b], one_word) is not None
    assert relation(fst, [a, sil, b], one_word) is None
    assert relation(fst, [sil, a, b, sil], one_word) is not None
    assert relation(fst, [a, b], two_words) is not None
    assert relation(fst, [a, sil, b], two_words) is not None
    assert relation(fst, [a], lang.word_ids(["a"])) is None
    disambig = kaldifst.StdVectorFst.read(str(lang.path / "L_disambig.fst"))
    assert not kaldifst.determinize_star(disambig, max_states=20000)


def test_phone_table_of_a_model(tmp_path):
    first = lang_of(tmp_path)
    table = first.path / "phones.txt"
    other = make_dict(tmp_path / "other", lexicon=["<UNK> SPN", "tea T IY", "tee T IY", "ti T IY",
                                                  "tie T IY", "tye T IY"])
    main(["--phone-symbol-table", str(table), str(other), "<UNK>", str(tmp_path / "lang2")])
    second = LangDir(tmp_path / "lang2")
    real = [p for p in first.phones if not p.startswith("#")]
    assert {p: second.phones[p] for p in real} == {p: first.phones[p] for p in real}
    assert "#6" in second.phones
    with pytest.raises(UserError, match=r"phones\.txt: lacks AH, a phone of the dict directory"):
        main(["--phone-symbol-table", str(table), "--position-dependent-phones", "false",
              str(other), "<UNK>", str(tmp_path / "lang3")])


def test_a_model_may_have_phones_that_no_word_has(tmp_path):
    first = lang_of(tmp_path)
    table = first.path / "phones.txt"
    fewer = make_dict(tmp_path / "fewer", lexicon=["<UNK> SPN", "tea T IY"])
    rows = (fewer / "nonsilence_phones.txt").read_text().splitlines()
    (fewer / "nonsilence_phones.txt").write_text("IY\nT\n")
    (fewer / "extra_questions.txt").unlink()
    assert len(rows) > 2
    main(["--phone-symbol-table", str(table), str(fewer), "<UNK>", str(tmp_path / "lang2")])
    second = LangDir(tmp_path / "lang2")
    check_phones(first.path, second)
    assert text(second, "topo").count("<TopologyEntry>") == 2
    assert sorted(text(second, "phones/nonsilence.txt").split()) == \
        sorted(text(first, "phones/nonsilence.txt").split())


def test_a_model_may_have_noises_that_no_word_has(tmp_path):
    source = make_dict(tmp_path / "dict", lexicon=[*LEXICON, "<NOISE> NSN"])
    (source / "silence_phones.txt").write_text("SIL\nSPN\nNSN\n")
    main([str(source), "<UNK>", str(tmp_path / "lang")])
    first = LangDir(tmp_path / "lang")
    fewer = make_dict(tmp_path / "fewer")
    main(["--phone-symbol-table", str(first.path / "phones.txt"), str(fewer), "<UNK>",
          str(tmp_path / "lang2")])
    second = LangDir(tmp_path / "lang2")
    for name in ("phones/silence.txt", "phones/nonsilence.txt", "phones/sets.txt", "topo"):
        assert text(second, name) == text(first, name)
    assert check_lang(second.path) == []


def test_shared_silence_phones(tmp_path):
    lang = lang_of(tmp_path, "--share-silence-phones", "true",
                   "--position-dependent-phones", "false")
    assert text(lang, "phones/roots.txt").splitlines()[:2] == ["not-shared not-split SIL SPN",
                                                               "shared split AH"]


def test_second_run_does_nothing_and_other_options_leave_nothing_behind(tmp_path, capsys):
    lang = lang_of(tmp_path)
    before = (lang.path / "L.fst").stat().st_mtime_ns
    assert main([str(tmp_path / "dict"), "<UNK>", str(lang.path)]) == 0
    assert "up to date" in capsys.readouterr().err
    assert (lang.path / "L.fst").stat().st_mtime_ns == before
    main(["--position-dependent-phones", "false", str(tmp_path / "dict"), "<UNK>", str(lang.path)])
    assert not (lang.path / "phones/word_boundary.txt").exists()
    assert not LangDir(lang.path).word_boundary


def test_word_boundary_of_the_dict_directory(tmp_path):
    source = make_dict(tmp_path / "dict", lexicon=["<UNK> SPN", "x a+ b-"], nonsilence=["a+", "b-"])
    kinds = {"SIL": "nonword", "SPN": "nonword", "a+": "begin", "b-": "end"}
    (source / "word_boundary.txt").write_text("".join(f"{p} {k}\n" for p, k in kinds.items()))
    main(["--position-dependent-phones", "false", str(source), "<UNK>", str(tmp_path / "lang")])
    lang = LangDir(tmp_path / "lang")
    assert {lang.phone_symbols[p]: kind for p, kind in lang.word_boundary.items()} == kinds


@pytest.mark.parametrize(("arguments", "match"), [
    (["dict", "<unk>", "lang"], "the lexicon has no word <unk>"),
    (["--sil-prob", "1", "dict", "<UNK>", "lang"], "sil-prob"),
    (["--num-sil-states", "2", "dict", "<UNK>", "lang"], "at least 3"),
    (["nowhere", "<UNK>", "lang"], "nowhere: no such dict directory"),
])
def test_bad_input_leaves_no_output(tmp_path, monkeypatch, arguments, match):
    make_dict(tmp_path / "dict")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=match):
        main(arguments)
    assert not (tmp_path / "lang").exists()


def test_bad_lexicon_names_file_and_line(tmp_path):
    source = make_dict(tmp_path / "dict", lexicon=["<UNK> SPN", "be B IY", "odd B XX"])
    with pytest.raises(UserError, match=r"lexicon\.txt:3: phone XX of odd"):
        main([str(source), "<UNK>", str(tmp_path / "lang")])
