import tarfile
import unicodedata

import pytest

from egs.mboshi.local import download, prepare_data
from tests.file_server import serving
from tests.mboshi_layout import make_mboshi
from utils.data.tables import read_table
from utils.data.validate_data_dir import main as validate
from utils.lang.prepare_dict_graphemes import main as prepare_dict
from utils.step import UserError

BEN = "ben_2015-09-08-11-33-57_samsung-SM-T530_mdw_elicit_Dico1_00"


@pytest.fixture
def corpus(tiny, tmp_path):
    return make_mboshi(tmp_path / "mboshi", tiny)


def test_data(corpus, tmp_path, capsys):
    data = tmp_path / "data"
    assert prepare_data.main(["--dev", "6", corpus, data]) == 0
    for part, number in (("train", 34), ("dev", 6), ("test", 10)):
        assert len(read_table(data / part / "text")) == number
        assert validate(["--no-feats", data / part]) == 0
    texts = {part: list(read_table(data / part / "text").values()) for part in ("train", "dev")}
    assert len(set(texts["dev"])) == 6 and not set(texts["dev"]) & set(texts["train"])
    assert set(read_table(data / "dev/spk2utt")) <= set(read_table(data / "train/spk2utt"))
    assert list(read_table(data / "test/spk2utt")) == ["fay", "gus"]
    capsys.readouterr()
    prepare_data.main(["--dev", "6", corpus, data])
    assert "up to date" in capsys.readouterr().err


def test_letters_are_the_phones(corpus, tmp_path):
    prepare_data.main(["--dev", "6", corpus, tmp_path / "data"])
    prepare_dict(["--share-base", "true", tmp_path / "data/train/text", tmp_path / "dict"])
    phones = (tmp_path / "dict/nonsilence_phones.txt").read_text("utf-8").split()
    assert sorted(phones) == sorted("áεfimnos")


def test_text_is_one_form(corpus, tmp_path):
    # An upper case letter, a tone mark that is a character of its own, apostrophes, many spaces
    assert prepare_data.normalise(" S\u2019\u00e9l\u00e9nge\u0301  Wa itsω' ") == \
        "s\u00e9l\u00e9ng\u00e9 wa itsω"
    (corpus / f"full_corpus_newsplit/train/{BEN}2.mb.cleaned").write_text(
        unicodedata.normalize("NFD", "Misá  s'εfi\n"), "utf-8")
    prepare_data.main(["--dev", "1", corpus, tmp_path / "data"])
    texts = {**read_table(tmp_path / "data/train/text"), **read_table(tmp_path / "data/dev/text")}
    assert texts[f"{BEN}2"] == "misá sεfi"


def test_dev_is_of_all_speakers_and_of_sentences_said_once():
    texts = {f"{spk}_{number:03d}": f"{spk} {number // (2 if spk == 'b' else 1)}"
             for spk, count in (("a", 60), ("b", 40), ("c", 20)) for number in range(count)}
    chosen = prepare_data.choose_dev(texts, 8)
    assert len(chosen) == 8
    assert [sum(utt[0] == spk for utt in chosen) for spk in "abc"] == [6, 0, 2]


def test_missing_sound(corpus, tmp_path, capsys):
    train = corpus / "full_corpus_newsplit/train"
    (train / f"{BEN}3.wav").unlink()
    (train / f"{BEN}4.mb.cleaned").write_text("\n")
    prepare_data.main(["--dev", "6", corpus, tmp_path / "data"])
    assert f"{BEN}3 {BEN}4" in capsys.readouterr().err
    assert len(read_table(tmp_path / "data/train/text")) == 32
    (train / f"{BEN}5.wav").unlink()
    with pytest.raises(UserError, match="train: 3 of 40 utterances are not here"):
        prepare_data.main(["--dev", "6", corpus, tmp_path / "other"])
    assert not (tmp_path / "other/train").exists()


def test_bad_input_names_the_file(corpus, tmp_path):
    with pytest.raises(UserError, match="nowhere/full_corpus_newsplit/train: no such directory"):
        prepare_data.main([tmp_path / "nowhere", tmp_path / "data"])
    with pytest.raises(UserError, match=r"--dev: 500 of \d+ utterances"):
        prepare_data.main(["--dev", "500", corpus, tmp_path / "data"])
    (corpus / f"full_corpus_newsplit/train/{BEN}1.mb.cleaned").write_bytes(b"mis\xe1\n")
    with pytest.raises(UserError, match=rf"{BEN}1.mb.cleaned:1:4: byte 0xe1 is not UTF-8"):
        prepare_data.main([corpus, tmp_path / "data"])


def test_download(corpus, tmp_path, capsys):
    def pack():
        with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
            tar.add(corpus, "mboshi-french-parallel-corpus-254e5d1")
        return (tmp_path / "x.tgz").read_bytes()

    (corpus / "ZRC_scoring").mkdir()
    (corpus / "ZRC_scoring/README").write_text("not needed")
    with serving(pack()) as server:
        assert download.main(["--url", server.url, tmp_path / "down"]) == 0
        fetched = tmp_path / "down/mboshi"
        assert len(list(fetched.rglob("*.wav"))) == 50 and not (fetched / "ZRC_scoring").exists()
        assert prepare_data.main(["--dev", "6", fetched, tmp_path / "data"]) == 0
        capsys.readouterr()
        download.main(["--url", server.url, tmp_path / "down"])
        assert "up to date" in capsys.readouterr().err
        (corpus / f"full_corpus_newsplit/train/{BEN}3.wav").unlink()
        server.body = pack()
        with pytest.raises(UserError, match=rf"no full_corpus_newsplit/train/{BEN}3.wav in it"):
            download.main(["--url", server.url, tmp_path / "less"])
        assert not (tmp_path / "less/mboshi/full_corpus_newsplit").exists()
