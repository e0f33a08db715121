"""Write a new recipe: egs/TEMPLATE with what was found and chosen."""

import json
import re
import shlex
import shutil
from pathlib import Path

from utils.recipe.sizes import set_options
from utils.step import ROOT, UserError, check_no_file, write_atomic

TEMPLATE = ROOT / "egs/TEMPLATE"
OWN = ("cmd.sh", "RESULTS", "local")     # its user's, once they are there
COPIED = ("run.sh", "path.sh", "cmd.sh", "RESULTS", "conf", "local")


def check_target(target, force):
    target = Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        if not (target / "conf/corpus.json").is_file():
            raise UserError(target, "is there, and not made by new_recipe.py",
                            "choose another name")
        if not force:
            raise UserError(target, "is there already", "--force writes its conf/, run.sh and "
                            "README.md anew; what was changed in them is lost")
    check_no_file(target)
    if target.resolve() == TEMPLATE:
        raise UserError(target, "is the template itself", "choose another name")


def write_recipe(target, files, variables, head, plan):
    """files: {path in the recipe: text}; variables: {name: value} of run.sh; head: its title"""
    target = Path(target)
    run = (TEMPLATE / "run.sh").read_text("utf-8")     # first, as a value may be refused
    run = re.sub(r"^# TEMPLATE: .*$", lambda _: f"# {head}", run, count=1, flags=re.M)
    for name, value in variables.items():
        run = _set_variable(run, name, value)
    for name in COPIED:
        source = TEMPLATE / name
        if name in OWN and (target / name).exists():
            continue
        if source.is_dir():
            shutil.copytree(source, target / name, dirs_exist_ok=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)
    inside = target.resolve().parent.parent == ROOT
    for name in ("steps", "utils"):
        link = target / name
        link.unlink(missing_ok=True)
        link.symlink_to(Path("../..") / name if inside else ROOT / name)
    if not inside:   # the recipe stands elsewhere, and must find its way back
        path = (target / "path.sh").read_text("utf-8")
        path = re.sub(r'^\. ".*/path\.sh"$', lambda _: f". {shlex.quote(str(ROOT / 'path.sh'))}",
                      path, flags=re.M)
        (target / "path.sh").write_text(path, "utf-8")
        cmd = (target / "cmd.sh").read_text("utf-8")
        (target / "cmd.sh").write_text(
            cmd.replace("../../cmd.sh", shlex.quote(str(ROOT / "cmd.sh"))), "utf-8")
    (target / "run.sh").write_text(run, "utf-8")
    if plan.nnet_feats:
        (target / "conf/nnet_feats.conf").write_text(plan.nnet_feats, "utf-8")
    for name, options in plan.edits.items():
        path = target / "conf" / name
        path.write_text(set_options(path.read_text("utf-8"), options, plan.hours["train"]), "utf-8")
    for name, text in files.items():
        write_atomic(target / name, text)


def corpus_conf(options):
    """conf/corpus.conf: --name=value lines of what was said on the command line"""
    lines = ["# How transcripts are read: options of utils/data/import_corpus.py, one --name=value "
             "a line."]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            if "#" in str(one):
                raise UserError(f"--{name.replace('_', '-')}",
                                f"{one}: a # begins a comment in conf/corpus.conf",
                                "give it another name")
            lines.append(f"--{name.replace('_', '-')}={one}")
    return "\n".join(lines) + "\n"


def listing(title, rows):
    """A list of utterances, one a line; rows: {utt: what follows it}"""
    return f"# {title}\n" + "".join(f"{utt} {why}".rstrip() + "\n"
                                    for utt, why in sorted(rows.items()))


def suspicious(suspects, origins):
    rows = ["where\tutterance\twhat\twhat to do\tused"]
    rows += ["\t".join((origins.get(s.utt, ""), s.utt, s.what, s.do, "no" if s.impossible else
                        "yes")) for s in suspects]
    return "".join(f"{row}\n" for row in rows)


def as_json(value):
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _set_variable(text, name, value):
    """name=... of a run.sh, whose comment stays."""
    if re.search(r'["$`\\\n]', value):
        raise UserError(name, f'{value}: ", $, ` and \\ cannot stand in run.sh', "rename it")
    line = re.compile(rf'^{name}=("[^"]*"|\S*)(\s+#.*)?$', re.M)
    quoted = value if re.fullmatch(r"[\w:.,/+-]+", value, re.A) else f'"{value}"'
    return line.sub(lambda m: f"{name}={quoted}" + (f"   {m[2].strip()}" if m[2] else ""), text,
                    count=1)
