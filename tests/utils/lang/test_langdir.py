import pytest

from utils.lang.langdir import LangDir, read_symbols, symbol_list
from utils.step import UserError


@pytest.fixture
def kaldi_lang(tmp_path):
    """Files copied from what Kaldi writes for a lexicon of two words."""
    files = {
        "phones.txt": "<eps> 0\nSIL 1\nSIL_B 2\nSPN\t3\nA_B 4\nA_S 5\n#0 6\n#1 7\n",
        "words.txt": "<eps> 0\n<UNK> 1\nah 2\n#0 3\n<s> 4\n</s> 5\n",
        "oov.txt": "<UNK>\n", "phones/silence.int": "1\n2\n3\n", "phones/nonsilence.int": "4\n5\n",
        "phones/disambig.int": "6\n7\n", "phones/optional_silence.int": "1\n",
        "phones/context_indep.int": "1\n2\n3\n", "phones/sets.int": "1 2\n3\n4 5\n",
        "phones/roots.int": "not-shared not-split 1 2 3\nshared split 4 5\n",
        "phones/extra_questions.int": "1 2\n4 \n",
        "phones/align_lexicon.int": "0 0 1\n1 1 3\n2 2 4 5\n2 2 5\n",
        "phones/word_boundary.int": "1 nonword\n2 begin\n3 nonword\n4 begin\n5 singleton\n"}
    (tmp_path / "phones").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return LangDir(tmp_path)


def test_reads_kaldis_files(kaldi_lang):
    lang = kaldi_lang
    assert lang.phones["A_B"] == 4
    assert lang.phone_symbols[4] == "A_B"
    assert lang.word_symbols[2] == "ah"
    assert lang.silence_phones == [1, 2, 3]
    assert lang.nonsilence_phones == [4, 5]
    assert lang.disambig == [6, 7]
    assert lang.optional_silence == 1
    assert lang.sets == [[1, 2], [3], [4, 5]]
    assert lang.roots == [(False, False, [1, 2, 3]), (True, True, [4, 5])]
    assert lang.extra_questions == [[1, 2], [4]]
    assert lang.align_lexicon == {0: [(1,)], 1: [(3,)], 2: [(4, 5), (5,)]}
    assert lang.word_boundary[5] == "singleton"
    assert lang.oov_id == 1
    assert lang.word_ids(["ah", "oh"]) == [2, 1]
    assert lang.phone(4) == "A"


def test_bad_files_are_named(kaldi_lang):
    for name, bad, match in [("phones.txt", "a 1\nb one\n", r"phones\.txt:2: expected"),
                             ("phones.txt", "a 1\nb 1\n", r"phones\.txt:2: b or its id 1"),
                             ("phones.txt", "a ²\n", r"phones\.txt:1"),
                             ("phones/sets.int", "1 x\n", r"sets\.int:1: expected ids"),
                             ("phones/silence.int", "1 2\n", r"silence\.int: expected one phone"),
                             ("phones/roots.int", "split 1\n", r"roots\.int:1: expected"),
                             ("oov.txt", "\n", r"oov\.txt: expected one word"),
                             ("oov.txt", "oh\n", r"oov\.txt: oh is not in words\.txt")]:
        path = kaldi_lang.path / name
        good = path.read_text()
        path.write_text(bad)
        lang = LangDir(kaldi_lang.path)
        with pytest.raises(UserError, match=match):
            _ = (lang.phones, lang.sets, lang.silence_phones, lang.roots, lang.oov_id)
        path.write_text(good)
    with pytest.raises(UserError, match="no such lang directory"):
        LangDir(kaldi_lang.path / "nowhere")


def test_symbols_keep_unicode(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("<eps> 0\nyeékirá 1\nsω\u0301 3\n", "utf-8")
    assert read_symbols(path) == {"<eps>": 0, "yeékirá": 1, "sω\u0301": 3}
    assert symbol_list(read_symbols(path)) == ["<eps>", "yeékirá", "", "sω\u0301"]


def test_an_id_out_of_proportion_is_named(tmp_path):
    (tmp_path / "words.txt").write_text("<eps> 0\na " + "9" * 5000 + "\n")
    with pytest.raises(UserError, match=r"words.txt:2: a has the id 99999999999999999999, out of"):
        read_symbols(tmp_path / "words.txt")
