import tarfile

import pytest

from egs.digits.local import download, make_grammar, prepare_data
from tests.file_server import serving
from tests.fsdd_layout import make_fsdd
from utils.data.tables import read_table
from utils.data.validate_data_dir import main as validate
from utils.lang.arpa import ArpaModel
from utils.step import UserError

OPTIONS = ["--takes", "1 2", "--dev", "2"]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return make_fsdd(tmp_path_factory.mktemp("fsdd") / "fsdd", takes=11)


@pytest.fixture
def corpus(published, tmp_path):
    """The same with links to the sound, to be changed."""
    (tmp_path / "fsdd/recordings").mkdir(parents=True)
    for wav in (published / "recordings").iterdir():
        (tmp_path / "fsdd/recordings" / wav.name).symlink_to(wav)
    (tmp_path / "fsdd/metadata.py").write_text((published / "metadata.py").read_text())
    return tmp_path / "fsdd"


def test_data(published, tmp_path, capsys):
    data = tmp_path / "data"
    assert prepare_data.main([*OPTIONS, published, data]) == 0
    sizes = {"test": 50, "dev": 20, "all/train": 40, "1/train": 10, "2/train": 20,
             "others/train": 80}
    for part, number in sizes.items():
        for spk in ("george", "jackson", "lucas"):
            assert len(read_table(data / spk / part / "text")) == number
        assert validate(["--no-feats", data / "lucas" / part]) == 0
    utts = {part: set(read_table(data / "lucas" / part / "utt2spk")) for part in sizes}
    assert utts["1/train"] < utts["2/train"] < utts["all/train"]
    assert utts["1/train"] == {f"lucas-{digit}-005" for digit in range(10)}
    assert len(utts["test"] | utts["dev"] | utts["all/train"]) == 110
    others = read_table(data / "lucas/others/train/utt2spk")
    assert set(others.values()) == {"george", "jackson"}
    assert not set(others) & set(read_table(data / "george/test/utt2spk"))
    assert read_table(data / "lucas/test/text")["lucas-7-004"] == "SEVEN"
    assert set(read_table(data / "lucas/test/utt2accent").values()) == {"DEU/German"}
    assert read_table(data / "lucas/test/spk2gender") == {"lucas": "m"}
    capsys.readouterr()
    prepare_data.main([*OPTIONS, published, data])
    assert "up to date" in capsys.readouterr().err


def test_bad_input_names_the_file(corpus, tmp_path):
    data = tmp_path / "data"
    with pytest.raises(UserError, match="nowhere/recordings: no sound"):
        prepare_data.main([tmp_path / "nowhere", data])
    with pytest.raises(UserError, match=r"george has 11 recordings of a digit, 5 of them to test"):
        prepare_data.main(["--takes", "5", "--dev", "2", corpus, data])
    with pytest.raises(UserError, match="--takes: 1 all are not numbers"):
        prepare_data.main(["--takes", "1 all", corpus, data])
    (corpus / "recordings/3_nobody_1.wav").touch()
    with pytest.raises(UserError, match=r"3_nobody_1.wav: is not <digit>_<speaker>_<number>.wav"):
        prepare_data.main([*OPTIONS, corpus, data])
    (corpus / "metadata.py").write_text("metadata = open('x')\n")
    with pytest.raises(UserError, match=r"metadata.py: cannot be read: ValueError"):
        prepare_data.main([*OPTIONS, corpus, data])
    assert not (data / "george").exists()


def test_grammar_has_one_digit_or_more(tmp_path, capsys):
    arpa = tmp_path / "lm/digits.arpa"
    text = tmp_path / "text"
    text.write_text("".join(f"u{i} {word}\n" for i, word in enumerate(prepare_data.WORDS)))
    assert make_grammar.main(["--more", "0.1", text, arpa]) == 0
    model = ArpaModel.read(arpa)
    assert model.score(("<s>",), "NINE") == pytest.approx(-1)
    assert model.score(("NINE",), "TWO") == pytest.approx(-2)
    assert 10 ** model.score(("NINE",), "</s>") == pytest.approx(0.9, abs=1e-4)
    assert model.score(("<s>",), "</s>") < -90
    capsys.readouterr()
    make_grammar.main(["--more", "0.1", text, arpa])
    assert "up to date" in capsys.readouterr().err
    with pytest.raises(UserError, match="--more: 1 is not between 0 and 1"):
        make_grammar.main(["--more", "1", text, arpa])


def test_download(corpus, tmp_path, capsys):
    def pack():
        with tarfile.open(tmp_path / "x.tgz", "w:gz", dereference=True) as tar:
            tar.add(corpus, "free-spoken-digit-dataset-1234")
        return (tmp_path / "x.tgz").read_bytes()

    with serving(pack()) as server:
        assert download.main(["--url", server.url, tmp_path / "down"]) == 0
        assert prepare_data.main([*OPTIONS, tmp_path / "down/fsdd", tmp_path / "data"]) == 0
        capsys.readouterr()
        download.main(["--url", server.url, tmp_path / "down"])
        assert "up to date" in capsys.readouterr().err
        (corpus / "recordings/3_lucas_1.wav").unlink()
        server.body = pack()
        with pytest.raises(UserError, match="of lucas it has 10 recordings of one digit and 11"):
            download.main(["--url", server.url, tmp_path / "less"])
        (corpus / "metadata.py").unlink()
        server.body = pack()
        with pytest.raises(UserError, match=r"no recordings/ and metadata.py in it"):
            download.main(["--url", server.url, tmp_path / "none"])
        assert not (tmp_path / "less/fsdd/recordings").exists()
