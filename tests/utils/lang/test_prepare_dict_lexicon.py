import pytest

from utils.lang.dictdir import read_dict
from utils.lang.prepare_dict_lexicon import main
from utils.step import UserError

CMU = "A AH0\nA(2) EY1\nABOUT AH0 B AW1 T\nTWO T UW1\nTO T UW0\n"


@pytest.fixture
def lexicon(tmp_path):
    path = tmp_path / "cmudict"
    path.write_text(CMU)
    return path


def test_whole_lexicon(tmp_path, lexicon, capsys):
    out = tmp_path / "dict"
    assert main([str(lexicon), str(out)]) == 0
    assert (out / "lexicon.txt").read_text() == (
        "!SIL SIL\n<UNK> SPN\nA AH0\nA EY1\nABOUT AH0 B AW1 T\nTO T UW0\nTWO T UW1\n")
    assert (out / "nonsilence_phones.txt").read_text() == "AH0\nAW1\nB\nEY1\nT\nUW0 UW1\n"
    assert (out / "extra_questions.txt").read_text() == "AH0 UW0\nAW1 EY1 UW1\n"
    assert (out / "silence_phones.txt").read_text() == "SIL\nSPN\n"
    read_dict(out)
    assert main([str(lexicon), str(out)]) == 0
    assert "up to date" in capsys.readouterr().err


def test_words_of_a_text(tmp_path, lexicon, capsys):
    text, more = tmp_path / "text", tmp_path / "words"
    text.write_text("utt1 a about zebra\nutt2 zebra a <UNK>\n")
    more.write_text("to yak\n")
    out = tmp_path / "dict"
    main(["--case", "lower", "--stress", "drop", "--plain-text", str(more),
          str(lexicon), str(text), str(out)])
    assert (out / "lexicon.txt").read_text() == (
        "!SIL SIL\n<UNK> SPN\na AH\na EY\nabout AH B AW T\nto T UW\n")
    assert (out / "missing_words.txt").read_text() == "zebra 2\nyak 1\n"
    assert "2 of 5 words, 3 of 7 with repetitions, are not in" in capsys.readouterr().err


def test_silence_phones_of_the_lexicon(tmp_path):
    path = tmp_path / "lexicon"
    path.write_text("hm NSN\n<oov> GBG\nyes Y EH S\n")
    main(["--silence-phones", "SIL NSN GBG", str(path), str(tmp_path / "dict")])
    contents = read_dict(tmp_path / "dict")
    assert contents.silence == [["SIL"], ["NSN"], ["GBG"]]
    assert contents.nonsilence == [["EH"], ["S"], ["Y"]]
    assert ("<UNK>", ("GBG",)) in [(e.word, e.phones) for e in contents.entries]


@pytest.mark.parametrize(("data", "match"), [
    ("a\n", "lexicon:1: a has no pronunciation"),
    ("", "lexicon: no words in it"),
    (";;; only a comment\n", "lexicon: no words in it"),
    ("a A_B\n", "lexicon: phone A_B ends like a position"),
    ("a #A\n", "lexicon:1: a has no pronunciation"),
    ("</s> A\n", "lexicon:1: </s> may not be"),
    (b"a \xff\n", r"lexicon:1:3: byte 0xff"),
])
def test_bad_lexicons_leave_no_output(tmp_path, data, match):
    path = tmp_path / "lexicon"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(UserError, match=match):
        main([str(path), str(tmp_path / "dict")])
    assert not (tmp_path / "dict").exists()


def test_no_word_in_common(tmp_path, lexicon):
    (tmp_path / "text").write_text("utt a about\n")
    with pytest.raises(UserError, match="no word of the texts is in it"):
        main([str(lexicon), str(tmp_path / "text"), str(tmp_path / "dict")])
    (tmp_path / "text").write_text("utt\n")
    with pytest.raises(UserError, match="text: no words in it"):
        main([str(lexicon), str(tmp_path / "text"), str(tmp_path / "dict")])


def test_symbols_keep_their_case(tmp_path):
    (tmp_path / "lexicon").write_text("!SIL SIL\n<UNK> SPN\n<S> SIL\n[Noise] SPN\nTO T UW\n")
    main(["--case", "lower", str(tmp_path / "lexicon"), str(tmp_path / "dict")])
    assert [entry.word for entry in read_dict(tmp_path / "dict").entries] == \
        ["!SIL", "<S>", "<UNK>", "[Noise]", "to"]


@pytest.mark.parametrize(("phones", "message"), [
    (" ", "--silence-phones: no phone given"),
    ("SIL SPN SIL", "--silence-phones: a phone is there twice")])
def test_silence_phones_that_are_none(tmp_path, lexicon, phones, message):
    with pytest.raises(UserError, match=message):
        main(["--silence-phones", phones, str(lexicon), str(tmp_path / "dict")])
    assert not (tmp_path / "dict").exists()
