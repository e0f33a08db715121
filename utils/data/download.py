"""Corpora from where they are published: fetched once, unpacked only if whole."""

import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from utils.step import UserError, log

CHUNK = 1 << 16
TIMEOUT = 60   # seconds without a byte


def fetch_corpus(step, argv, name, url, wanted, check):
    """What a recipe's local/download.py does: <dir>/<name>, whole, or a UserError.

    url      default of --url, a .tar.gz;  wanted  as of unpack()
    check    function(archive, directory) -> number of recordings, all there
    returns  exit status
    """
    step.add("--url", default=url, help="a .tar.gz of the corpus")
    step.add("dir", help=f"directory to make {name}/ in")
    args = step.parse(argv)
    corpus, archive = Path(args.dir) / name, Path(args.dir) / f"{name}.tar.gz"
    if step.up_to_date(corpus, []):
        return 0
    if not archive.exists():
        fetch(args.url, archive)
    with step.output(corpus) as out:
        unpack(archive, out, wanted)
        number = check(archive, out)
    archive.unlink()
    return step.finish(f"{number} recordings in {corpus}")


def fetch(url, path):
    """Download to path, through path.part, which a later try goes on from if the server can."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            goes_on = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            expected = answer.headers.get("Content-Length")
            log(f"{url}: {'going on' if goes_on else 'from the start'}"
                + (f", {int(expected) / 1e6:.1f} MB" if expected else ""))
            with part.open("ab" if goes_on else "wb") as file:
                start = file.tell()
                shutil.copyfileobj(answer, file, CHUNK)
                got = file.tell() - start
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError) and error.code == 416:
            part.unlink()   # there is nothing after what is here, so that is not of this file
        raise UserError(url, f"download failed: {error}", "run it again and it goes on; or fetch "
                        "the corpus by hand and give its directory with --corpus") from None
    if expected and got != int(expected):
        raise UserError(url, f"got {got} of {expected} bytes", "run it again and it goes on")
    part.rename(path)


def unpack(archive, directory, wanted):
    """Unpack the files in an archive's one directory that begin with one of wanted, such as `wav/`.

    Only regular files, and none outside the directory. An archive that cannot be read is removed,
    so that the next try fetches it anew.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.removeprefix("./").partition("/")[2]
                if not member.isfile() or not name.startswith(tuple(wanted)):
                    continue
                if ".." in name.split("/"):
                    raise tarfile.TarError(f"{member.name} leaves the directory")
                path = directory / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with tar.extractfile(member) as source, path.open("wb") as file:
                    shutil.copyfileobj(source, file, CHUNK)
    except (tarfile.TarError, EOFError, OSError) as error:
        archive.unlink()
        raise UserError(archive, f"cannot be unpacked: {error}", "run it again") from None
