#!/usr/bin/env python3
"""Fetch the AN4 corpus from where it is published, once.

in   https://github.com/cmusphinx/an4, 60 MB
out  <dir>/an4/etc <dir>/an4/wav

An interrupted download goes on where it stopped if the server can do that. What was fetched is
unpacked only if it is whole, and checked to have all files that its own lists name.

e.g. local/download.py corpus
"""

from utils.data.download import fetch_corpus
from utils.step import Step, UserError

URL = "https://github.com/cmusphinx/an4/archive/HEAD.tar.gz"
LICENCE = "free for any use, see the corpus's LICENSE"
WANTED = ["etc/", "wav/", "LICENSE", "README"]


def main(argv=None):
    return fetch_corpus(Step(__file__, __doc__), argv, "an4", URL, WANTED, check, LICENCE)


def check(archive, directory):
    """The number of recordings, all there."""
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
