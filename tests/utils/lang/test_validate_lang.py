import shutil

import kaldifst
import pytest

from tests.utils.lang.dicts import make_dict
from utils.lang.prepare_lang import main as prepare_lang
from utils.lang.validate_lang import main
from utils.step import UserError


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lang")
    prepare_lang([str(make_dict(directory / "dict")), "<UNK>", str(directory / "lang")])
    return directory / "lang"


@pytest.fixture
def lang(good, tmp_path):
    return shutil.copytree(good, tmp_path / "lang")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_what_prepare_lang_makes_is_valid(lang):
    assert main(["--determinize", str(lang)]) == 0


@pytest.mark.parametrize(("name", "old", "new", "where"), [
    ("phones.txt", "SIL_B 2", "SIL_B 200", "phones/silence.int: does not correspond"),
    ("phones.txt", "<eps> 0\n", "", "phones.txt: <eps> is not 0"),
    ("words.txt", "#0 9\n", "", "words.txt: #0 is not in it"),
    ("words.txt", "<UNK> 2", "<UNK> 3", "words.txt:4: a or its id 3"),
    ("phones/silence.csl", "1:2", "2:1", "phones/silence.csl: does not correspond"),
    ("phones/silence.txt", "SIL\n", "\nSIL\n", "phones/silence.int: does not correspond"),
    ("phones/sets.int", "1 2 3 4 5\n", "", "phones/sets.int: does not"),
    ("phones/roots.int", "shared split", "shared", "phones/roots.int: does not"),
    ("phones/word_boundary.int", "1 nonword\n", "", "phones/word_boundary.int: does not"),
    ("phones/align_lexicon.int", "3 3 14", "3 3 15", "phones/align_lexicon.int: does not"),
    ("topo", "11 12", "12", "topo: does not hold each phone"),
    ("oov.int", "\n", "7\n", "oov.int: is not"),
    ("phones/wdisambig_words.int", "\n", "7\n", "phones/wdisambig_words.int: is not"),
    ("oov.txt", "<UNK>", "<unk>", "oov.txt: <unk> is not in words.txt"),
])
def test_contradictions(lang, capsys, name, old, new, where):
    edit(lang / name, old, new)
    with pytest.raises(UserError, match="problem"):
        main([str(lang)])
    assert f"{lang}/{where}" in capsys.readouterr().err


def test_fsts(lang, capsys):
    fst = kaldifst.StdVectorFst.read(str(lang / "L.fst"))
    kaldifst.arcsort(fst, "ilabel")
    fst.write(str(lang / "L.fst"))
    (lang / "L_disambig.fst").write_text("junk")
    with pytest.raises(UserError, match="2 problems"):
        main([str(lang)])
    err = capsys.readouterr().err
    assert "L.fst: arcs are not sorted by output label" in err
    assert "L_disambig.fst: not there, or not an FST" in err


def test_a_lexicon_fst_of_other_pronunciations(lang, capsys):
    fst = kaldifst.StdVectorFst.read(str(lang / "L.fst"))
    kaldifst.compile("0 1 0 0\n1 0 1 1\n1\n").write(str(lang / "L.fst"))
    assert fst.num_states > 2
    with pytest.raises(UserError, match="problem"):
        main([str(lang)])
    assert "L.fst: does not accept" in capsys.readouterr().err


def test_not_determinizable(lang, capsys):
    shutil.copyfile(lang / "L.fst", lang / "L_disambig.fst")
    with pytest.raises(UserError, match="1 problem"):
        main(["--determinize", str(lang)])
    assert "cannot be determinized" in capsys.readouterr().err


def test_a_missing_file_is_told_once(lang, capsys):
    (lang / "phones/align_lexicon.int").unlink()
    (lang / "phones/align_lexicon.txt").unlink()   # as in lang directories of Kaldi before 2013
    with pytest.raises(SystemExit):
        main([str(lang)])
    assert capsys.readouterr().err.count("align_lexicon.int: no such file") == 1


def test_a_word_of_subwords_that_the_table_lacks(lang, capsys):
    (lang / "bpe.model").touch()
    with (lang / "phones/align_lexicon.int").open("a") as file:
        file.write("99 99 1\n")
    with pytest.raises(UserError, match="2 problems"):
        main([str(lang)])
    assert "align_lexicon.int: word 99 or its phones (1,) are not" in capsys.readouterr().err
