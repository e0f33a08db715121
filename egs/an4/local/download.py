#!/usr/bin/env python3
"""Fetch the AN4 corpus from where it is published, once.

in   https://github.com/cmusphinx/an4, 60 MB
out  <dir>/an4/etc <dir>/an4/wav

An interrupted download goes on where it stopped if the server can do that. What was fetched is
unpacked only if it is whole, and checked to have all files that its own lists name.

e.g. local/download.py corpus
"""

import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from utils.step import Step, UserError, log

URL = "https://github.com/cmusphinx/an4/archive/HEAD.tar.gz"
CHUNK = 1 << 16
TIMEOUT = 60   # seconds without a byte


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--url", default=URL, help="a .tar.gz of the repository")
    step.add("dir", help="directory to make an4/ in")
    args = step.parse(argv)
    corpus = Path(args.dir) / "an4"
    if step.up_to_date(corpus, []):
        return 0
    archive = Path(args.dir) / "an4.tar.gz"
    if not archive.exists():
        fetch(args.url, archive)
    with step.output(corpus) as out:
        number = unpack(archive, out)
    archive.unlink()
    return step.finish(f"{number} recordings in {corpus}")


def fetch(url, path):
    """Download to path, through path.part, which a later try goes on from."""
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


def unpack(archive, directory):
    """Unpack etc/ and wav/ of the repository; the number of recordings, all there."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                member.name = member.name.partition("/")[2]
                if member.name.startswith(("etc/", "wav/", "LICENSE", "README")):
                    tar.extract(member, directory, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        archive.unlink()
        raise UserError(archive, f"cannot be unpacked: {error}", "run it again") from None
    number = 0
    for name in ["an4_train", "an4_test"]:
        fileids = directory / f"etc/{name}.fileids"
        if not fileids.is_file():
            raise UserError(archive, f"no etc/{name}.fileids in it", "is this the AN4 corpus?")
        for line in fileids.read_text("utf-8").split():
            if not (directory / f"wav/{line}.wav").is_file():
                raise UserError(archive, f"no wav/{line}.wav in it", "remove it, run it again")
            number += 1
    return number


if __name__ == "__main__":
    raise SystemExit(main())
