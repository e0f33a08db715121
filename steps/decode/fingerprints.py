"""What a graph was built from: decoding with anything else is an error and not bad words."""

import hashlib
from pathlib import Path

from steps.hmm.model import check_phones
from steps.nnet.network import is_network
from utils.json_file import read_json
from utils.lang.langdir import LangDir
from utils.step import UserError


def graph_fingerprints(model, lang, transitions):
    """{name: value} of what a model and a lang directory must agree on with the graph.

    model, lang  directories; lang may be the graph directory itself
    """
    front_end = Path(model) / "front_end.json"
    feats = read_json(front_end, "train the model again").get("feats") or {} \
        if front_end.is_file() else {}
    phones = hashlib.blake2b(digest_size=12)
    for line in (Path(lang) / "phones.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            phones.update(" ".join(line.split()).encode() + b"\n")
    tuples = hashlib.blake2b(transitions.tuples.tobytes(), digest_size=12)
    return {"num_pdfs": transitions.num_pdfs, "num_tids": transitions.num_tids,
            "transition_ids": tuples.hexdigest(), "phones": phones.hexdigest(),
            "feats": feats.get("fingerprint", "")}


def check_graph(graph, model, transitions):
    """UserError unless the graph directory was built for this model's phones, pdfs and features.

    A graph without graph.json, as Kaldi makes it, is taken as it is. A network may have the graph
    of the GMM-HMM whose tree it shares, whatever features the two see.
    """
    path = Path(graph) / "graph.json"
    if not path.is_file():
        return
    built = read_json(path, "make the graph again")
    for name, value in graph_fingerprints(model, graph, transitions).items():
        if built.get(name, value) != value and not (name == "feats" and is_network(model)):
            raise UserError(path, f"{name.replace('_', ' ')} {built[name]}, but {model} has "
                            f"{value}", "build the graph from this model with make_graph.py")
    if (Path(model) / "phones.txt").is_file():   # as many others would give the same ids and pdfs
        check_phones(model, LangDir(graph))
