#!/usr/bin/env python3
"""Compare variants of a network: size, speed, memory, word errors; all in one run, float first.

Variants are measured as LiteRT models, networks with final.keras as float32 ones. Speed is seconds
of speech a second: of the network alone, on one core (of processor time) and on all, and with the
search on one core. All variants take each utterance in turn, as a machine is not always equally
fast. Memory is the peak of a fresh process with Python, numpy and LiteRT in it.

in   <data>/feats.scp cmvn.scp utt2spk       features of all the networks
     NAME=<network>[,[<dev>,]<test>]         network directory, and decode directories of its own on
                                             a development and a test set, scored
     <graph>/HCLG.fst                        for the search, with --graph
out  <dir>/benchmark.txt benchmark.json      a line each; p is of a difference to the first one, by
                                             a paired bootstrap, two-sided
     <dir>/size.png speed.png                word errors against them, and the Pareto front
     <dir>/float32/NAME.tflite               what was exported

e.g. steps/compress/benchmark.py --graph exp/tri3b/graph data/test exp/benchmark \\
       float=exp/tdnn,exp/tdnn/decode_dev,exp/tdnn/decode_test \\
       int8=exp/tdnn_int8,exp/tdnn_int8/decode_dev,exp/tdnn_int8/decode_test
"""

import json
from pathlib import Path

import numpy as np

from steps.compress import measure, pareto
from steps.nnet.jobs import check_network
from steps.nnet.network import FILES, MODELS, is_compiled
from steps.score.compare_wer import check_same_references
from steps.score.table import aligned, compare, percent
from steps.score.wer import read_summary
from utils.data.datadir import DataDir
from utils.json_file import read_json
from utils.option_types import above_zero
from utils.step import Step, UserError, made_of_another, positive

HEAD = ("variant", "bytes", "zipped", "non-zero", "x, 1 core", "x, all", "x, search", "MB",
        "%WER dev", "%WER", "relative", "p")


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--graph", default="", help="graph directory: the search is measured as well")
    step.add("--beam", type=above_zero, default=13.0, help="(default 13)")
    step.add("--acwt", type=above_zero, default=0.1, help="(default 0.1)")
    step.add("--utts", type=positive, default=20, help="of <data> (default 20)")
    step.add("--rounds", type=positive, default=5, help="(default 5)")
    step.add("data", help="data directory with features")
    step.add("dir", help="directory to make")
    step.add("variants", nargs="+", metavar="NAME=NETWORK,DEV,TEST")
    args = step.parse(argv)
    variants = [variant(text) for text in args.variants]
    inputs = [path / name for _, path, _ in variants
              for name in (*FILES, "model.tflite", "compress.json")]
    inputs += [decode / "scoring/summary.json" for *_, decodes in variants for decode in decodes]
    inputs += [Path(args.data) / name for name in ("feats.scp", "feats.json", "cmvn.scp",
                                                   "utt2spk")]
    inputs += [Path(args.graph) / "HCLG.fst"] * bool(args.graph)
    if step.up_to_date(args.dir, inputs):
        return 0
    check(args, variants)
    with step.output(args.dir) as out:
        rows = {name: files_of(out, name, path) for name, path, _ in variants}
        speech = measure.measure(args, [(name, path, rows[name]) for name, path, _ in variants])
        for name, _, decodes in variants:
            rows[name].update(words(decodes, [] if name == variants[0][0] else variants[0][2]))
        text = aligned([HEAD, *(cells(name, row) for name, row in rows.items())])
        (out / "benchmark.txt").write_text(text)
        draw(out, rows)
        for row in rows.values():
            row.pop("path")
        (out / "benchmark.json").write_text(json.dumps(
            {"utts": len(speech), "seconds": sum(speech), "rounds": args.rounds,
             "variants": rows}, indent=1) + "\n")
    print(text, end="")
    return step.finish(f"{args.dir}: {len(rows)} variants, {sum(speech):.1f} s of speech, "
                       f"{args.rounds} rounds")


