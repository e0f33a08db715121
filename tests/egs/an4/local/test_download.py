import tarfile

import pytest

from egs.an4.local import download
from tests.an4_layout import make_an4
from tests.file_server import serving
from utils.step import UserError


@pytest.fixture
def server(tiny, tmp_path):
    corpus = make_an4(tmp_path / "an4-1234", tiny)
    with tarfile.open(tmp_path / "an4.tgz", "w:gz") as tar:
        tar.add(corpus, "an4-1234")
    with serving((tmp_path / "an4.tgz").read_bytes()) as server:
        yield server


def test_fetched_once(server, tmp_path, capsys):
    assert download.main(["--url", server.url, tmp_path / "corpus"]) == 0
    corpus = tmp_path / "corpus/an4"
    assert (corpus / "etc/an4.dic").is_file() and len(list(corpus.rglob("*.wav"))) == 50
    assert not list((tmp_path / "corpus").glob("*.tar.gz*"))
    capsys.readouterr()
    download.main(["--url", server.url, tmp_path / "corpus"])
    assert "up to date" in capsys.readouterr().err


def test_goes_on_after_an_interruption(server, tmp_path):
    server.cut = 10000
    with pytest.raises(UserError, match="run it again and it goes on"):
        download.main(["--url", server.url, tmp_path / "corpus"])
    assert (tmp_path / "corpus/an4.tar.gz.part").stat().st_size == 10000
    assert not (tmp_path / "corpus/an4").exists()
    download.main(["--url", server.url, tmp_path / "corpus"])
    assert server.asked == 10000
    assert len(list((tmp_path / "corpus/an4").rglob("*.wav"))) == 50


def test_not_the_corpus(server, tiny, tmp_path):
    server.body = b"<html>not here</html>"
    with pytest.raises(UserError, match="cannot be unpacked"):
        download.main(["--url", server.url, tmp_path / "corpus"])
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as tar:
        tar.add(tiny, "other")
    server.body = (tmp_path / "other.tgz").read_bytes()
    with pytest.raises(UserError, match=r"no etc/an4_train.fileids in it"):
        download.main(["--url", server.url, tmp_path / "corpus"])
    assert not (tmp_path / "corpus/an4/etc").exists()
