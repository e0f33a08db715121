import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from egs.an4.local import download
from tests.an4_layout import make_an4
from utils.step import UserError


class Server(BaseHTTPRequestHandler):
    """Serves one file, the first time only a part of it, and goes on where it is asked to."""

    body, cut, ranges = b"", None, True

    def do_GET(self):
        asked = self.headers.get("Range")
        start = int(asked[len("bytes="):-1]) if asked and self.ranges else 0
        rest = self.body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        type(self).asked = start
        if self.cut:
            rest, type(self).cut = rest[:self.cut], None
        self.wfile.write(rest)

    def log_message(self, *_):
        pass


@pytest.fixture
def url(tiny, tmp_path):
    corpus = make_an4(tmp_path / "an4-1234", tiny)
    with tarfile.open(tmp_path / "an4.tgz", "w:gz") as tar:
        tar.add(corpus, "an4-1234")
    Server.body, Server.cut, Server.ranges = (tmp_path / "an4.tgz").read_bytes(), None, True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/HEAD.tar.gz"
    server.shutdown()
    server.server_close()


def test_fetched_once(url, tmp_path, capsys):
    assert download.main(["--url", url, tmp_path / "corpus"]) == 0
    corpus = tmp_path / "corpus/an4"
    assert (corpus / "etc/an4.dic").is_file() and len(list(corpus.rglob("*.wav"))) == 50
    assert not list((tmp_path / "corpus").glob("*.tar.gz*"))
    capsys.readouterr()
    download.main(["--url", url, tmp_path / "corpus"])
    assert "up to date" in capsys.readouterr().err


@pytest.mark.parametrize("ranges", [True, False])
def test_goes_on_after_an_interruption(url, tmp_path, ranges):
    Server.cut, Server.ranges = 10000, ranges
    with pytest.raises(UserError, match="run it again and it goes on"):
        download.main(["--url", url, tmp_path / "corpus"])
    assert (tmp_path / "corpus/an4.tar.gz.part").stat().st_size == 10000
    assert not (tmp_path / "corpus/an4").exists()
    download.main(["--url", url, tmp_path / "corpus"])
    assert Server.asked == (10000 if ranges else 0)
    assert len(list((tmp_path / "corpus/an4").rglob("*.wav"))) == 50


def test_not_the_corpus(url, tmp_path):
    Server.body = b"<html>not here</html>"
    with pytest.raises(UserError, match="cannot be unpacked"):
        download.main(["--url", url, tmp_path / "corpus"])
    with pytest.raises(UserError, match="download failed"):
        download.main(["--url", "http://127.0.0.1:9/x", tmp_path / "corpus"])
    assert not (tmp_path / "corpus/an4/etc").exists()
