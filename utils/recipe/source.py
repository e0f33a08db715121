"""The network that a recipe grafts on: its features must be the target's as well."""

import json
import zipfile
from pathlib import Path

from utils.step import UserError

NEEDED = ("final.keras", "config.json", "front_end.json", "final.mdl", "tree", "phones.txt",
          "priors")
# What feats.json tells beside options of make_fbank.py and make_mfcc.py.
NOT_OPTIONS = {"kind", "feat_dim", "fingerprint", "content"}


TRAINABLE, FRONT_END, MANIFEST = "adapt/final.keras", "model/front_end.json", "manifest.json"


def find_network(path):
    """The package, or the network directory, that a path is or holds; UserError if there is none.
    """
    path = Path(path)
    if is_package(path):
        if TRAINABLE not in _names(path):
            raise UserError(path, "cannot be trained on, it has only what transcribing needs",
                            "ask for one made without --no-adapt")
        return path.resolve()
    if not path.is_dir():
        raise UserError(path, "no such directory or package", "--source is a directory with "
                        "final.keras, such as egs/english/exp/nnet/0, or a package")
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


def is_package(path):
    """A folder or zip of steps/package/package.py"""
    path = Path(path)
    return (path / MANIFEST).is_file() or (path.is_file() and path.suffix == ".zip")


def features_of(network):
    """(fbank or mfcc, {option: value}, Hz) of the features that a network was trained on."""
    path = Path(network)
    if is_package(path):
        path = path / FRONT_END
        text = path.read_text("utf-8") if path.is_file() else _in_zip(network, FRONT_END)
    else:
        path = path / "front_end.json"
        text = path.read_text("utf-8")
    try:
        feats = json.loads(text)["feats"]
        if not isinstance(feats, dict):
            raise ValueError("feats is no object")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(path, f"is damaged ({error})", "take another source") from None
    if feats.get("kind") not in ("fbank", "mfcc"):
        raise UserError(path, f"its features are {feats.get('kind')}, which depend on a system of "
                        "its own speakers", "give a network that was trained on fbank or mfcc")
    options = {name.replace("_", "-"): str(value).lower() if isinstance(value, bool) else value
               for name, value in feats.items() if name not in NOT_OPTIONS}
    return feats["kind"], options, int(feats["sample_rate"])


def _names(package):
    """Names of a package's files."""
    if Path(package).is_dir():
        return {str(p.relative_to(package)) for p in Path(package).rglob("*") if p.is_file()}
    _in_zip(package, MANIFEST)
    with zipfile.ZipFile(package) as archive:
        return set(archive.namelist())


def _in_zip(package, name):
    try:
        with zipfile.ZipFile(package) as archive:
            return archive.read(name).decode("utf-8")
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise UserError(package, f"is no package, {error}", "fetch it again") from None
