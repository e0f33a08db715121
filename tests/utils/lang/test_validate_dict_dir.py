import random

import pytest

from tests.utils.lang.dicts import LEXICON, make_dict
from utils.lang.dictdir import check_dict, read_dict, write_dict
from utils.lang.lexicon import Entry
from utils.lang.prepare_lang import main as prepare_lang
from utils.lang.validate_dict_dir import main
from utils.step import UserError


def test_a_good_directory(tmp_path, capsys):
    source = make_dict(tmp_path / "dict")
    assert main([str(source)]) == 0
    assert "9 pronunciations, 2 silence and 5 other phones" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "data", "where"), [
    ("lexicon.txt", "be B IY\r\n", "lexicon.txt:1:8: carriage return"),
    ("lexicon.txt", "\ufeffbe B IY\n", "lexicon.txt:1:1: byte-order mark"),
    ("lexicon.txt", "be B IY", "lexicon.txt:1: the last line has no line end"),
    ("lexicon.txt", "be\u3000 B IY\n", "lexicon.txt:1:3: white space U+3000"),
    ("lexicon.txt", "be B IY\n\nbee B IY\n", "lexicon.txt:2: empty line"),
    ("lexicon.txt", "be B IY\nbe\tB  IY\n", "lexicon.txt:2: the same pronunciation of be"),
    ("lexicon.txt", "be\n", "lexicon.txt:1: be has no pronunciation"),
    ("lexicon.txt", "be B XX\n", "lexicon.txt:1: phone XX of be"),
    ("lexicon.txt", "<eps> B\n", "lexicon.txt:1: <eps>"),
    ("lexicon.txt", "", "lexicon.txt: no words"),
    ("lexicon.txt", b"be B\n\xff B\n", "lexicon.txt:2:1: byte 0xff is not UTF-8"),
    ("lexicon.txt", b"be B\n\0 B\n", "lexicon.txt:2: a zero byte"),
    ("lexiconp.txt", "be 0 B IY\n", "lexiconp.txt:1: be: 0 is not a probability"),
    ("lexiconp.txt", "be 1.0 B IY\n", "lexicon.txt: has other words"),
    ("silence_phones.txt", "SIL\nSPN\nB\n", "nonsilence_phones.txt:2: phone B is also in"),
    ("silence_phones.txt", "SIL\nSPN\nSIL\n", "silence_phones.txt:3: phone SIL is also in"),
    ("silence_phones.txt", "", "silence_phones.txt: no phones"),
    ("nonsilence_phones.txt", "AH\nB\nEY\nIY\nT\n#1\n", "nonsilence_phones.txt:6: phone #1"),
    ("nonsilence_phones.txt", "AH\nB\nEY\nIY\nT\nT_B\n", "nonsilence_phones.txt:6: phone T_B"),
    ("nonsilence_phones.txt", "AH\nB\nEY\nIY\nT\n<eps>\n", "nonsilence_phones.txt:6: phone <eps>"),
    ("nonsilence_phones.txt", "AH EY\nB\nIY\nT\n", "nonsilence_phones.txt:1: AH and EY share"),
    ("optional_silence.txt", "SIL SPN\n", "optional_silence.txt: expected one phone"),
    ("optional_silence.txt", "B\n", "optional_silence.txt: expected one phone"),
    ("optional_silence.txt", "", "optional_silence.txt: no phones"),
    ("extra_questions.txt", "AH XX\n", "extra_questions.txt:1: phone XX"),
])
def test_each_problem_names_file_and_line(tmp_path, capsys, name, data, where):
    source = make_dict(tmp_path / "dict")
    (source / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(UserError, match="problem"):
        main([str(source)])
    assert f"{source}/{where}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["silence_phones.txt", "lexicon.txt", "optional_silence.txt"])
def test_missing_files(tmp_path, name):
    source = make_dict(tmp_path / "dict")
    (source / name).unlink()
    with pytest.raises(UserError, match=r"no such file|neither lexicon\.txt"):
        read_dict(source)
    (source / name).mkdir()
    with pytest.raises(UserError, match=name):
        read_dict(source)


def test_all_problems_are_listed(tmp_path, capsys):
    source = make_dict(tmp_path / "dict", lexicon=["a", "b XX", "", "c ZZ"])
    with pytest.raises(UserError, match="4 problems"):
        main(["--max-problems", "2", str(source)])
    assert capsys.readouterr().err.count("lexicon.txt:") == 2


def test_bad_bytes_never_give_a_traceback(tmp_path):
    """Random damage: read_dict either succeeds or raises one line, and never anything else."""
    source = make_dict(tmp_path / "dict")
    good = (source / "lexicon.txt").read_bytes()
    rng = random.Random(0)
    bad = 0
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.randint(1, 5)):
            at = rng.randrange(len(data))
            data[at:at + rng.randint(0, 3)] = bytes(rng.choices(
                [0, 9, 10, 13, 32, 35, 60, 65, 0x85, 0xa0, 0xc2, 0xe2, 0xff], k=rng.randint(0, 3)))
        (source / "lexicon.txt").write_bytes(bytes(data))
        try:
            prepare_lang([str(source), "<UNK>", str(tmp_path / "lang")])
        except UserError as error:
            assert "\n" not in str(error)
            bad += 1
    assert bad > 200


def test_written_dicts_are_valid_and_sorted(tmp_path):
    entries = [Entry("b", 0.5, ("x",)), Entry("b", 1.0, ("y", "x")), Entry("a", 1.0, ("y",))]
    write_dict(tmp_path, entries, [["x"], ["y"]])
    contents, problems = check_dict(tmp_path)
    assert problems == []
    assert (tmp_path / "lexiconp.txt").read_text() == (
        "!SIL 1 SIL\n<UNK> 1 SPN\na 1 y\nb 0.5 x\nb 1 y x\n")
    assert contents.optional_silence == "SIL"
    assert {e.word for e in contents.entries} >= {line.split()[0] for line in LEXICON[:2]}
