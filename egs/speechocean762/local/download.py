#!/usr/bin/env python3
"""Fetch the speechocean762 corpus from where it is published, once.

in   https://www.openslr.org/101, 520 MB
out  <dir>/speechocean762/train test WAVE resource

An interrupted download goes on where it stopped if the server can do that. What was fetched is
unpacked only if it is whole, and checked to have all files that its own lists name.

e.g. local/download.py corpus
"""

from utils.data.download import fetch_corpus
from utils.data.tables import read_table
from utils.step import Step, UserError

URL = "https://www.openslr.org/resources/101/speechocean762.tar.gz"
LICENCE = "CC BY 4.0"
WANTED = ["train/", "test/", "WAVE/", "resource/", "LICENSE", "README"]


def main(argv=None):
    return fetch_corpus(Step(__file__, __doc__), argv, "speechocean762", URL, WANTED, check,
                        LICENCE)


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
