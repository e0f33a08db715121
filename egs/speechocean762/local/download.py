#!/usr/bin/env python3
"""Fetch the speechocean762 corpus from where it is published, once.

in   https://www.openslr.org/101, 520 MB
out  <dir>/speechocean762/train test WAVE resource

An interrupted download goes on where it stopped if the server can do that. What was fetched is
unpacked only if it is whole, and checked to have all files that its own lists name.

e.g. local/download.py corpus
"""

from pathlib import Path

from utils.data.download import fetch, unpack
from utils.data.tables import read_table
from utils.step import Step, UserError

URL = "https://www.openslr.org/resources/101/speechocean762.tar.gz"
WANTED = ["train/", "test/", "WAVE/", "resource/", "LICENSE", "README"]


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--url", default=URL, help="a .tar.gz of the corpus")
    step.add("dir", help="directory to make speechocean762/ in")
    args = step.parse(argv)
    corpus = Path(args.dir) / "speechocean762"
    if step.up_to_date(corpus, []):
        return 0
    archive = Path(args.dir) / "speechocean762.tar.gz"
    if not archive.exists():
        fetch(args.url, archive)
    with step.output(corpus) as out:
        unpack(archive, out, WANTED)
        number = check(archive, out)
    archive.unlink()
    return step.finish(f"{number} recordings in {corpus}")


def check(archive, directory):
    """The number of recordings, all there."""
    number = 0
    for name in ["resource/lexicon.txt", "train/wav.scp", "test/wav.scp"]:
        if not (directory / name).is_file():
            raise UserError(archive, f"no {name} in it", "is this the speechocean762 corpus?")
    for name in ["train", "test"]:
        for wav in read_table(directory / name / "wav.scp").values():
            if not (directory / wav).is_file():
                raise UserError(archive, f"no {wav} in it", "remove it, run it again")
            number += 1
    return number


if __name__ == "__main__":
    raise SystemExit(main())
