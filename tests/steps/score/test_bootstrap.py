import numpy as np
import pytest

from steps.score import compare_wer
from steps.score import score as score_step
from steps.score.bootstrap import interval, paired_comparison, resampled_sums, sums_by
from tests.steps.score.scored import chain, make_data, make_decode, make_graph
from utils.step import UserError


def test_interval_is_the_binomials_where_words_are_independent():
    # One word an utterance: the error rate's deviation is sqrt(p (1 - p) / n).
    errors = np.array([1] * 80 + [0] * 320)
    low, high = interval(errors, np.ones(400, int))
    deviation = 100 * np.sqrt(0.2 * 0.8 / 400)
    assert low == pytest.approx(20 - 1.96 * deviation, abs=0.3)
    assert high == pytest.approx(20 + 1.96 * deviation, abs=0.3)


def test_seeded_and_chunked():
    values = np.arange(30).reshape(10, 3)
    sums = resampled_sums(values, seed=4, num_replicates=500)
    assert np.array_equal(sums, resampled_sums(values, seed=4, num_replicates=500))
    assert not np.array_equal(sums, resampled_sums(values, seed=5, num_replicates=500))
    assert sums.mean(0) == pytest.approx(values.sum(0), rel=0.03)
    wide = resampled_sums(np.ones((700_000, 1), int), num_replicates=5)   # two to a chunk
    assert wide.tolist() == [[700_000]] * 5


def test_nothing_to_resample():
    assert np.isnan(interval([0], [0])).all()


def test_replicates_without_words_are_no_rates():
    errors, words = [1, 1, 3], [4, 4, 0]      # of the third nothing was said
    # With words: one of the two at least, and at most two of the third.
    assert interval(errors, words, level=1) == (25, pytest.approx(100 * 7 / 4))
    result = paired_comparison(np.array([0, 0, 0]), np.array(errors), np.array(words), level=1)
    assert (result["low"], result["high"]) == (25, pytest.approx(100 * 7 / 4))
    assert np.isnan(interval([0, 1], [1, 0], num_replicates=1)).all()     # the second twice


def test_paired_comparison():
    rng = np.random.default_rng(0)
    words = np.full(200, 10)
    a = rng.integers(0, 5, 200)
    b = np.maximum(a - (rng.random(200) < 0.3), 0)
    result = paired_comparison(a, b, words)
    assert result["better"] > 0.999 and result["high"] < 0 and result["p"] < 0.002
    assert paired_comparison(b, a, words)["p"] == result["p"]
    far = paired_comparison(np.full(200, 9), np.zeros(200, int), words, num_replicates=999)
    assert far["better"] == 1 and far["p"] == pytest.approx(2 / 1000)     # never 0
    assert result["difference"] == pytest.approx(100 * (b.sum() - a.sum()) / 2000)
    assert result["low"] < result["difference"] < result["high"]
    # The pairing is what makes a small difference visible: apart, the intervals overlap.
    assert interval(b, words)[1] > interval(a, words)[0]
    same = paired_comparison(a, a, words)
    assert same["better"] == 0 and same["equal"] == same["p"] == 1 and same["difference"] == 0


def test_sums_by():
    names, sums = sums_by(["b", "a", "b"], [[1, 10], [2, 20], [3, 30]])
    assert names == ["a", "b"] and sums.tolist() == [[2, 20], [4, 40]]


@pytest.fixture
def decodes(tmp_path):
    """Two decodes of 12 utterances of 3 speakers: a with 6 errors, b with 1, all a's too."""
    utts = [f"{spk}-{i}" for spk in ["ann", "bob", "cat"] for i in range(4)]
    data = make_data(tmp_path / "data", dict.fromkeys(utts, "yes no"))
    graph = make_graph(tmp_path / "graph")
    for name, wrong in (("a", utts[::2]), ("b", utts[:1])):
        decode = make_decode(tmp_path / name, [{u: chain(1, 3 if u in wrong else 2)
                                                for u in utts}])
        score_step.main(["--nj", "1", "--max-lmwt", "7", "--word-ins-penalty", "0.0",
                         data, graph, decode])
    return data, graph, tmp_path / "a", tmp_path / "b"


@pytest.mark.parametrize("options", [[], ["--unit", "speaker"], ["--cer"]])
def test_compare_wer(decodes, capsys, options):
    _, _, a, b = decodes
    capsys.readouterr()
    assert compare_wer.main([*options, a, b]) == 0
    out = capsys.readouterr().out
    if options != ["--cer"]:
        assert "A %WER 25.00 [ 6 / 24, 0 ins, 0 del, 6 sub ]" in out
        assert "B - A -20.83 points" in out
    # All three speakers have at least one error fewer in b; so has every replicate of them.
    expected = 1.0 if options == ["--unit", "speaker"] else 0.99
    assert float(out.split("probability ")[1].split(",")[0]) >= expected
    assert compare_wer.main([*options, b, a]) == 0
    assert "better with probability 0.0000" in capsys.readouterr().out


def test_compare_refuses_other_references(decodes, tmp_path):
    data, graph, a, b = decodes
    text = data / "text"
    text.write_text(text.read_text().replace("bob-0 yes no", "bob-0 yes yes"))
    score_step.main(["--nj", "1", "--max-lmwt", "7", "--word-ins-penalty", "0.0", data, graph, b])
    with pytest.raises(UserError, match=r'bob-0 is "yes yes", but in .*ref.txt it is "yes no"'):
        compare_wer.main([a, b])
    with pytest.raises(UserError, match="graph: not scored yet"):
        compare_wer.main([a, graph])


def test_counts_that_are_damaged_are_named(decodes):
    *_, a, b = decodes
    path = b / "scoring/utts.tsv"
    whole = path.read_text()
    for text in (whole[:-3], whole.replace("\t2\t", "\tx\t", 1), "utt\tspk\nann-0\tann\n"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"utts\.tsv:\d+: expected utt, spk and 8 counts"):
            compare_wer.main([a, b])
    path.unlink()
    with pytest.raises(UserError, match=r"utts\.tsv: no such file"):
        compare_wer.main([a, b])


def test_one_speaker_cannot_be_resampled(decodes, tmp_path):
    _, _, a, b = decodes
    for directory in (a, b):
        table = directory / "scoring/utts.tsv"
        head, *rows = (line.split("\t") for line in table.read_text().splitlines())
        place = head.index("spk")
        table.write_text("".join("\t".join(
            [*row[:place], "one" if row is not head else row[place], *row[place + 1:]]) + "\n"
            for row in [head, *rows]))
    with pytest.raises(UserError, match="has one speaker, which cannot be resampled"):
        compare_wer.main(["--unit", "speaker", a, b])


def test_compare_refuses_characters_counted_otherwise(decodes):
    data, graph, a, b = decodes
    score_step.main(["--nj", "1", "--max-lmwt", "7", "--word-ins-penalty", "0.0", "--cer-spaces",
                     data, graph, b])
    assert compare_wer.main([a, b]) == 0
    with pytest.raises(UserError, match=r"counts 72 characters, and .*a/scoring.* 60 .score both"):
        compare_wer.main(["--cer", a, b])
