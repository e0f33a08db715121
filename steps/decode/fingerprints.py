"""What a graph was built from: decoding with anything else is an error and not bad words."""

import gzip
import hashlib
import zlib
from pathlib import Path

from steps.hmm.model import check_phones
from steps.nnet.network import is_network
from utils.json_file import read_json
from utils.lang.langdir import KEPT_LM, LangDir
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


def lm_fingerprint(arpa):
    """A hash of an ARPA file's text, gzipped or not; UserError if it cannot be read."""
    try:
        with (gzip.open if Path(arpa).suffix == ".gz" else open)(arpa, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12)).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(arpa, f"cannot be read ({error})", "is it whole?") from None


def check_lm(graph, arpa):
    """UserError if a graph directory, or a lang directory with a grammar, is of another n-gram.

    Kaldi's directories do not tell.
    """
    path, kept = Path(graph) / "graph.json", Path(graph) / KEPT_LM
    if path.is_file():
        built = read_json(path, "make the graph again").get("lm")
    else:
        built = lm_fingerprint(kept) if kept.is_file() else None
    if built and built != lm_fingerprint(arpa):
        raise UserError(arpa, f"is not the LM that {graph} was built with",
                        f"give that, which format_lm.py kept as {KEPT_LM} in the lang directory")


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
