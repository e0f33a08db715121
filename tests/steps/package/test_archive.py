"""Packages that are not as they were made are refused before anything in them is used."""

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile

import pytest

from steps.package.archive import MANIFEST, UNPACKED, open_package, write_manifest, write_zip
from utils.step import UserError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "made"
    (folder / "model").mkdir(parents=True)
    (folder / "model/priors").write_text("[ 1 ]\n")
    (folder / "card.json").write_text('{"name": "x"}')
    write_manifest(folder, {"name": "x"})
    return folder


def rezip(folder, path, change=lambda archive: None, names=()):
    with zipfile.ZipFile(path, "w") as archive:
        for name in (MANIFEST, "card.json", "model/priors", *names):
            archive.write(folder / name.split("@")[0], name)
        change(archive)
    return path


def promise(folder, **files):
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"].update(files)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_folder_and_zip_are_the_same(folder, tmp_path):
    write_zip(tmp_path / "a.zip", folder)
    write_zip(tmp_path / "b.zip", folder)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with open_package(folder) as one, open_package(tmp_path / "a.zip") as other:
        assert one.manifest == other.manifest
        assert one.json("card.json") == other.json("card.json") == {"name": "x"}
        unpacked = other.path
        assert (unpacked / "model/priors").read_text() == "[ 1 ]\n"
    assert not unpacked.exists()


def test_a_file_too_large_for_a_plain_zip(folder, tmp_path, monkeypatch):
    (folder / "model/priors").write_text("[ 1 ]\n" * 1000)
    write_manifest(folder, {})
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 5000)
    write_zip(tmp_path / "a.zip", folder)
    with open_package(tmp_path / "a.zip") as package:
        assert (package.path / "model/priors").read_text() == "[ 1 ]\n" * 1000


def test_a_changed_file_is_refused(folder, tmp_path):
    (folder / "model/priors").write_text("[ 2 ]\n")
    with pytest.raises(UserError, match="priors: is not as the package was made"):
        open_package(folder)
    with pytest.raises(UserError, match="model/priors is not as the package was made"):
        open_package(rezip(folder, tmp_path / "x.zip"))


def test_unknown_and_missing_files_are_refused(folder, tmp_path):
    (folder / "run.py").write_text("print('no')")
    with pytest.raises(UserError, match=r"'run.py' is not in manifest.json \(remove it\)"):
        open_package(folder)
    with pytest.raises(UserError, match=r"'run.py' is not in manifest.json"):
        open_package(rezip(folder, tmp_path / "x.zip", names=["run.py"]))
    (folder / "run.py").unlink()
    (folder / "card.json").unlink()
    with pytest.raises(UserError, match=r"'card.json' is missing"):
        open_package(folder)


def test_hidden_files_of_a_folder_are_passed_over(folder, tmp_path):
    (folder / ".DS_Store").write_text("x")
    (folder / ".git/objects").mkdir(parents=True)
    (folder / ".git/objects/x").symlink_to("/etc/passwd")
    with open_package(folder) as made:
        assert ".DS_Store" not in made
    with pytest.raises(UserError, match=r"'.DS_Store' is not in manifest.json \(fetch"):
        open_package(rezip(folder, tmp_path / "x.zip", names=[".DS_Store"]))


@pytest.mark.parametrize("name", ["../card.json", "/etc/passwd", "model/../../x", "C:\\x", "a//b",
                                  ".hidden", "model/.x", MANIFEST, ".done", "x\n", "a/b/c/d/e/f"])
def test_paths_that_leave_the_folder_are_refused(folder, tmp_path, name):
    promise(folder, **{name: {"bytes": 1, "sha256": "0" * 64}})
    for path in (folder, rezip(folder, tmp_path / "x.zip")):
        with pytest.raises(UserError, match="is no name of a file in a package"):
            open_package(path)


def test_zip_members_outside_are_refused(folder, tmp_path):
    path = rezip(folder, tmp_path / "x.zip", lambda z: z.writestr("../evil", "x"))
    with pytest.raises(UserError, match=r"'../evil' is not in manifest.json"):
        open_package(path)
    assert not (tmp_path / "evil").exists()


def test_symbolic_links_are_refused(folder, tmp_path):
    def link(archive):
        member = zipfile.ZipInfo("link")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(UserError, match="'link' is no plain file"):
        open_package(rezip(folder, tmp_path / "x.zip", link))
    target = tmp_path / "priors"
    shutil.move(folder / "model/priors", target)
    (folder / "model/priors").symlink_to(target)
    with pytest.raises(UserError, match="symbolic link"):
        open_package(folder)


