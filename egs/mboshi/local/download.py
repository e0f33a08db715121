#!/usr/bin/env python3
"""Fetch the Mboshi-French parallel corpus from where it is published, once.

in   https://github.com/besacier/mboshi-french-parallel-corpus, about 500 MB; made available to the
     community for research (its README)
out  <dir>/mboshi/full_corpus_newsplit/train dev

An interrupted download goes on where it stopped if the server can do that. What was fetched is
unpacked only if it is whole, and checked to have sound and transcript of every utterance.

e.g. local/download.py corpus
"""

from utils.data.download import fetch_corpus
from utils.step import Step, UserError

URL = "https://github.com/besacier/mboshi-french-parallel-corpus/archive/HEAD.tar.gz"
LICENCE = "made available to the community for research"
WANTED = ["full_corpus_newsplit/train/", "full_corpus_newsplit/dev/", "LICENSE", "README"]


def main(argv=None):
    return fetch_corpus(Step(__file__, __doc__), argv, "mboshi", URL, WANTED, check, LICENCE)


def check(archive, directory):
    """The number of recordings, all there."""
    number = 0
    for name in ["train", "dev"]:
        texts = sorted((directory / "full_corpus_newsplit" / name).glob("*.mb.cleaned"))
        if not texts:
            raise UserError(archive, f"no transcripts in full_corpus_newsplit/{name}",
                            "is this the Mboshi corpus?")
        for text in texts:
            wav = text.with_name(text.name.removesuffix(".mb.cleaned") + ".wav")
            if not wav.is_file():
                raise UserError(archive, f"no {wav.relative_to(directory)} in it",
                                "remove it, run it again")
            number += 1
    return number


if __name__ == "__main__":
    raise SystemExit(main())
