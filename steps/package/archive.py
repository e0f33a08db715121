"""Packages on disk: a folder or a zip of it, each file named and hashed in manifest.json.

    with open_package("fr.zip") as package:
        package.json("card.json"), package.path / "model/model.tflite"

A package may come from anywhere. Before anything in it is used its names, sizes and hashes are
checked; a zip is unpacked into a temporary directory. Its files are numbers, tables and text: none
is run, none is unpickled.
"""

import glob
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

from utils.step import UserError, is_alive, read_done, write_atomic

FORMAT = "graft-package-1"
MANIFEST = "manifest.json"
EPOCH = (1980, 1, 1, 0, 0, 0)   # the date of every member, so that equal packages are equal zips
MAX_BYTES = 8 << 30             # of a package unpacked
MAX_MANIFEST = 1 << 20
CHUNK = 1 << 20
UNPACKED = f"graft-package-{platform.node()}-"     # then the process's number
UNTRACKED = {MANIFEST, ".done"}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,4}")
AGAIN = "fetch the package again"
# Deflate alone is unpacked no further than asked for: one block of the others may fill the memory.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises for bytes that are none of its making; RuntimeError holds NotImplementedError.
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError, OSError,
           OverflowError, RuntimeError, ValueError)


class Package:
    """An opened package, its files checked; a context manager.

    path      Path of the folder;  source: what was opened
    manifest  dict of manifest.json
    """

    def __init__(self, path, source, manifest, temporary=None):
        self.path, self.source, self.manifest = Path(path), Path(source), manifest
        self._temporary = temporary

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._temporary:
            self._temporary.cleanup()

    def __contains__(self, name):
        return name in self.manifest["files"]

    def json(self, name):
        """The dict of a JSON file."""
        if name not in self:
            raise UserError(self.source, f"has no {name}", AGAIN)
        return _json((self.path / name).read_bytes(), self.source, name)


def open_package(path):
    """The Package of a folder or a zip; UserError for anything that is not as it was made."""
    path = Path(path)
    try:
        if path.is_dir():
            return _open_folder(path)
        if not path.is_file():
            raise UserError(path, "no such package", "a folder or zip of steps/package/package.py")
    except OSError as error:
        raise UserError(path, f"cannot be read, {error.strerror.lower()}") from None
    try:
        with zipfile.ZipFile(path) as archive:
            return _open_zip(path, archive)
    except _BROKEN as error:
        raise UserError(path, f"is no zip, or a broken one ({error})", AGAIN) from None


def is_hidden(name):
    """Whether a path within a package is of a file or in a folder whose name begins with a dot."""
    return any(part.startswith(".") for part in name.split("/"))


def check_alone(directory, names):
    """UserError if a folder has files that no package.py wrote and that are not to be written now.

    names  of files in the package
    """
    directory = Path(directory)
    ours = {*names, MANIFEST, *read_done(directory).get("package", {}).get("outputs", [])}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if not (path.is_dir() or is_hidden(name) or name in ours):
            raise UserError(path, "is no file of a package", "move it away, or name another folder")


