"""The decoder against hand computation, exhaustive search and kaldi-decoder."""

import itertools
import tempfile
from pathlib import Path

import kaldi_decoder
import numpy as np
import pytest

from steps.decode.decoding_graph import DecodingGraph
from steps.decode.fst_arrays import from_arcs, to_kaldifst
from steps.decode.lattice import read_lattices
from steps.decode.lattice_decoder import DecodeOptions, LatticeDecoder
from steps.decode.token_passing import _smallest
from utils.step import UserError

WIDE = DecodeOptions(beam=1e3, lattice_beam=1e3, max_active=10**6, acwt=1.0)


def random_graph(rng, num_states=12, num_tids=6, num_arcs=40, epsilons=0.25):
    """An FST of random arcs; those without a transition-id lead to higher states."""
    src, dst = rng.integers(0, num_states, (2, num_arcs))
    silent = (rng.random(num_arcs) < epsilons) & (src < dst)
    ilabel = np.where(silent, 0, rng.integers(1, num_tids + 1, num_arcs))
    olabel = np.where(rng.random(num_arcs) < 0.4, rng.integers(1, 5, num_arcs), 0)
    final = np.where(rng.random(num_states) < 0.5, rng.uniform(0, 2, num_states), np.inf)
    return from_arcs(0, num_states, src, dst, ilabel, olabel, rng.uniform(0, 3, num_arcs), final)


