"""Corpora from where they are published: fetched once, unpacked only if whole."""

import gzip
import hashlib
import http.client
import re
import shutil
import tarfile
import urllib.error
import urllib.request
import zlib
from pathlib import Path

from utils.step import UserError, log

CHUNK = 1 << 16
TIMEOUT = 60   # seconds without a byte
DIGITS = {"md5": 32, "sha256": 64}   # of a checksum


def fetch_corpus(step, argv, name, url, wanted, check, licence):
    """What a recipe's local/download.py does: <dir>/<name>, whole, or a UserError.

    url      default of --url, a .tar.gz;  wanted  as of unpack()
    licence  what may be done with it, for the log
    check    function(archive, directory) -> number of recordings, all there
    returns  exit status
    """
    step.add("--url", default=url, help="a .tar.gz of the corpus")
    step.add("dir", help=f"directory to make {name}/ in")
    args = step.parse(argv)
    corpus = Path(args.dir) / name
    archive = Path(args.dir) / f"{name}.tar.gz"
    return fetch_archive(step, args.url, archive, corpus, wanted, check, licence)


def fetch_archive(step, url, archive, corpus, wanted, check, licence, checksum="", strip=True):
    """Fetch an archive and unpack it into corpus, whole; nothing, if that has been done.

    archive   where it is until it is unpacked; one that is there is not fetched
    checksum  of fetch();  strip  of unpack();  the rest as of fetch_corpus()
    returns   exit status
    """
    if step.up_to_date(corpus, []):
        return 0
    log(f"licence: {licence}")
    fetch(url, archive, checksum, room=1)
    with step.output(corpus) as out:
        unpack(archive, out, wanted, strip)
        number = check(archive, out)
    archive.unlink()
    return step.finish(f"{number} recordings in {corpus}")


def fetch(url, path, checksum="", room=0):
    """Download to path, through path.part, which a later try goes on from if the server can.

    checksum  as published, md5:... or sha256:...; a file that differs is removed. Of a file that
              is there already this is all that is done
    room      free space that unpacking will want, times the size of the file
    """
    kind, _, digits = checksum.partition(":")
    if checksum and not re.fullmatch(f"[0-9a-f]{{{DIGITS.get(kind, 0)}}}", digits):
        raise UserError(checksum, "is no checksum", "expected md5: or sha256: and its digits")
    part = path if path.exists() else path.with_name(path.name + ".part")
    if part != path:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(url, part, room)
    if checksum:
        with part.open("rb") as file:
            found = hashlib.file_digest(file, kind).hexdigest()
        if found != digits:
            part.unlink()
            raise UserError(url, f"{path.name} has {kind} {found}, the published one is {digits}, "
                            "so it has been removed", "run it again and it is fetched anew")
    part.rename(path)


def _download(url, part, room):
    """All of url, what part has of it already included if the server can go on."""
    have = part.stat().st_size if part.exists() else 0
    try:
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            goes_on = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            expected = answer.headers.get("Content-Length")
            log(f"{url}: {f'going on after {have / 1e6:.1f} MB' if goes_on else 'from the start'}"
                + (f", {int(expected) / 1e6:.1f} MB" if expected else ""))
            if expected:
                whole = int(expected) + have * goes_on
                _check_space(url, part.parent, int(expected) - have * (not goes_on) + room * whole)
            with part.open("ab" if goes_on else "wb") as file:
                start = file.tell()
                shutil.copyfileobj(answer, file, CHUNK)
                got = file.tell() - start
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError) and error.code == 416:
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return   # all of it was here
            part.unlink()   # there is nothing after what is here, so that is not of this file
        raise UserError(url, f"download failed: {error}", "run it again and it goes on; or fetch "
                        "the corpus by hand and give its directory with --corpus") from None
    if expected and got != int(expected):
        raise UserError(url, f"got {got} of {expected} bytes", "run it again and it goes on")


def _check_space(url, directory, needed):
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise UserError(directory, f"{needed / 1e9:.1f} GB are needed for {url} and what is in it, "
                        f"{free / 1e9:.1f} GB are free", "make room, or name another directory")


def unpack(archive, directory, wanted, strip=True):
    """Unpack the files in an archive's one directory that begin with one of wanted, such as `wav/`.

    Only regular files, and none outside the directory. An archive that cannot be read is removed,
    so that the next try fetches it anew.
    strip  whether the files come to be without the archive's one directory
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                whole = member.name.removeprefix("./")
                name = whole.partition("/")[2]
                if not member.isfile() or not name.startswith(tuple(wanted)):
                    continue
                if ".." in whole.split("/") or whole.startswith("/"):
                    raise tarfile.TarError(f"{member.name} leaves the directory")
                path = directory / (name if strip else whole)
                path.parent.mkdir(parents=True, exist_ok=True)
                with tar.extractfile(member) as source, path.open("wb") as file:
                    shutil.copyfileobj(source, file, CHUNK)
            while tar.fileobj.read(CHUNK):   # to gzip's own checksum, which comes last
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        archive.unlink()
        raise UserError(archive, f"cannot be unpacked: {error}", "run it again") from None
    except OSError as error:   # such as a full disk; the archive may be as it should
        raise UserError(archive, f"cannot be unpacked: {error}") from None
