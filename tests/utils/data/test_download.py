import tarfile

import pytest

from tests.file_server import serving
from utils.data.download import fetch, unpack
from utils.step import UserError

BODY = bytes(range(256)) * 200


@pytest.mark.parametrize("ranges", [True, False])
def test_goes_on_after_an_interruption(tmp_path, ranges):
    path = tmp_path / "down/file"
    with serving(BODY) as server:
        server.cut, server.ranges = 10000, ranges
        with pytest.raises(UserError, match="run it again and it goes on"):
            fetch(server.url, path)
        assert not path.exists()
        assert (tmp_path / "down/file.part").stat().st_size == 10000
        fetch(server.url, path)
        assert server.asked == (10000 if ranges else 0)
    assert path.read_bytes() == BODY
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_no_server(tmp_path):
    with pytest.raises(UserError, match="download failed"):
        fetch("http://127.0.0.1:9/x", tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_what_is_wanted_is_unpacked(tmp_path):
    for name in ["wav/a.wav", "wavs/b.wav", "doc/c", "README.md"]:
        (tmp_path / "x-1" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x-1" / name).write_text(name)
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
        tar.add(tmp_path / "x-1", "./x-1")
    unpack(tmp_path / "x.tgz", tmp_path / "out", ["wav/", "README"])
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*")
                  if p.is_file()) == ["README.md", "wav/a.wav"]


def test_nothing_is_written_outside_the_directory(tmp_path):
    (tmp_path / "a").write_text("a")
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
        tar.add(tmp_path / "a", "x-1/wav/../../../b")
    with pytest.raises(UserError, match="leaves the directory"):
        unpack(tmp_path / "x.tgz", tmp_path / "out", ["wav/"])
    assert not (tmp_path / "b").exists()


def test_half_an_archive_goes(tmp_path):
    (tmp_path / "x.tgz").write_bytes(b"<html>not here</html>")
    with pytest.raises(UserError, match=r"x.tgz: cannot be unpacked(?s:.*)run it again"):
        unpack(tmp_path / "x.tgz", tmp_path / "out", ["wav/"])
    assert not (tmp_path / "x.tgz").exists()
