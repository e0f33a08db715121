"""The network that a recipe grafts on: its features must be the target's as well."""

import json
from pathlib import Path

from utils.step import UserError

NEEDED = ("final.keras", "config.json", "front_end.json", "final.mdl", "tree", "phones.txt",
          "priors")
# What feats.json tells beside options of make_fbank.py and make_mfcc.py.
NOT_OPTIONS = {"kind", "feat_dim", "fingerprint", "content"}


def find_network(path):
    """The network directory that is a path, or is in it; UserError if there is none."""
    path = Path(path)
    if not path.is_dir():
        raise UserError(path, "no such directory", "--source is a directory with final.keras, "
                        "such as egs/english/exp/nnet/0")
    found = [path] if (path / "final.keras").is_file() else \
        sorted(p.parent for p in path.glob("*/final.keras"))
    if len(found) != 1:
        what = f"has {len(found)} networks" if found else "has no final.keras to go on training"
        do = "name one: " + " ".join(map(str, found[:4])) if found else \
            "a packed or quantized model cannot be trained; give the directory it was made from"
        raise UserError(path, what, do)
    for name in NEEDED:
        if not (found[0] / name).is_file():
            raise UserError(found[0] / name, "no such file", "it belongs to a network directory of "
                            "steps/nnet/train.py; copy it whole")
    return found[0].resolve()


def features_of(network):
    """(fbank or mfcc, {option: value}, Hz) of the features that a network directory was trained on.
    """
    path = Path(network) / "front_end.json"
    feats = json.loads(path.read_text("utf-8"))["feats"]
    if feats.get("kind") not in ("fbank", "mfcc"):
        raise UserError(path, f"its features are {feats.get('kind')}, which depend on a system of "
                        "its own speakers", "give a network that was trained on fbank or mfcc")
    options = {name.replace("_", "-"): str(value).lower() if isinstance(value, bool) else value
               for name, value in feats.items() if name not in NOT_OPTIONS}
    return feats["kind"], options, int(feats["sample_rate"])


def describe(network):
    """What kind of network it is, in a few words."""
    config = json.loads((Path(network) / "config.json").read_text("utf-8"))
    return f"{config.get('arch', 'network')}, {config.get('num_params', 0) / 1e6:.2f} million " \
           f"parameters, {config.get('num_pdfs', '?')} outputs"
