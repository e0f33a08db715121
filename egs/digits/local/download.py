#!/usr/bin/env python3
"""Fetch the Free Spoken Digit Dataset from where it is published, once.

in   https://github.com/Jakobovski/free-spoken-digit-dataset, about 20 MB; CC BY-SA 4.0
out  <dir>/fsdd/recordings/<digit>_<spk>_<number>.wav <dir>/fsdd/metadata.py

An interrupted download goes on where it stopped if the server can do that. What was fetched is
unpacked only if it is whole: every speaker has as many recordings of each digit.

e.g. local/download.py corpus
"""

from collections import Counter

from utils.data.download import fetch_corpus
from utils.step import Step, UserError

URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/HEAD.tar.gz"
LICENCE = "CC BY-SA 4.0"
WANTED = ["recordings/", "metadata.py", "LICENSE", "README"]


def main(argv=None):
    return fetch_corpus(Step(__file__, __doc__), argv, "fsdd", URL, WANTED, check, LICENCE)


def check(archive, directory):
    """The number of recordings, all there."""
    names = [wav.stem.split("_") for wav in (directory / "recordings").glob("*.wav")]
    if not names or not (directory / "metadata.py").is_file():
        raise UserError(archive, "no recordings/ and metadata.py in it",
                        "is this the Free Spoken Digit Dataset?")
    counts = Counter((spk, digit) for digit, spk, _ in names)
    for spk in sorted({spk for spk, _ in counts}):
        of_spk = [counts[spk, str(digit)] for digit in range(10)]
        if min(of_spk) < max(of_spk):
            raise UserError(archive, f"of {spk} it has {min(of_spk)} recordings of one digit and "
                            f"{max(of_spk)} of another", "remove it, run it again")
    return len(names)


if __name__ == "__main__":
    raise SystemExit(main())
