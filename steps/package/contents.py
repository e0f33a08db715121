"""What goes into a package: what is checked before, and the files themselves."""

import gzip
import json
import math
import shutil
import zlib
from pathlib import Path
from typing import NamedTuple

from steps.compress.gate import source_of
from steps.decode.fingerprints import check_graph
from steps.hmm.tree import check_same_tree
from steps.nnet.jobs import read_front_end
from steps.nnet.network import FILES, MODELS, read_config
from steps.package.adapt import TRAINABLE, TRAINABLE_CONFIG, write_half
from steps.package.whole import SEARCH
from steps.score.wer import read_summary
from utils.json_file import read_json
from utils.lang.langdir import KEPT_LM
from utils.step import UserError, log, made_of_another

ALIKE = ("num_pdfs", "feat_dim", "subsampling", "left_context", "right_context")   # of networks
GRAPH_FILES = ("words.txt", "phones.txt", "graph.json", "bpe.model")
SOUND_KINDS = ("mfcc", "fbank")


class Plan(NamedTuple):
    """Checked inputs: Paths, with None for what is left out; dicts of JSON files."""

    network: Path
    graph: Path
    lm: Path
    lexicon: Path
    trainable: Path
    config: dict
    front_end: dict
    compress: dict
    search: dict
    wip: float
    args: object


def inputs_of(args):
    """Files whose change makes a package out of date."""
    network, graph = Path(args.network), Path(args.graph)
    return [*(network / name for name in (*FILES, "model.tflite", "compress.json")),
            *(graph / name for name in ("HCLG.fst", *GRAPH_FILES)),
            *sorted((graph / "phones").glob("*")),
            *(Path(p) for p in (lm_of(args), args.lexicon, args.about,
                                args.sound and f"{args.sound}/wav.scp") if p),
            *(path for d in (args.dev, *args.decode) if d
              for path in (Path(d) / "scoring/summary.json",
                           *sorted((Path(d) / "scoring").glob("by_*")))),
            *(Path(d) / name for d in (args.trainable, source_of(network)) if d
              for name in ("final.keras", "config.json", "tree"))]


def check(args):
    """The Plan; UserError for what is missing or does not belong together."""
    network, graph = Path(args.network), Path(args.graph)
    config, front_end = read_config(network), read_front_end(network)
    check_front_end(network, front_end, config)
    for path in (*(network / name for name in FILES[1:]),
                 *(graph / name for name in ("HCLG.fst", "words.txt", "phones.txt",
                                             "phones/align_lexicon.int"))):
        if not path.is_file():
            raise UserError(path, "no such file", "give a network directory and its graph")
    from steps.hmm.model import read_transitions
    transitions = read_transitions(network / "final.mdl")
    check_graph(graph, network, transitions)
    for name in ("lexicon", "about"):
        if getattr(args, name) and not Path(getattr(args, name)).is_file():
            raise UserError(f"--{name}", f"{getattr(args, name)}: no such file")
    lm = lm_of(args)
    if not lm or not lm.is_file():
        raise UserError(lm or args.lang, "no LM here", "name it with --lm")
    for option, value in (("--beam", args.beam), ("--lmwt", args.lmwt)):
        if value is not None and not 0 < value < float("inf"):
            raise UserError(option, f"is {value:g}", "expected more than 0")
    lmwt, wip = lm_weight(args)
    for decode in filter(None, (args.dev, *args.decode)):
        check_decoded(decode, network, graph)
    search = {"acwt": 1.0 / lmwt, "beam": args.beam, "max_active": args.max_active,
              "min_active": args.min_active}
    for name, value in search.items():
        least, most = SEARCH[name]
        if not least <= value <= most:
            option, shown = ("--lmwt", lmwt) if name == "acwt" else (
                f"--{name.replace('_', '-')}", value)
            raise UserError(option, f"is {shown:g}, which no package can be told",
                            "see --help for what is usual")
    if not math.isfinite(wip):
        raise UserError("--wip", f"is {wip:g}", "expected a number")
    compress = read_json(network / "compress.json") if (network / "compress.json").is_file() \
        else {}
    return Plan(network, graph, lm, Path(args.lexicon) if args.lexicon else None,
                trainable_of(args, config, compress), config, front_end, compress,
                search, wip, args)


def check_front_end(network, front_end, config):
    """UserError unless the features can be made of sound alone."""
    feats = front_end.get("feats") or {}
    where = Path(network) / "front_end.json"
    again = "train a network on MFCC or log mel energies, as conf/fbank.conf makes them"
    if feats.get("kind") not in SOUND_KINDS:
        raise UserError(where, f"features are of kind {feats.get('kind', 'unknown')}, which take "
                        "more than the sound: transforms of each speaker, or Kaldi", again)
    if feats.get("add_pitch"):
        raise UserError(where, "features with pitch, which packages do without", again)
    dim = feats["feat_dim"] * (1 + (front_end.get("deltas") or 0))
    dim *= 1 + sum(front_end["splice"]) if front_end.get("splice") else 1
    if dim != config["feat_dim"]:
        raise UserError(where, f"makes {dim} values a frame, the network has "
                        f"{config['feat_dim']}: it sees a transform such as LDA", again)