def variant(text):
    """(name, network directory, [decode directories of dev and test]) of NAME=NETWORK,DEV,TEST."""
    name, _, paths = text.partition("=")
    network, *decodes = map(Path, paths.split(","))
    if not (name and paths) or len(decodes) > 2 or "/" in name:
        raise UserError(text, "is no variant", "expected NAME=NETWORK,DEV,TEST")
    return name, network, decodes


def check(args, variants):
    """UserErrors for what cannot be compared."""
    if len({name for name, _, _ in variants}) < len(variants):
        raise UserError("arguments", "a name stands for two variants", "each needs its own")
    for name, network, decodes in variants:
        check_network(network, DataDir(args.data))
        if len(decodes) != len(variants[0][2]):
            raise UserError(name, f"has {len(decodes)} decode directories and {variants[0][0]} "
                            f"{len(variants[0][2])}", "give all or none theirs")
        for mine, first in zip(decodes, variants[0][2], strict=True):
            if not (mine / "scoring/summary.json").is_file():
                raise UserError(mine, "not scored yet", "run steps/score/score.py")
            check_same_references(first, mine)
            model = network / MODELS[is_compiled(network)]
            if made_of_another(mine, model):
                raise UserError(mine, f"is of another {model} than it is now",
                                "decode with it and score")
    if args.graph and not (Path(args.graph) / "HCLG.fst").is_file():
        raise UserError(f"{args.graph}/HCLG.fst", "no such file",
                        "make it with steps/decode/make_graph.py")


def files_of(out, name, network):
    """Size and weights of a variant, exported if need be; "path" is of its LiteRT model."""
    from steps.compress.litert import affine_layers, export
    from steps.compress.schemes import kernels_in
    from steps.nnet.network import read_model
    path = network / "model.tflite"
    about = network / "compress.json"
    about = read_json(about) if about.is_file() else {}
    if is_compiled(network):
        layers = [layer["name"] for layer in about.get("layers", ())]
    else:
        model, path = read_model(network), out / f"float32/{name}.tflite"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(export(model))
        layers = affine_layers(model)
    data = path.read_bytes()
    kernels = kernels_in(data, layers).values()
    return {"path": path, "network": str(network), "bytes": len(data),
            "zipped": measure.zipped(data), "weights": sum(
                int(np.prod(kernel["shape"])) for kernel in kernels),
            "nonzero": sum(kernel["nonzero"] for kernel in kernels),
            "gate": about.get("gate", {}).get("passed")}


def words(decodes, first):
    """Word errors of a variant in percent, and those of the last set against another's, if any."""
    row = {}
    keys = ("dev", "wer")[2 - len(decodes):]
    for key, decode in zip(keys, decodes, strict=True):
        row[key] = percent([read_summary(decode)], "wer")
    if first:
        base, row["p"] = compare([[first[-1]]], [[decodes[-1]]])
        row["relative"] = 100 * (row["wer"] / base - 1) if base else None
    return row


def cells(name, row):
    """One line of the table."""
    def shown(key, form):
        return "" if row.get(key) is None else format(row[key], form)

    return [name + " (refused by the gate)" * (row["gate"] is False), f"{row['bytes']:,}",
            f"{row['zipped']:,}", f"{row['nonzero']:,}", shown("one_core", ".0f"),
            shown("all_cores", ".0f"), shown("with_search", ".0f"), shown("memory", ".1f"),
            shown("dev", ".2f"), shown("wer", ".2f"), shown("relative", "+.1f"), shown("p", ".4f")]


def draw(out, rows):
    """The two pictures, where there are word errors."""
    if any("wer" not in row for row in rows.values()):
        return
    for name, key, unit, label, larger in (
            ("size", "bytes", 1e6, "size of the LiteRT model, MB", False),
            ("speed", "one_core", 1, "seconds of speech a second, the network on one core", True)):
        points = [(row[key] / unit, row["wer"]) for row in rows.values()]
        pareto.draw(out / f"{name}.png", list(rows), points, label, larger)


if __name__ == "__main__":
    raise SystemExit(main())
