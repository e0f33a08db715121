#!/usr/bin/env python3
"""Fetch a part of LibriSpeech, its lexicon or one of its LMs from openslr.org, once.

in   https://www.openslr.org/12, /31 (mini LibriSpeech) and /11 (lexicon, LMs); CC BY 4.0, lexicon
     and LMs in the public domain
out  <dir>/LibriSpeech/<part>/<reader>/<chapter>/*.flac *.trans.txt     and SPEAKERS.TXT
     <dir>/lm/<file>    librispeech-lexicon.txt, 3-gram.pruned.3e-7.arpa.gz, ...

An interrupted download goes on where it stopped. An archive is compared with its published MD5 and
unpacked only if it is the same; then every utterance must have its sound. For lexicon and LMs none
is published: they must have the length that the server says and, packed, their own checksum.

e.g. local/download.py corpus train-clean-5
     local/download.py --url https://openslr.elda.org/resources corpus librispeech-lexicon.txt
"""

import gzip
import zlib
from pathlib import Path

from utils.data.download import CHUNK, fetch, fetch_archive
from utils.data.tables import read_lines
from utils.step import Step, UserError, log

URL = "https://www.openslr.org/resources"
# part: (number at openslr.org, MD5 of md5sum.txt there)
PARTS = {
    "train-clean-5": (31, "5df7d4e78065366204ca6845bb08f490"),
    "dev-clean-2": (31, "6d7ab67ac6a1d2c993d050e16d61080d"),
    "train-clean-100": (12, "2a93770f6d5c6c964bc36631d331a522"),
    "train-clean-360": (12, "c0e676e450a7ff2f54aeade5171606fa"),
    "train-other-500": (12, "d1a0fd59409feb2c614ce4d30c387708"),
    "dev-clean": (12, "42e2234ba48799c1f50f24a7926300a1"),
    "dev-other": (12, "c8d0bcc9cca99d4f8b62fcc847357931"),
    "test-clean": (12, "32fa31d27d2e1cad72775fee3f4849a9"),
    "test-other": (12, "fb5a50374b501bb3bac4815ee91d3135"),
}
FILES = ("librispeech-lexicon.txt", "3-gram.pruned.3e-7.arpa.gz", "3-gram.pruned.1e-7.arpa.gz",
         "3-gram.arpa.gz")


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--url", default=URL, help=f"openslr.org's resources or a mirror's (default {URL})")
    step.add("dir", help="directory to make LibriSpeech/ and lm/ in")
    step.add("part", choices=[*PARTS, *FILES], metavar="part",
             help=", ".join([*PARTS, *FILES]))
    args = step.parse(argv)
    step.name += f":{args.part}"   # several parts in one directory, each with its own record
    url = vars(args).pop("url")    # what was fetched from a mirror is the same
    if args.part in FILES:
        return fetch_file(step, args, url)
    number, md5 = PARTS[args.part]
    return fetch_archive(
        step, f"{url}/{number}/{args.part}.tar.gz", Path(args.dir) / f"{args.part}.tar.gz",
        Path(args.dir) / "LibriSpeech", [f"{args.part}/", "SPEAKERS.TXT", "LICENSE.TXT"],
        lambda archive, directory: check(archive, directory, args.part),
        "CC BY 4.0, Panayotov et al. 2015, https://www.openslr.org/12", f"md5:{md5}")


def check(archive, directory, part):
    """The number of recordings of a part, all there."""
    number = 0
    if not (directory / "SPEAKERS.TXT").is_file():
        raise UserError(archive, "no LibriSpeech/SPEAKERS.TXT in it", "is this LibriSpeech?")
    for path in sorted(directory.glob(f"{part}/*/*/*.trans.txt")):
        for line in read_lines(path):
            flac = path.with_name(f"{line.partition(' ')[0]}.flac")
            if not flac.is_file():
                raise UserError(archive, f"no {flac.relative_to(directory)} in it",
                                "remove it, run it again")
            number += 1
    if not number:
        raise UserError(archive, f"no transcripts in LibriSpeech/{part}", "is this LibriSpeech?")
    return number


def fetch_file(step, args, url):
    """Lexicon or LM into <dir>/lm."""
    directory = Path(args.dir) / "lm"
    if step.up_to_date(directory, []):
        return 0
    log("licence: public domain, https://www.openslr.org/11")
    fetched = Path(args.dir) / args.part
    fetch(f"{url}/11/{args.part}", fetched)
    if args.part.endswith(".gz"):
        check_gzip(fetched)
    with step.output(directory) as out:
        fetched.rename(out / args.part)
    return step.finish(f"{directory / args.part}")


def check_gzip(path):
    """UserError, and the file is removed, if it is not whole."""
    try:
        with gzip.open(path) as file:
            while file.read(CHUNK):
                pass
    except (OSError, EOFError, zlib.error) as error:
        path.unlink()
        raise UserError(path, f"is damaged: {error}", "run it again") from None


if __name__ == "__main__":
    raise SystemExit(main())