def lm_of(args):
    """Path of the ARPA file, None if none is named and the lang directory has none."""
    found = Path(args.lm) if args.lm else Path(args.lang) / KEPT_LM
    return found if args.lm or found.is_file() else None


def lm_weight(args):
    """LM weight and insertion penalty: the options', else those chosen on --dev."""
    if not args.dev and args.lmwt is None:
        raise UserError("--dev", "is needed, to know the LM weight", "or say --lmwt")
    best = {"lmwt": args.lmwt, "wip": 0.0}
    if args.dev:
        best = read_summary(args.dev)
    return (float(best["lmwt"] if args.lmwt is None else args.lmwt),
            float(best["wip"] if args.wip is None else args.wip))


def check_decoded(decode, network, graph):
    """UserError if a decode directory tells that it was made by another network or graph."""
    for path in (*(network / name for name in MODELS), graph / "HCLG.fst"):
        if made_of_another(decode, path):
            raise UserError(decode, f"is not of {path.parent} as it is now",
                            "decode with it and score, or name another directory")


def trainable_of(args, config, compress):
    """The directory of the trainable network, None if it is left out."""
    if args.no_adapt:
        return None
    for directory in (args.trainable, args.network, compress.get("source")):
        if directory and (Path(directory) / "final.keras").is_file():
            found = read_config(directory)
            if "mixture" in found:
                raise UserError(directory, "is a mixture, which cannot be trained on",
                                "--no-adapt, or --trainable with one network")
            for what in ALIKE:
                if found[what] != config[what]:
                    raise UserError(Path(directory) / "config.json", f"{what} is {found[what]}, "
                                    f"and that of {args.network} {config[what]}",
                                    "--trainable is the network it was compressed from, or one on "
                                    "the same tree with the same context")
            check_same_tree(directory, args.network, "train a network with steps/nnet",
                            "--trainable is the network it was compressed from, or one on the "
                            "same tree")
            if _is_same(directory, compress.get("source")) and \
                    made_of_another(args.network, Path(directory) / "final.keras"):
                raise UserError(args.network, f"was made of another {directory} than it is now",
                                "compress it again, or name another network with --trainable")
            return Path(directory)
        if directory and directory == args.trainable:
            break
    raise UserError(args.trainable or args.network, "has no final.keras to be adapted later",
                    "name the network it was compressed from with --trainable, or --no-adapt")


def _is_same(path, other):
    return bool(path and other) and Path(path).resolve() == Path(other).resolve()


def write(out, plan):
    """All files but the card and the manifest."""
    (out / "model").mkdir()
    for name in (*FILES[1:], "compress.json"):
        if (plan.network / name).is_file():
            shutil.copyfile(plan.network / name, out / "model" / name)
    if (plan.network / "model.tflite").is_file():
        shutil.copyfile(plan.network / "model.tflite", out / "model/model.tflite")
    else:
        from steps.compress.litert import export
        from steps.nnet.network import read_model
        (out / "model/model.tflite").write_bytes(export(read_model(plan.network)))
        log(f"{plan.network}: not compressed; exported as float32")
    shutil.copytree(plan.graph / "phones", out / "graph/phones",
                    ignore=lambda _, names: [n for n in names if not n.endswith(".int")])
    for name in GRAPH_FILES:
        if (plan.graph / name).is_file():
            shutil.copyfile(plan.graph / name, out / "graph" / name)
    write_graph(plan.graph / "HCLG.fst", out / "graph/HCLG.fst", plan.wip)
    (out / "lang").mkdir()
    (out / "lang/lm.arpa.gz").write_bytes(gzipped_arpa(plan.lm))
    if plan.lexicon:
        shutil.copyfile(plan.lexicon, out / "lang/lexicon.txt")
    if plan.trainable:
        size = write_half(plan.trainable / "final.keras", out / TRAINABLE)
        shutil.copyfile(plan.trainable / "config.json", out / TRAINABLE_CONFIG)
        log(f"{plan.trainable}: its trainable form takes {size / 1e6:.2f} MB")
    (out / "recogniser.json").write_text(json.dumps({"search": plan.search}, indent=1) + "\n")


def write_graph(source, target, wip):
    """HCLG as OpenFst's const type, each word's arcs dearer by the insertion penalty."""
    import kaldifst

    from steps.decode.fst_arrays import read_fst, to_kaldifst
    fst = read_fst(source)
    fst.weight[fst.olabel > 0] += wip
    kaldifst.StdConstFst(to_kaldifst(fst)).write(str(target))


def gzipped_arpa(path):
    """The bytes of an ARPA file gzipped, the same for the same content whatever the date."""
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise UserError(path, f"cannot be decompressed: {error}", "make it again") from None
    if b"\\data\\" not in data:
        raise UserError(path, "is no LM in ARPA's form", "name the one of the graph with --lm")
    return gzip.compress(data, 9, mtime=0)
