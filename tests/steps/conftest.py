"""GMM-HMM systems and a network of the tiny corpus, each made once for the whole session.

They are made when first asked for. Nothing is to be written into their directories.
"""

import shutil
from types import SimpleNamespace

import pytest

from steps.features import compute_cmvn, make_mfcc
from steps.hmm import align, train_deltas, train_lda_mllt, train_mono, train_sat
from utils.lang import prepare_lang

MONO = ["--nj", "1", "--total-gaussians", "100", "--num-iters", "12"]
TRIPHONES = ["--nj", "1", "--num-leaves", "60", "--total-gaussians", "120", "--num-iters", "6",
             "--realign-iters", "3"]
LDA = ["--dim", "20", "--mllt-iters", "2 4"]
SAT = ["--fmllr-iters", "2 4", "--fmllr-min-count", "100"]


@pytest.fixture(scope="session")
def speech(tiny, tmp_path_factory):
    """Paths of .train and .test (data directories with features), .lang and .dict, under .root."""
    root = tmp_path_factory.mktemp("speech")
    shutil.copytree(tiny / "data", root / "data")
    for part in ("train", "test"):
        make_mfcc.main(["--nj", "1", root / "data" / part])
        compute_cmvn.main([root / "data" / part])
    prepare_lang.main([tiny / "dict", "<unk>", root / "lang"])
    return SimpleNamespace(root=root, train=root / "data/train", test=root / "data/test",
                           lang=root / "lang", dict=tiny / "dict", ctm=tiny / "phones.ctm")


@pytest.fixture(scope="session")
def mono(speech):
    train_mono.main([*MONO, speech.train, speech.lang, speech.root / "mono"])
    return speech.root / "mono"


@pytest.fixture(scope="session")
def mono_ali(speech, mono):
    align.main(["--nj", "2", speech.train, speech.lang, mono, speech.root / "mono_ali"])
    return speech.root / "mono_ali"


@pytest.fixture(scope="session")
def tri1(speech, mono_ali):
    train_deltas.main([*TRIPHONES, speech.train, speech.lang, mono_ali, speech.root / "tri1"])
    return speech.root / "tri1"


@pytest.fixture(scope="session")
def tri2b(speech, tri1):
    train_lda_mllt.main([*TRIPHONES, *LDA, speech.train, speech.lang, tri1, speech.root / "tri2b"])
    return speech.root / "tri2b"


@pytest.fixture(scope="session")
def tri3b(speech, tri2b):
    train_sat.main([*TRIPHONES, *SAT, speech.train, speech.lang, tri2b, speech.root / "tri3b"])
    return speech.root / "tri3b"


@pytest.fixture(scope="session")
def tri3b_ali(speech, tri3b):
    align.main(["--nj", "1", "--fmllr-min-count", "100", speech.train, speech.lang, tri3b,
                speech.root / "tri3b_ali"])
    return speech.root / "tri3b_ali"


@pytest.fixture(scope="session")
def network(speech, mono_ali):
    """A network directory of the monophone system's pdfs, one output for three frames."""
    from tests.steps.small_network import make_network
    return make_network(speech.root / "network", speech.train, mono_ali)
