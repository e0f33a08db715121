#!/usr/bin/env python3
"""Normalise the transcripts of a data directory by the rules of a file.

in   <rules>            conf/normalise.tsv of a recipe
     <src>/*            a data directory; or, with --plain-text, a text, a sentence a line
out  <dest>/*           the same tables with the text normalised, without the utterances that are
                        rejected or empty
     <dest>/characters.tsv   the characters left: count, code point, name, where one is
     <dest>/left_out.tsv     utterance, the rule or "empty", its text as it was

Rules stand one a line, fields between tabs, and are applied from top to bottom; # begins a comment:

    unicode  NFC           composed letters: NFC, NFD, NFKC (compatibility forms too) or none
    case     lower         lower or upper; a third field tr keeps the Turkish ı and i apart
    map      ’    '        a text, literally, and what stands in its place; nothing: it goes
    regex    \\[[^]]*\\]     a Python regular expression, and what stands in its place (\\1 ...)
    space    -–/           each of these characters becomes a space
    remove   .,?!"         each of these characters goes
    edge     '             goes at the beginning and end of a word, stays inside
    reject   [0-9]         an utterance in which this regular expression is found is left out

Spaces are made one between words at the end. What is empty then is left out.

e.g. utils/data/normalise_text.py conf/normalise.tsv data/raw data/all
     utils/data/normalise_text.py --plain-text conf/normalise.tsv news.txt data/lm/news.txt
"""

from pathlib import Path

from utils.data.datadir import DataDir
from utils.data.normalise import character_table, normalise, read_rules
from utils.data.tables import read_lines
from utils.data.transform import check_target, data_files, drop_stale, select, write_data
from utils.step import Step, UserError, check_apart, log, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--plain-text", action="store_true", help="<src> and <dest> are texts without ids")
    step.add("rules", help="rules, tabs between their fields")
    step.add("src", help="data directory")
    step.add("dest", help="data directory to make")
    args = step.parse(argv)
    if args.plain_text:
        return _plain_text(step, args)
    data = DataDir(args.src)
    if step.up_to_date(args.dest, [*data_files(data), args.rules]):
        return 0
    check_target(step, [args.src], args.dest)
    data.require("text", "utt2spk")
    rules = read_rules(args.rules)
    text, left_out = {}, {}
    for utt in data.utts:
        words, rule = normalise(data.text.get(utt, ""), rules)
        if words:
            text[utt] = words
        else:
            left_out[utt] = f"{rule.where} {rule.name}" if rule else "empty"
    if not text:
        raise UserError(args.rules, "leaves no word of any utterance", "look at its rules")
    tables = select(data, text)
    tables["text"] = text
    with step.output(args.dest) as out:
        write_data(out, tables, args.src)
        write_atomic(out / "characters.tsv", character_table(text))
        write_atomic(out / "left_out.tsv", "".join(
            f"{utt}\t{why}\t{data.text.get(utt, '')}\n" for utt, why in left_out.items()))
        drop_stale(args.dest, tables)
    if left_out:
        log(f"{len(left_out)} utterances left out, see {args.dest}/left_out.tsv")
    characters = "".join(sorted(set("".join(text.values())) - {" "}))
    log(f"characters left: {characters[:200]}")
    return step.finish(f"{args.dest}: {len(text)} utterances, "
                       f"{sum(len(words.split()) for words in text.values())} words, "
                       f"{len(characters)} characters")


def _plain_text(step, args):
    target = Path(args.dest)
    step.name += f":{target.name}"   # several texts in one directory, each with its own record
    if step.up_to_date(target.parent, [args.src, args.rules]):
        return 0
    check_apart(target, args.src)
    rules = read_rules(args.rules)
    lines = [normalise(line, rules)[0] for line in read_lines(args.src)]
    kept = [line for line in lines if line]
    if not kept:
        raise UserError(args.src, "no sentence is left", f"look at {args.rules}")
    with step.output(target.parent) as out:
        write_atomic(out / target.name, "".join(f"{line}\n" for line in kept))
    return step.finish(f"{target}: {len(kept)} of {len(lines)} sentences")


if __name__ == "__main__":
    raise SystemExit(main())
