"""A monophone system of the tiny corpus, its graph, and its test set decoded; made once."""

import shutil
from types import SimpleNamespace

import pytest

from steps.decode import decode, make_graph
from steps.features import compute_cmvn, make_mfcc
from steps.hmm import train_mono
from utils.lang import format_lm, prepare_lang, train_ngram


@pytest.fixture(scope="session")
def system(tiny, tmp_path_factory):
    """Paths of lang, lang_test, arpa, mono, graph, train, test, decode; not to be written into."""
    root = tmp_path_factory.mktemp("system")
    shutil.copytree(tiny / "data", root / "data")
    data = root / "data"
    for part in ("train", "test"):
        make_mfcc.main(["--nj", "1", data / part])
        compute_cmvn.main([data / part])
    prepare_lang.main([tiny / "dict", "<unk>", root / "lang"])
    text = [line.split(" ", 1)[1] for line in (data / "train/text").read_text().splitlines()]
    (root / "text").write_text("\n".join(text) + "\n")
    train_ngram.main(["--order", "2", root / "text", root / "lm.arpa"])
    format_lm.main([root / "lang", root / "lm.arpa", root / "lang_test"])
    train_mono.main(["--nj", "1", "--total-gaussians", "100", "--num-iters", "12",
                     data / "train", root / "lang", root / "mono"])
    make_graph.main([root / "lang_test", root / "mono", root / "mono/graph"])
    decode.main(["--nj", "2", root / "mono/graph", data / "test", root / "mono/decode"])
    return SimpleNamespace(
        lang=root / "lang", lang_test=root / "lang_test", arpa=root / "lm.arpa",
        text=root / "text", mono=root / "mono", graph=root / "mono/graph", train=data / "train",
        test=data / "test", decode=root / "mono/decode", ctm=tiny / "phones.ctm")
