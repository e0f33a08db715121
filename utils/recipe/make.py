"""Inspect a corpus, choose, and write a recipe for it: what new_recipe.py does."""

from pathlib import Path

from utils.data.corpus_rows import find_transcripts
from utils.data.corpus_table import Table, guess_columns
from utils.data.import_corpus import DEFAULTS, check_bad, import_corpus
from utils.data.normalise import normalise, parse_rules
from utils.data.recordings import Recordings
from utils.data.tables import read_lines
from utils.recipe import readme, rules, survey, write
from utils.recipe.plan import make_plan
from utils.step import log

LOOKED_AT = 20000    # lines of the LM's text, for which rules are proposed as well
SPLIT = """\
# apart: no sentence of dev or test is in train; any: where there are but a few sentences
--sentences={}
"""


def make_recipe(args):
    """Write args.recipe, of args.recordings and the other options of new_recipe.py and
    import_corpus.py; returns what was found and chosen, as text."""
    tables, problems, bad, origins = import_corpus(args.recordings, args)
    for line in problems.lines():
        log(line)
    check_bad(bad, len(origins), args.max_bad, args.table or args.recordings)
    lm_text = read_lines(args.lm_text)[:LOOKED_AT] if args.lm_text else []
    proposed = rules.propose_rules(list(tables["text"].values()), lm_text)
    rows = proposed.splitlines()
    checked = parse_rules(rows, "conf/normalise.tsv")
    text = {utt: normalise(words, checked)[0] for utt, words in tables["text"].items()}
    text = {utt: words for utt, words in text.items() if words}

    seconds, infos = survey.durations_of(tables)
    log(f"listening to {len(infos)} recordings")
    sound, suspects = survey.survey_sound(tables, infos)
    found, more = survey.survey_text(tables["text"], text, seconds, tables["utt2spk"])
    suspects += more + survey.same_sound(tables)
    plan = make_plan(tables, text, seconds, sound, suspects, args)

    name, recordings = Path(args.recipe).resolve().name, Path(args.recordings).resolve()
    told = readme.readme(name, recordings, found, sound, suspects, plan,
                         [row for row in rows if row and row[0] != "#"])
    files = {
        "README.md": told, "conf/normalise.tsv": proposed,
        "conf/corpus.conf": write.corpus_conf(_import_options(args, recordings)),
        "conf/split.conf": SPLIT.format(plan.sentences),
        "conf/exclude": write.listing("utterances to leave out, one a line, and why", plan.exclude),
        "conf/suspicious.tsv": write.suspicious(suspects, origins),
        "conf/corpus.json": write.as_json({"hours": plan.hours, "rate": plan.rate, "sound": sound,
                                           "text": found})}
    for part in ("dev", "test"):
        files[f"conf/{part}"] = write.listing(f"utterances of {part}, one a line", {
            utt: "" for utt, own in plan.sets.items() if own == part})
    variables = {"corpus": str(recordings), "lexicon": args.lexicon,
                 "lm_text": str(Path(args.lm_text).resolve()) if args.lm_text else "",
                 "source": plan.source, "feats": plan.feats, "nj": str(args.nj)}
    plan.edits["package.conf"] = {"name": name} | (
        {"language": args.language} if args.language else {})
    head = f"{name}: a recogniser from {readme.amount(plan.hours['train'])} of speech of " \
           f"{readme.counted(plan.speakers['train'], 'speaker')}."
    write.write_recipe(args.recipe, files, variables, head, plan)
    return told.split("| file |")[0].strip()


def _import_options(args, recordings):
    """The options of import_corpus.py that were said, and the columns that were found."""
    options = {name: value for name, value in vars(args).items()
               if name in DEFAULTS and value != DEFAULTS[name]}
    kind, paths = find_transcripts(recordings, args.transcripts, args.table)
    if kind == "table":
        path = paths[0].resolve()
        options["table"] = str(path.relative_to(recordings) if path.is_relative_to(recordings)
                               else path)
        table = Table(path, args.delimiter, args.header)
        columns = guess_columns(table, Recordings(recordings),
                                {role.removesuffix("_column"): getattr(args, role)
                                 for role in DEFAULTS if role.endswith("_column")})
        options |= {f"{role}_column": _column(table, i) for role, i in columns.items()}
    if "delimiter" in options:   # white space at a line's end is lost in a conf file
        options["delimiter"] = {"\t": "tab", " ": "space"}.get(args.delimiter, args.delimiter)
    return options


def _column(table, i):
    """A column's name, or its number from 1 where a conf file cannot hold the name, or two columns
    have it."""
    name = table.names[i]
    if name and "#" not in name and "\n" not in name and table.names.count(name) == 1:
        return name
    return str(i + 1)