def write_manifest(directory, about):
    """manifest.json of all files in a directory. Returns their number and bytes."""
    directory = Path(directory)
    files = {}
    for path in sorted(p for p in directory.rglob("*") if p.is_file()):
        name = path.relative_to(directory).as_posix()
        if name not in UNTRACKED:
            files[name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
    text = json.dumps({"format": FORMAT, **about, "files": files}, indent=1, ensure_ascii=False)
    write_atomic(directory / MANIFEST, text + "\n")
    return len(files), sum(entry["bytes"] for entry in files.values())


def write_zip(path, directory):
    """Zip a package's folder: the same files give the same bytes. Whole or not at all."""
    path, directory = Path(path), Path(directory)
    names = [MANIFEST, *_read_manifest(directory / MANIFEST, directory)["files"]]
    scratch = path.with_name(f".{path.name}.tmp")
    try:
        with zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name in names:
                member = zipfile.ZipInfo(name, EPOCH)
                member.compress_type = zipfile.ZIP_DEFLATED
                member.external_attr = 0o644 << 16
                member.file_size = (directory / name).stat().st_size   # whether zip64 is needed
                with archive.open(member, "w") as out, \
                        (directory / name).open("rb") as source:
                    while chunk := source.read(CHUNK):
                        out.write(chunk)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _open_folder(path):
    manifest = _read_manifest(path / MANIFEST, path)
    found = set()
    for entry in path.rglob("*"):
        name = entry.relative_to(path).as_posix()
        if is_hidden(name):     # as systems leave behind; no name in a manifest is
            continue
        if entry.is_symlink():
            raise UserError(path / name, "is a symbolic link, which packages have none of", AGAIN)
        if not entry.is_dir():
            if not entry.is_file():   # a pipe or a device, whose reading may never end
                raise UserError(path / name, "is no plain file", AGAIN)
            found.add(name)
    _check_names(path, manifest, found - UNTRACKED, "remove it")
    for name, about in manifest["files"].items():
        if (path / name).stat().st_size != about["bytes"] \
                or _sha256(path / name) != about["sha256"]:
            raise UserError(path / name, "is not as the package was made", AGAIN)
    return Package(path, path, manifest)


def _open_zip(path, archive):
    members = {}
    for member in archive.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or member.is_dir() or member.flag_bits & 1:
            raise UserError(path, f"{member.filename!r} is no plain file", AGAIN)
        if member.compress_type not in METHODS:
            raise UserError(path, f"{member.filename!r} is not deflated",
                            "zip it again, as steps/package/package.py does")
        if member.filename in members:
            raise UserError(path, f"{member.filename!r} is there twice", AGAIN)
        members[member.filename] = member
    if MANIFEST not in members:
        raise UserError(path, f"has no {MANIFEST}", "a zip of steps/package/package.py is needed")
    with archive.open(members.pop(MANIFEST)) as file:
        manifest = _parse_manifest(file.read(MAX_MANIFEST + 1), path)
    _check_names(path, manifest, set(members))
    with _unpacking():
        remove_left_over(tempfile.gettempdir())
        temporary = tempfile.TemporaryDirectory(prefix=f"{UNPACKED}{os.getpid()}-")
    try:
        for name, about in manifest["files"].items():
            target = Path(temporary.name) / name
            with archive.open(members[name]) as source, _unpacking():
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as out:
                    if not _copy(source, out, about):
                        raise UserError(path, f"{name} is not as the package was made", AGAIN)
    except BaseException:
        temporary.cleanup()
        raise
    return Package(temporary.name, path, manifest, temporary)


def remove_left_over(directory):
    """Remove packages that processes of this machine had unpacked when they were killed."""
    for path in Path(directory).glob(f"{glob.escape(UNPACKED)}*"):
        pid = path.name.removeprefix(UNPACKED).partition("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _unpacking():
    """An OSError is of the temporary directory, and told as that."""
    try:
        yield
    except OSError as error:
        raise UserError(tempfile.tempdir or "temporary directory", "cannot be written to, "
                        f"{error.strerror.lower()}", "free some space, or set TMPDIR") from None


def _copy(source, out, about):
    """Copy no more than the bytes that the manifest promises; whether they are those."""
    digest, count = hashlib.sha256(), 0
    while chunk := _read(source):
        count += len(chunk)
        if count > about["bytes"]:
            return False
        digest.update(chunk)
        out.write(chunk)
    return count == about["bytes"] and digest.hexdigest() == about["sha256"]


def _read(source):
    try:
        return source.read(CHUNK)
    except OSError as error:     # of the zip, not of what is written
        raise zipfile.BadZipFile(str(error)) from None


def _read_manifest(path, package):
    if not path.is_file() or path.is_symlink():
        raise UserError(package, f"has no {MANIFEST}",
                        "a folder of steps/package/package.py is needed")
    with path.open("rb") as file:
        return _parse_manifest(file.read(MAX_MANIFEST + 1), package)


def _parse_manifest(data, package):
    """The dict, whose names lead nowhere but into the package and whose sizes are bounded."""
    if len(data) > MAX_MANIFEST:
        raise UserError(package, f"{MANIFEST} is larger than {MAX_MANIFEST} bytes", AGAIN)
    manifest = _json(data, package, MANIFEST)
    if manifest.get("format") != FORMAT:
        raise UserError(package, f"format is {manifest.get('format')}, expected {FORMAT}",
                        "use the version that made the package")
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise UserError(package, f"{MANIFEST} names no files", AGAIN)
    for name, about in files.items():
        if not _NAME.fullmatch(name) or name in UNTRACKED:
            raise UserError(package, f"{name!r} is no name of a file in a package", AGAIN)
        if not isinstance(about, dict) or not isinstance(about.get("bytes"), int) \
                or about["bytes"] < 0 or not isinstance(about.get("sha256"), str):
            raise UserError(package, f"{MANIFEST} says nothing of {name}", AGAIN)
    if sum(about["bytes"] for about in files.values()) > MAX_BYTES:
        raise UserError(package, f"would be larger than {MAX_BYTES >> 30} GB unpacked", AGAIN)
    return manifest


def _check_names(path, manifest, found, otherwise=AGAIN):
    """UserError unless the files that are there are those of the manifest.

    otherwise  what to do about one that is not
    """
    for name in sorted(set(manifest["files"]) ^ found):
        if name in found:
            raise UserError(path, f"{name!r} is not in {MANIFEST}", otherwise)
        raise UserError(path, f"{name!r} is missing", AGAIN)


def _json(data, package, name):
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(package, f"{name} is no JSON ({error})", AGAIN) from None
    if not isinstance(value, dict):
        raise UserError(package, f"{name} is no JSON object", AGAIN)
    return value


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
