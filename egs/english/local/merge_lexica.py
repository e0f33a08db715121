#!/usr/bin/env python3
"""Put lexica of the same phones together: a word has the pronunciations of all of them.

in   <lexicon>...   word phone phone ..., as of an4.dic and of speechocean762's lexicon.txt
out  <dest>         the lines of all, each once, in the order of the files

e.g. local/merge_lexica.py data/lexicon.txt an4/etc/an4.dic speechocean762/resource/lexicon.txt
"""

from pathlib import Path

from utils.data.tables import read_lines
from utils.step import Step, check_apart


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("dest", help="file to write")
    step.add("lexica", nargs="+", metavar="lexicon")
    args = step.parse(argv)
    dest = Path(args.dest)
    step.name += f":{dest.name}"
    check_apart(dest, *args.lexica)
    if step.up_to_date(dest.parent, args.lexica):
        return 0
    lines = list(dict.fromkeys(
        " ".join(line.split()) for path in args.lexica for line in read_lines(path)))
    with step.output(dest.parent) as out:
        (out / dest.name).write_text("".join(line + "\n" for line in lines), "utf-8")
    return step.finish(f"{args.dest}: {len(lines)} pronunciations of {len(args.lexica)} lexica")


if __name__ == "__main__":
    raise SystemExit(main())
