"""A network of the tiny corpus, its development set decoded and scored, made once."""

from types import SimpleNamespace

import pytest

from steps.decode import decode, make_graph
from steps.score import score
from tests.steps.decode.conftest import system  # noqa: F401  a fixture


@pytest.fixture(scope="session")
def scored(system, network):  # noqa: F811
    """Paths .network, .graph, .dev, .train, .baseline, .ali; not to be written into."""
    root = system.train.parent.parent
    graph, baseline = root / "network_graph", network / "decode_dev"
    make_graph.main([system.lang_test, network, graph])
    decode.main(["--nj", "1", "--acwt", "0.1", graph, system.test, baseline])
    score.main(["--nj", "1", "--word-ins-penalty", "0.0", system.test, graph, baseline])
    return SimpleNamespace(network=network, graph=graph, dev=system.test, train=system.train,
                           baseline=baseline, ali=root / "mono_ali")
