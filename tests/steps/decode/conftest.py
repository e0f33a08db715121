"""The tiny corpus's monophone system, its graph, and its test set decoded; made once."""

from types import SimpleNamespace

import pytest

from steps.decode import decode, make_graph
from utils.lang import format_lm, train_ngram


@pytest.fixture(scope="session")
def system(speech, mono):
    """Paths of lang, lang_test, arpa, mono, graph, train, test, decode; not to be written into."""
    root = speech.root
    text = [line.split(" ", 1)[1] for line in (speech.train / "text").read_text().splitlines()]
    (root / "text").write_text("\n".join(text) + "\n")
    train_ngram.main(["--order", "2", root / "text", root / "lm.arpa"])
    format_lm.main([speech.lang, root / "lm.arpa", root / "lang_test"])
    make_graph.main([root / "lang_test", mono, mono / "graph"])
    decode.main(["--nj", "2", mono / "graph", speech.test, mono / "decode"])
    return SimpleNamespace(
        lang=speech.lang, lang_test=root / "lang_test", arpa=root / "lm.arpa",
        text=root / "text", mono=mono, graph=mono / "graph", train=speech.train,
        test=speech.test, decode=mono / "decode", ctm=speech.ctm)
