#!/usr/bin/env python3
"""Unpack Common Voice's archive of a language, fetched by the link that one is given for it.

in   --url LINK, or <dir>/commonvoice_<language>.tar.gz      CC0 1.0
out  <dir>/cv-corpus-<version>/<language>/train.tsv dev.tsv test.tsv validated.tsv clips/*.mp3

Common Voice hands out its archives to those who have accepted its terms, at
commonvoice.mozilla.org, by links that end after a while. An interrupted download goes on where it
stopped, with a new link as well. --checksum compares the archive with what is told of it there.

e.g. local/download.py --url 'https://...' --checksum sha256:1f2e... corpus cy
"""

from pathlib import Path

from utils.data.download import fetch_archive
from utils.step import Step, UserError

SETS = ("train.tsv", "dev.tsv", "test.tsv")
OTHERS = ("validated.tsv", "clip_durations.tsv", "clips/")
LICENCE = ("CC0 1.0; those who fetch it have agreed not to find out who the speakers are, "
           "https://commonvoice.mozilla.org/terms")


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--url", default="", help="of the .tar.gz, as given after accepting the terms")
    step.add("--checksum", default="", help="of the .tar.gz, sha256:... or md5:...")
    step.add("dir", help="directory to make cv-corpus-<version>/<language>/ in")
    step.add("language", help="as Common Voice calls it, such as en, fr, zh-CN")
    args = step.parse(argv)
    step.name += f":{args.language}"   # several languages in one directory
    # Links differ each time; what they lead to does not.
    url, checksum = vars(args).pop("url"), vars(args).pop("checksum")
    archive = Path(args.dir) / f"commonvoice_{args.language}.tar.gz"
    if not url and not archive.exists():
        if step.up_to_date(args.dir, []):
            return 0
        raise UserError(
            f"Common Voice {args.language}", "neither --corpus nor --url is given",
            "its archives want its terms accepted, at commonvoice.mozilla.org: --url with the link "
            "given there, or --corpus with the directory of what is on disk")
    wanted = [f"{args.language}/{name}" for name in (*SETS, *OTHERS)]
    return fetch_archive(
        step, url, archive, Path(args.dir), wanted,
        lambda packed, directory: check(packed, directory, args.language), LICENCE,
        checksum=checksum, strip=False)


def check(archive, directory, language):
    """The number of clips, and all lists there."""
    lists = sorted(directory.glob(f"*/{language}/*.tsv"))
    for name in SETS:
        if name not in [path.name for path in lists]:
            raise UserError(archive, f"no cv-corpus-<version>/{language}/{name} in it",
                            f"is this Common Voice's archive of {language}?")
    clips = sum(1 for _ in directory.glob(f"*/{language}/clips/*"))
    if not clips:
        raise UserError(archive, f"no cv-corpus-<version>/{language}/clips/ in it")
    return clips


if __name__ == "__main__":
    raise SystemExit(main())
