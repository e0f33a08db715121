"""The gate: a compressed network that hears worse than it may is not made.

    gate.add_options(step, max_rise=0.02)
    args = step.parse(argv)
    if step.up_to_date(args.dir, inputs + gate.inputs_of(args)):
        return 0
    about = gate.deliver(step, inputs, make, "prune less")     # make(out) writes the network

The development set is decoded and scored as the baseline was, the uncompressed network's decode
directory, and both are taken at their own best LM weight and insertion penalty. A baseline that was
decoded or scored before what it is of changed is refused. The decoding of the development set stays
in <dir>, by the name of the baseline's, so that steps/decode and steps/score find it done. What is
refused stays in <dir>/.candidate. A run with another baseline or other options of the gate, after
either, measures again and does not make the network again.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from steps.score.compare_wer import check_same_references
from steps.score.wer import read_errors, read_summary
from utils.json_file import read_json
from utils.option_types import zero_or_more
from utils.step import (
    ROOT,
    RUN,
    UserError,
    check_apart,
    fingerprint,
    key_of,
    log,
    made_of_another,
    positive,
    read_done,
    remove_stale,
    run_command,
)

OPTIONS = {"dev", "graph", "baseline", "max_wer_rise", "no_gate", "nj", "cmd"}
# Options of decode.py and of score.py that are taken over from the baseline.
DECODE = ("beam", "lattice_beam", "max_active", "min_active", "acwt")
SCORE = ("min_lmwt", "max_lmwt", "word_ins_penalty", "filter", "mbr")
SCORED = ("scoring/summary.json", "scoring/utts.tsv", ".done")


def add_options(step, max_rise, told=None):
    """Options of the gate.

    max_rise  by which share WER may rise by default, or None: the step sets it after parse()
    told      what --help says of it then
    """
    step.add("--baseline", default="", metavar="DECODE",
             help="decode directory of the uncompressed network on a development set, scored: the "
                  "gate decodes and scores in the same way, to one of that name in <dir> "
                  "(default: there is no gate)")
    step.add("--dev", default="", metavar="DATA",
             help="development set with the features of this network (default the baseline's)")
    step.add("--graph", default="", help="graph directory (default the baseline's)")
    step.add("--max-wer-rise", type=zero_or_more, default=max_rise,
             help="by which share of the baseline WER may rise; a network that does worse is "
                  f"refused, with exit status 1 (default {told or f'{max_rise:g}'})")
    step.add("--no-gate", action="store_true",
             help="keep it all the same; compress.json and packages warn of it")
    step.add("--nj", type=positive, default=2, help="jobs of the decoding (default 2)")
    step.add("--cmd", default=RUN,
             help="how they are run: utils/parallel/run.py, slurm.py or queue.py, with options")


def inputs_of(args):
    """Files of the gate whose change makes a compressed network out of date; checks options."""
    check_apart(args.dir, args.network)
    directory = Path(args.dir).resolve()
    if args.baseline and directory in (Path(args.baseline).resolve(),
                                       *Path(args.baseline).resolve().parents):
        raise UserError(args.baseline, f"is in {args.dir}, which is to be made",
                        "the baseline is the uncompressed network's decoding")
    earlier = [Path(args.network) / "compress.json"]
    if not args.baseline:
        for name in ("dev", "graph"):
            if getattr(args, name):
                raise UserError(f"--{name}", "needs --baseline",
                                "a scored decode directory of the uncompressed network")
        return earlier
    dev, graph, _, _ = _as_the_baseline(args)
    return [*earlier, *(Path(args.baseline) / name for name in SCORED),
            *(Path(dev) / name for name in ("feats.scp", "feats.json", "cmvn.scp", "utt2spk",
                                            "text")),
            *(Path(graph) / name for name in ("HCLG.fst", "words.txt", "graph.json"))]


def deliver(step, inputs, make, advice):
    """Make the network directory step.args.dir with compress.json, unless the gate refuses it.

    inputs   files of the step itself, without those of the gate
    make     called with a directory: writes all files of a network there, returns the dict of
             compress.json; not called if what it made was refused before
    advice   what else to try if it is refused, such as "--sparsity 0.7"
    returns  dict of compress.json, with "gate" and, of what it was made of, "earlier" ones
    """
    directory = Path(step.args.dir)
    about = candidate(step, inputs, make)
    about["gate"] = check(step.args, directory / ".candidate", advice)
    earlier = earlier_of(step.args.network, step.args.baseline)
    if earlier:
        about["earlier"] = earlier
    with step.output(directory) as out:
        shutil.copytree(directory / ".candidate", out, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("candidate.json", "decode"))
        (out / "compress.json").write_text(json.dumps(about, indent=1) + "\n")
    if (directory / ".candidate/decode").is_dir():
        name = Path(step.args.baseline).resolve().name
        keep_decoding(directory / ".candidate/decode", directory / name)
    shutil.rmtree(directory / ".candidate")
    return about


def earlier_of(network, baseline=""):
    """Steps that have made a network smaller and whose gates did not let it pass, oldest first.

    baseline  a decode directory: steps after the network that it is of are measured with this one,
              and are left out
    returns   list of {"method", "source", "gate"}
    """
    path = Path(network) / "compress.json"
    about = read_json(path, "make the network again") if path.is_file() else {}
    steps = about.get("earlier", [])
    if about and (about.get("gate") or {}).get("passed") is not True:
        steps = [*steps, {name: about.get(name) for name in ("method", "source", "gate")}]
    for number, step in enumerate(steps):
        if baseline and step["source"] \
                and Path(step["source"]).resolve() == Path(baseline).resolve().parent:
            return steps[:number]
    return steps


def keep_decoding(decode, target):
    """Move a decode directory from a candidate to the network that it has become.

    Its files then say what they would say if the steps had been run there.
    """
    for path in decode.rglob("*"):
        if path.is_file() and path.suffix != ".gz":
            text = path.read_bytes()
            moved = text.replace(bytes(decode), bytes(target)).replace(
                bytes(decode.parent), bytes(target.parent))
            if moved != text:
                path.write_bytes(moved)
    shutil.rmtree(target, ignore_errors=True)
    decode.rename(target)


def candidate(step, inputs, make):
    """Make <dir>/.candidate, unless it is there, of the same options and inputs; make's dict."""
    path = Path(step.args.dir) / ".candidate"
    key = key_of({k: v for k, v in step.options().items() if k not in OPTIONS},
                 fingerprint(inputs))
    if (path / "candidate.json").is_file() and not step.args.force:
        made = read_json(path / "candidate.json", f"remove {path}")
        if made.get("key") == key:
            log(f"{path}: was made before, and is used as it is")
            return made["about"]
    work = path.with_name(f".candidate.{os.getpid()}.tmp")
    remove_stale(path.parent, "candidate")
    work.mkdir(parents=True)
    try:
        about = _delivered(step, inputs, work) or make(work)
        (work / "candidate.json").write_text(json.dumps({"key": key, "about": about}) + "\n")
        shutil.rmtree(path, ignore_errors=True)
        work.rename(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return about


def _delivered(step, inputs, work):
    """Copy the network of <dir> to work, if it is of the same options and inputs but the gate's.

    returns  its dict of compress.json, without the gate; None if it is another or none
    """
    directory, done = Path(step.args.dir), read_done(step.args.dir).get(step.name)
    if not done or step.args.force:
        return None
    now = fingerprint(inputs)
    if any(done["options"].get(name) != value for name, value in step.options().items()
           if name not in OPTIONS) or \
            any(done["inputs"].get(str(path)) != now.get(str(path)) for path in inputs) or \
            not all((directory / name).is_file() for name in done["outputs"]):
        return None
    log(f"{directory}: is of the same network and options, so only the gate is run again")
    for name in done["outputs"]:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(directory / name, work / name)
    about = dict(read_json(work / "compress.json", "run it again with --force"))
    for name in ("gate", "earlier"):
        about.pop(name, None)
    return about


def check(args, directory, advice=""):
    """Decode the development set with a network directory and compare; UserError if refused.

    args       of a step with add_options()
    directory  of the network, into which decode/ is written
    advice     what else to try
    returns    {"passed": True, False or, where nothing was measured, None; "wer", "baseline",
               "allowed" in percent; "errors", "words"; "dev", "against"}
    """
    if not args.baseline:
        log("WARNING: no --baseline, so the gate was not run: nobody knows how this network hears")
        return {"passed": None}
    dev, graph, decoding, scoring = _as_the_baseline(args)
    if all(made_of_another(args.baseline, one / "final.keras") for one in made_of(args.network)):
        log(f"WARNING: {args.baseline} is neither of {args.network} nor of what it was made of")
    decode = Path(directory) / "decode"
    jobs = ["--nj", args.nj, "--cmd", args.cmd]
    for script, options in (("steps/decode/decode.py", decoding),
                            ("steps/score/score.py", scoring)):
        places = (graph, dev) if "decode.py" in script else (dev, graph)
        run_command([sys.executable, ROOT / script, *jobs, *options, *places, decode])
    check_same_references(Path(args.baseline), decode)
    (errors, words), (before, _) = _best(decode), _best(Path(args.baseline))
    passed = errors <= before * (1 + args.max_wer_rise) + 1e-9
    wer, baseline = 100 * errors / words, 100 * before / words
    allowed = baseline * (1 + args.max_wer_rise)
    said = (f"WER {wer:.2f} % on {dev} ({errors} errors), {baseline:.2f} % ({before}) before; "
            f"{allowed:.2f} % is allowed")
    if not passed and not args.no_gate:
        tries = [advice] * bool(advice) + ["--no-gate"]
        if before:       # of no errors any share is none
            tries.insert(-1, f"--max-wer-rise above {args.max_wer_rise:g}")
        raise UserError(args.dir, f"refused: {said}", f"try {', or '.join(tries)}")
    log(said if passed else f"WARNING: kept because of --no-gate: {said}")
    return {"passed": passed, "wer": round(wer, 4), "baseline": round(baseline, 4),
            "allowed": round(allowed, 4), "errors": errors, "words": words, "dev": str(dev),
            "against": str(args.baseline)}


def source_of(network):
    """The network that a compressed one was made of, None if it is none."""
    path = Path(network) / "compress.json"
    return read_json(path).get("source") if path.is_file() else None


def made_of(network):
    """Paths of a network directory and of those that it was compressed from, newest first."""
    found, network = [], Path(network)
    while network not in found:
        found.append(network)
        network = Path(source_of(network) or network)
    return found


def _as_the_baseline(args):
    """Data, graph, and options of decode.py and of score.py as the baseline had them."""
    done = read_done(args.baseline)
    for name, do in (("decode", "steps/decode/decode.py"), ("score", "steps/score/score.py")):
        if name not in done:
            raise UserError(args.baseline, "is no decode directory that was scored",
                            f"run {do} on the uncompressed network's development set")
        told = done[name]["inputs"]
        for path, value in fingerprint(told).items():
            if told.get(path, value) != value:
                raise UserError(args.baseline, f"is of another {path} than it is now",
                                "decode it and score it again")
    dev, graph = (getattr(args, mine) or done["decode"]["options"][theirs]
                  for mine, theirs in (("dev", "data"), ("graph", "graph")))
    for option, path in (("--dev", Path(dev) / "feats.scp"),
                         ("--graph", Path(graph) / "HCLG.fst")):
        if not path.is_file():
            raise UserError(path, "no such file", f"name another with {option}")
    return dev, graph, *([f"--{name.replace('_', '-')}={value}"
                          for name, value in done[step]["options"].items() if name in names]
                         for step, names in (("decode", DECODE), ("score", SCORE)))


def _best(decode):
    """Errors at the best setting of a scored decode directory, and words."""
    summary = read_summary(decode)
    best = summary["kaldi"]
    return read_errors(decode / f"wer_{best['lmwt']}_{best['wip']}"), summary["wer"]["words"]