def test_members_that_are_there_twice_are_refused(folder, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = rezip(folder, tmp_path / "x.zip", lambda z: z.writestr("card.json", "{}"))
    with pytest.raises(UserError, match=r"'card.json' is there twice"):
        open_package(path)


def test_more_bytes_than_promised_are_not_unpacked(folder, tmp_path):
    """As of a small zip that unpacks to much more than it says."""
    promise(folder, **{"bomb": {"bytes": 10, "sha256": "0" * 64}})

    def bomb(archive):
        archive.writestr("bomb", bytes(50 << 20), zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="bomb is not as the package was made"):
        open_package(rezip(folder, tmp_path / "x.zip", bomb))
    promise(folder, **{"bomb": {"bytes": 1 << 40, "sha256": "0" * 64}})
    with pytest.raises(UserError, match="would be larger than 8 GB"):
        open_package(folder)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_without_bounds_are_refused(folder, tmp_path, method):
    """A block of bzip2 or LZMA, a thousand bytes, would be unpacked into gigabytes at once."""
    path = rezip(folder, tmp_path / "x.zip", lambda z: z.writestr("bomb", bytes(99), method))
    with pytest.raises(UserError, match="'bomb' is not deflated"):
        open_package(path)


def test_pipes_are_not_waited_for(folder, tmp_path):
    promise(folder, pipe={"bytes": 0, "sha256": "0" * 64})
    os.mkfifo(folder / "pipe")
    with pytest.raises(UserError, match="pipe: is no plain file"):
        open_package(folder)


def test_any_byte_of_a_zip_may_be_damaged(folder, tmp_path):
    (folder / "card.json").write_text(json.dumps({"name": list(range(300))}))
    write_manifest(folder, {"name": "x"})
    write_zip(tmp_path / "a.zip", folder)
    whole, path = (tmp_path / "a.zip").read_bytes(), tmp_path / "x.zip"
    refused = 0
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 0xff if at % 2 else 0x14
        path.write_bytes(data)
        try:
            open_package(path).__exit__()
        except UserError:
            refused += 1
    assert refused > 0.8 * len(whole)   # dates and the like may change


def test_a_full_temporary_directory_is_no_broken_zip(folder, tmp_path, monkeypatch):
    write_zip(tmp_path / "a.zip", folder)
    temporary, line = tmp_path / "tmp", r"tmp: cannot be written to, {} \(free some space, or set"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, limits[1]))
    try:
        with pytest.raises(UserError, match=line.format("file too large")):
            open_package(tmp_path / "a.zip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(temporary.iterdir()) == []
    temporary.rmdir()
    with pytest.raises(UserError, match=line.format("no such file or directory")):
        open_package(tmp_path / "a.zip")


def test_what_a_killed_process_unpacked_is_removed(folder, tmp_path, monkeypatch):
    write_zip(tmp_path / "a.zip", folder)
    temporary = tmp_path / "tmp"
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    for name in (f"{UNPACKED}{ended.pid}-x", f"{UNPACKED}{os.getpid()}-y", f"{UNPACKED}1-z",
                 f"graft-package-elsewhere-{ended.pid}-x", f"{UNPACKED}x"):
        (temporary / name / "model").mkdir(parents=True)
    with open_package(tmp_path / "a.zip") as made:
        assert made.path.name.startswith(f"{UNPACKED}{os.getpid()}-")
    assert {path.name for path in temporary.iterdir()} == {
        f"{UNPACKED}{os.getpid()}-y", f"{UNPACKED}1-z", f"graft-package-elsewhere-{ended.pid}-x",
        f"{UNPACKED}x"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "graft-package-9"}', "\ud800",
                                  '{"format": "graft-package-1", "files": {"a": {"bytes": -1}}}',
                                  '{"format": "graft-package-1", "files": {"a": 3}}', "[" * 99999])
def test_broken_manifests_are_refused(folder, text):
    (folder / MANIFEST).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match="made"):
        open_package(folder)


def test_what_is_no_package_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such package"):
        open_package(tmp_path / "none")
    with pytest.raises(UserError, match=r"has no manifest.json"):
        open_package(tmp_path)
    with pytest.raises(UserError, match="file name too long"):
        open_package("x" * 300)
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(UserError, match="is no zip, or a broken one"):
        open_package(tmp_path / "x.zip")