def tid2pdf_of(num_tids):
    return np.concatenate([[-1], np.arange(num_tids) // 2]).astype(np.int32)


def with_kaldi(fst, scores, tid2pdf, beam, lattice_beam):
    """kaldi-decoder's raw Lattice, or None if it finds no path."""
    config = kaldi_decoder.LatticeSimpleDecoderConfig(beam=beam, lattice_beam=lattice_beam)
    # The decoder keeps neither the graph nor the scores alive.
    graph, columns = to_kaldifst(fst), np.ascontiguousarray(scores[:, tid2pdf[1:]], np.float32)
    decoder = kaldi_decoder.LatticeSimpleDecoder(graph, config)
    scored = kaldi_decoder.DecodableCtc(columns)
    if not decoder.decode(scored):
        return None
    _, lattice = decoder.get_raw_lattice(True)
    with tempfile.TemporaryDirectory() as directory:
        lattice.write(f"{directory}/fst")
        Path(f"{directory}/ark").write_bytes(b"utt " + Path(f"{directory}/fst").read_bytes())
        return next(read_lattices(f"{directory}/ark"))[1]


def paths_of(lattice):
    arc_costs, final_costs = lattice.costs()
    found, stack = [], [(0, (), 0.0)]
    while stack:
        state, labels, cost = stack.pop()
        if np.isfinite(final_costs[state]):
            found.append((labels, cost + final_costs[state]))
        for a in np.flatnonzero(lattice.src == state):
            label = (int(lattice.ilabel[a]), int(lattice.olabel[a]))
            stack.append((lattice.dst[a], (*labels, label), cost + arc_costs[a]))
    return sorted(found)


def graph_paths(fst, scores, tid2pdf):
    """{(transition-ids, words): least cost} of all paths through the graph, frame by frame."""
    paths = {}
    stack = [(fst.start, 0, (), (), 0.0)]
    while stack:
        state, frame, tids, words, cost = stack.pop()
        if frame == len(scores) and np.isfinite(fst.final[state]):
            total = cost + fst.final[state]
            paths[tids, words] = min(total, paths.get((tids, words), np.inf))
        for a in range(*fst.first_arc[state:state + 2]):
            tid, word = int(fst.ilabel[a]), int(fst.olabel[a])
            if tid and frame == len(scores):
                continue
            more = fst.weight[a] - (scores[frame, tid2pdf[tid]] if tid else 0.0)
            stack.append((fst.nextstate[a], frame + (tid > 0), tids + (tid,) * (tid > 0),
                          words + (word,) * (word > 0), cost + more))
    return paths


def arcs_of(lattice):
    """The arcs with their times, in an order that does not depend on the states' numbers."""
    times = lattice.times()[lattice.src]
    return np.array(sorted(zip(
        times.tolist(), lattice.ilabel.tolist(), lattice.olabel.tolist(),
        lattice.graph_cost.round(4).tolist(), lattice.acoustic_cost.round(4).tolist(),
        strict=True)))


def test_hand_computed():
    # 0 -tid 1, word 7, cost 1-> 1 (loop tid 2, cost 0.5) -tid 3, cost 0.25-> 2, final cost 2
    fst = from_arcs(0, 3, [0, 1, 1], [1, 1, 2], [1, 2, 3], [7, 0, 0], [1, 0.5, 0.25],
                    [np.inf, np.inf, 2])
    decoder = LatticeDecoder(DecodingGraph(fst, np.array([-1, 0, 0, 1])), WIDE)
    lattice = decoder.decode(np.array([[-1, -9], [-2, -9], [-4, -3]], np.float32))
    assert decoder.reached_final
    # 0 and 1 at tids 1 and 2: 1 + 2; frame 2 in pdf 1: 3
    assert lattice.best_path() == ([7], [1, 2, 3], (1 + 0.5 + 0.25 + 2, 1 + 2 + 3))
    assert lattice.num_arcs == 3
    lattice = decoder.decode(np.array([[-1, -9], [-2, -9]], np.float32))
    assert lattice.best_path()[1:] == ([1, 3], (1 + 0.25 + 2, 1 + 9))


@pytest.mark.parametrize("seed", range(20))
def test_exhaustive_search_finds_the_same_paths(seed):
    rng = np.random.default_rng(seed)
    fst = random_graph(rng, num_states=5, num_arcs=12)
    tid2pdf = tid2pdf_of(6)
    scores = rng.normal(0, 2, (4, 3)).astype(np.float32)
    expected = graph_paths(fst, scores, tid2pdf)
    decoder = LatticeDecoder(DecodingGraph(fst, tid2pdf), WIDE)
    lattice = decoder.decode(scores)
    if not expected:
        assert not decoder.reached_final
        return
    found = {}
    for labels, cost in paths_of(lattice):
        key = tuple(i for i, _ in labels if i), tuple(o for _, o in labels if o)
        found[key] = min(cost, found.get(key, np.inf))
    assert found.keys() == expected.keys()
    for key, cost in expected.items():
        assert found[key] == pytest.approx(cost, abs=1e-4)
    # The lattice beam leaves exactly the paths that are no worse than it.
    best = min(expected.values())
    narrow = LatticeDecoder(DecodingGraph(fst, tid2pdf), WIDE._replace(lattice_beam=2.0))
    kept = {(tuple(i for i, _ in p if i), tuple(o for _, o in p if o))
            for p, _ in paths_of(narrow.decode(scores))}
    assert {key for key, cost in expected.items() if cost < best + 1.99} <= kept
    # Paths of arcs that are each on a good path may be worse; none of them is new.
    assert kept <= expected.keys()


@pytest.mark.parametrize("seed", range(12))
def test_same_lattice_as_kaldi_decoder(seed):
    rng = np.random.default_rng(100 + seed)
    fst = random_graph(rng, num_states=30, num_tids=10, num_arcs=90)
    tid2pdf = tid2pdf_of(10)
    scores = rng.normal(0, 1, (60, 5)).astype(np.float32)
    theirs = with_kaldi(fst, scores, tid2pdf, 1e3, 4.0)
    options = WIDE._replace(lattice_beam=4.0)
    decoder = LatticeDecoder(DecodingGraph(fst, tid2pdf), options)
    lattice = decoder.decode(scores)
    if theirs is None:
        assert lattice.num_arcs == 0
        return
    assert lattice.num_states == theirs.num_states
    assert np.allclose(arcs_of(lattice), arcs_of(theirs), atol=1e-3)
    assert lattice.best_path()[:2] == theirs.best_path()[:2]
    assert sum(lattice.best_path()[2]) == pytest.approx(sum(theirs.best_path()[2]), abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_nbest_costs_as_kaldi_decoder(seed):
    rng = np.random.default_rng(200 + seed)
    fst = random_graph(rng, num_states=10, num_arcs=25)
    scores = rng.normal(0, 2, (6, 3)).astype(np.float32)
    theirs = with_kaldi(fst, scores, tid2pdf_of(6), 1e3, 5.0)
    lattice = LatticeDecoder(DecodingGraph(fst, tid2pdf_of(6)),
                             WIDE._replace(lattice_beam=5.0)).decode(scores)
    if theirs is None:
        assert lattice.num_arcs == 0
        return
    ours, theirs = paths_of(lattice), paths_of(theirs)
    assert [labels for labels, _ in ours] == [labels for labels, _ in theirs]
    assert np.allclose([c for _, c in ours], [c for _, c in theirs], atol=1e-3)


@pytest.mark.parametrize("chunk", [1, 7, 25, 60])
def test_chunks_give_the_same_as_the_whole(chunk):
    rng = np.random.default_rng(7)
    fst = random_graph(rng, num_states=40, num_tids=10, num_arcs=150)
    scores = rng.normal(0, 3, (200, 5)).astype(np.float32)
    options = DecodeOptions(beam=12, lattice_beam=6, max_active=20, min_active=5, acwt=0.5)
    decoder = LatticeDecoder(DecodingGraph(fst, tid2pdf_of(10)), options)
    whole = decoder.decode(scores)
    decoder.init()
    for start in range(0, len(scores), chunk):
        decoder.advance(scores[start:start + chunk])
    assert decoder.num_frames == 200
    chunked = decoder.finalise()
    for one, other in zip(whole.arrays(), chunked.arrays(), strict=True):
        assert np.array_equal(one, other)


def test_when_links_are_pruned_does_not_matter():
    rng = np.random.default_rng(7)
    fst = random_graph(rng, num_states=40, num_tids=10, num_arcs=150)
    scores = rng.normal(0, 3, (200, 5)).astype(np.float32)
    options = DecodeOptions(beam=12, lattice_beam=6, max_active=20, min_active=5, acwt=0.5)
    graph, sizes, lattices = DecodingGraph(fst, tid2pdf_of(10)), [], []
    for prune_links in (1, 1 << 20):
        decoder = LatticeDecoder(graph, options._replace(prune_links=prune_links))
        decoder.init()
        decoder.advance(scores)
        sizes.append(decoder._frames[1][-1, 0])
        lattices.append(decoder.finalise())
    assert sizes[0] < sizes[1] / 2
    for one, other in zip(*(lattice.arrays() for lattice in lattices), strict=True):
        assert np.array_equal(one, other)


def test_max_active_bounds_the_search():
    rng = np.random.default_rng(8)
    num_states = 400
    src = np.repeat(np.arange(num_states), 4)
    fst = from_arcs(0, num_states, src, rng.integers(0, num_states, len(src)),
                    rng.integers(1, 21, len(src)), np.zeros(len(src)),
                    rng.uniform(0, 1, len(src)), np.zeros(num_states))
    graph = DecodingGraph(fst, tid2pdf_of(20))
    scores = rng.normal(0, 1, (50, 10)).astype(np.float32)
    options = DecodeOptions(beam=50, lattice_beam=2, min_active=10, acwt=1.0)
    sizes, costs = [], []
    for max_active in (10000, 100, 20, 3):
        decoder = LatticeDecoder(graph, options._replace(max_active=max_active,
                                                         min_active=min(10, max_active)))
        decoder.init()
        decoder.advance(scores)
        sizes.append(np.diff(decoder._frames[1][:, 0])[20:40].mean())
        costs.append(sum(decoder.finalise().best_path()[2]))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1500   # all 400 states with 4 arcs each
    assert sizes[2] < 4 * 40
    assert costs == sorted(costs)
    assert costs[3] > costs[0]


def test_rank_is_that_of_sorting():
    rng = np.random.default_rng(12)
    for _ in range(200):
        values = rng.integers(0, 30, rng.integers(1, 60)).astype(float)
        rank = int(rng.integers(len(values)))
        assert _smallest(values, rank) == np.sort(values)[rank]


def test_min_active_widens_a_narrow_beam():
    rng = np.random.default_rng(9)
    fst = random_graph(rng, num_states=60, num_tids=10, num_arcs=400, epsilons=0.0)
    graph = DecodingGraph(fst, tid2pdf_of(10))
    scores = rng.normal(0, 4, (80, 5)).astype(np.float32)
    narrow = DecodeOptions(beam=0.5, lattice_beam=0.4, min_active=0, acwt=1.0)
    wide = narrow._replace(min_active=50)
    exact = sum(LatticeDecoder(graph, WIDE).decode(scores).best_path()[2])
    costs = [sum(LatticeDecoder(graph, o).decode(scores).best_path()[2]) for o in (narrow, wide)]
    assert costs[1] == pytest.approx(exact, abs=1e-3)
    assert costs[0] > costs[1]


def test_no_final_state_is_told_and_any_end_taken():
    fst = from_arcs(0, 3, [0, 1], [1, 2], [1, 2], [5, 6], [0, 0], [np.inf, np.inf, 0])
    decoder = LatticeDecoder(DecodingGraph(fst, tid2pdf_of(2)), WIDE)
    lattice = decoder.decode(np.zeros((1, 1), np.float32))
    assert not decoder.reached_final
    assert lattice.best_path()[:2] == ([5], [1])
    lattice = decoder.decode(np.zeros((2, 1), np.float32))
    assert decoder.reached_final
    lattice = decoder.decode(np.zeros((3, 1), np.float32))   # the graph ends before the sound
    assert lattice.num_states == 0
    assert lattice.best_path() == ([], [], (np.inf, np.inf))


def test_memory_is_bounded_by_the_lattice():
    rng = np.random.default_rng(10)
    fst = random_graph(rng, num_states=200, num_tids=20, num_arcs=1000, epsilons=0.1)
    decoder = LatticeDecoder(DecodingGraph(fst, tid2pdf_of(20)),
                             DecodeOptions(beam=20, lattice_beam=1.0, acwt=1.0,
                                           prune_links=1 << 14))
    for _ in range(20):
        decoder.advance(rng.normal(0, 3, (500, 10)).astype(np.float32))
    links = decoder._frames[1][:, 0]
    assert links[-1] < 2 * 10000 * 10          # of about 900 a frame that were searched
    assert len(decoder._links[0]) < 10**6


def test_a_loop_without_transition_ids_is_an_error():
    fst = from_arcs(0, 2, [0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 0, 0], [1, 1, 1], [np.inf, 0])
    with pytest.raises(UserError, match=r"HCLG.fst: .*loop of arcs"):
        DecodingGraph(fst, tid2pdf_of(2), "HCLG.fst")


def test_other_models_graph_is_an_error():
    for wrong in (9, -99):
        fst = from_arcs(0, 2, [0], [1], [wrong], [0], [0], [np.inf, 0])
        with pytest.raises(UserError, match=f"g: transition-id {wrong}, but the model has 4"):
            DecodingGraph(fst, tid2pdf_of(4), "g")


def test_scores_of_too_few_pdfs():
    fst = random_graph(np.random.default_rng(0))
    decoder = LatticeDecoder(DecodingGraph(fst, tid2pdf_of(6)), WIDE)
    with pytest.raises(ValueError, match="3 pdfs"):
        decoder.advance(np.zeros((5, 2), np.float32))
    for beam, max_active in itertools.product([0.0, -1.0], [10]):
        with pytest.raises(ValueError, match="positive"):
            LatticeDecoder(decoder.graph, DecodeOptions(beam=beam, max_active=max_active))
