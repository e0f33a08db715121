import pytest

from egs.an4.local import prepare_data, prepare_dict
from tests.an4_layout import make_an4
from utils.data.tables import read_table
from utils.data.validate_data_dir import main as validate
from utils.lang.dictdir import read_dict
from utils.step import UserError


@pytest.fixture
def corpus(tiny, tmp_path):
    return make_an4(tmp_path / "an4", tiny)


def test_data(corpus, tmp_path, capsys):
    data = tmp_path / "data"
    assert prepare_data.main(["--hold-out", "2", corpus, data]) == 0
    for part, number in (("train", 40), ("test", 10), ("tune/train", 24), ("tune/test", 16)):
        assert len(read_table(data / part / "text")) == number
        assert validate(["--no-feats", data / part]) == 0
    assert read_table(data / "train/text")["fana-an001-fana-b"].isupper()
    assert set(read_table(data / "train/spk2gender").values()) == {"f", "m"}
    spks = {part: set(read_table(data / part / "spk2utt"))
            for part in ("train", "tune/train", "tune/test", "test")}
    assert spks["tune/train"] | spks["tune/test"] == spks["train"]
    assert not spks["tune/train"] & spks["tune/test"] and not spks["train"] & spks["test"]
    capsys.readouterr()
    prepare_data.main(["--hold-out", "2", corpus, data])
    assert "up to date" in capsys.readouterr().err


def test_missing_sound(corpus, tmp_path, capsys):
    (corpus / "wav/an4_clstk/mben/an003-mben-b.wav").unlink()
    prepare_data.main([corpus, tmp_path / "data"])
    assert "an4_clstk/mben/an003-mben-b" in capsys.readouterr().err
    assert len(read_table(tmp_path / "data/train/text")) == 39
    for number in range(4, 8):
        (corpus / f"wav/an4_clstk/mben/an00{number}-mben-b.wav").unlink()
    with pytest.raises(UserError, match="5 of 40 files of an4_train are not here"):
        prepare_data.main([corpus, tmp_path / "other"])
    assert not (tmp_path / "other/train").exists()


def test_bad_input_names_the_file(corpus, tmp_path):
    with pytest.raises(UserError, match="nowhere: no etc/ here"):
        prepare_data.main([tmp_path / "nowhere", tmp_path / "data"])
    with pytest.raises(UserError, match="5 of 5 training speakers"):
        prepare_data.main(["--hold-out", "5", corpus, tmp_path / "data"])
    with pytest.raises(SystemExit, match="--hold-out: must be 0 or more, not -2"):
        prepare_data.main(["--hold-out", "-2", corpus, tmp_path / "data"])
    path = corpus / "etc/an4_test.transcription"
    path.write_text("YES\n" + path.read_text())
    with pytest.raises(UserError, match=r"an4_test.transcription:1: expected `WORDS \(file\)`"):
        prepare_data.main([corpus, tmp_path / "data"])


def test_two_sessions_of_a_speaker_stay_together():
    spks = ["fabc", "fabc2", "fdef", "mghi", "mjkl", "mjkl2", "mnop"]
    chosen = prepare_data.choose_speakers(spks, 2)
    assert len(chosen) == 2 and chosen <= {"fdef", "mghi", "mnop"}


def test_dict(corpus, tmp_path):
    prepare_dict.main([corpus, tmp_path / "dict"])
    lexicon = (tmp_path / "dict/lexicon.txt").read_text().splitlines()
    assert lexicon[:2] == ["!SIL SIL", "<UNK> SPN"]
    assert "MANO M A N O" in lexicon and "MANO M A N A" in lexicon
    assert not any("(" in line for line in lexicon)
    assert read_dict(tmp_path / "dict")
    (corpus / "etc/an4.dic").write_text("A  AH\nB\n")
    with pytest.raises(UserError, match=r"an4.dic:2: expected a word and its phones"):
        prepare_dict.main([corpus, tmp_path / "dict"])
