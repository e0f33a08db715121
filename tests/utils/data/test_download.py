import hashlib
import shutil
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


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_what_is_not_what_was_published_goes(tmp_path, kind):
    checksum = f"{kind}:{hashlib.new(kind, BODY).hexdigest()}"
    with serving(BODY[:-1] + b"x") as server:
        with pytest.raises(UserError, match=rf"file.tar.gz: file has {kind} \w+, the published one "
                           r"is \w+, so it has been removed \(run it again"):
            fetch(server.url, tmp_path / "file", checksum)
        assert not list(tmp_path.iterdir())
        server.body = BODY
        fetch(server.url, tmp_path / "file", checksum)
    assert (tmp_path / "file").read_bytes() == BODY
    with pytest.raises(UserError, match="md5:1: is no checksum"):
        fetch(server.url, tmp_path / "other", "md5:1")


def test_half_of_another_file_is_found_out(tmp_path):
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    with serving(BODY) as server, pytest.raises(UserError, match="has been removed"):
        fetch(server.url, tmp_path / "file", f"md5:{hashlib.md5(BODY).hexdigest()}")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_compared_and_not_fetched(tmp_path):
    (tmp_path / "file").write_bytes(BODY)
    fetch("http://127.0.0.1:9/x", tmp_path / "file", f"md5:{hashlib.md5(BODY).hexdigest()}")
    assert (tmp_path / "file").read_bytes() == BODY
    with pytest.raises(UserError, match="has been removed"):
        fetch("http://127.0.0.1:9/x", tmp_path / "file", f"md5:{'0' * 32}")


@pytest.mark.parametrize("extra", [b"", b"x"])
def test_killed_before_the_last_step(tmp_path, extra):
    (tmp_path / "file.part").write_bytes(BODY + extra)
    with serving(BODY) as server:
        if extra:   # more than there is: of another file
            with pytest.raises(UserError, match="download failed: HTTP Error 416"):
                fetch(server.url, tmp_path / "file")
        fetch(server.url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY


def test_free_space_is_looked_at_first(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=len(BODY) + 100))
    with serving(BODY) as server:
        with pytest.raises(UserError, match=r"GB are needed for http.* are free \(make room"):
            fetch(server.url, tmp_path / "file", room=1)
        assert not (tmp_path / "file.part").exists()
        fetch(server.url, tmp_path / "file")


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


@pytest.mark.parametrize("name", ["/b", "x/../../b"])
def test_nor_with_whole_names(tmp_path, name):
    (tmp_path / "a").write_text("a")
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("/" + name if name[0] == "/" else name))
    with pytest.raises(UserError, match="leaves the directory"):
        unpack(tmp_path / "x.tgz", tmp_path / "out", [""], strip=False)


def test_whole_names(tmp_path):
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
        for name in ["x-1/fr/train.tsv", "x-1/fr/other.tsv"]:
            tar.addfile(tarfile.TarInfo(name))
    unpack(tmp_path / "x.tgz", tmp_path / "out", ["fr/train"], strip=False)
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == [
        tmp_path / "out/x-1/fr/train.tsv"]


def test_a_full_disk_is_not_the_archives_fault(tmp_path):
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("x-1/wav/a"))
    (tmp_path / "out").write_text("no directory")   # as good an OSError as a full disk's
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpack(tmp_path / "x.tgz", tmp_path / "out", ["wav/"])
    assert (tmp_path / "x.tgz").exists()


@pytest.mark.parametrize("at", [0.3, 0.9])
def test_an_archive_damaged_in_the_middle_goes(tmp_path, at):
    (tmp_path / "a").write_bytes(hashlib.shake_128(b"a").digest(200000))
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
        tar.add(tmp_path / "a", "x-1/wav/a")
    data = bytearray((tmp_path / "x.tgz").read_bytes())
    start = int(at * len(data))
    data[start:start + 50] = bytes(50)
    (tmp_path / "x.tgz").write_bytes(data)
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpack(tmp_path / "x.tgz", tmp_path / "out", ["wav/"])
    assert not (tmp_path / "x.tgz").exists()


def test_half_an_archive_goes(tmp_path):
    (tmp_path / "x.tgz").write_bytes(b"<html>not here</html>")
    with pytest.raises(UserError, match=r"x.tgz: cannot be unpacked(?s:.*)run it again"):
        unpack(tmp_path / "x.tgz", tmp_path / "out", ["wav/"])
    assert not (tmp_path / "x.tgz").exists()
