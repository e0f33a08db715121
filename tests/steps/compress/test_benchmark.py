"""The table of variants and its pictures."""

import json
import re
import shutil

import pytest

from steps.compress import benchmark, measure, pareto, quantize
from utils.step import UserError


def test_the_front_by_hand():
    points = [(5, 1.0), (1, 3.0), (2, 2.0), (3, 2.5), (6, 1.0), (2, 2.2)]
    assert pareto.front(points) == [1, 2, 0]
    assert pareto.front([(10, 2.0), (20, 3.0), (5, 2.0), (20, 2.5)], True) == [0, 3]


def test_names_of_neighbours_do_not_lie_on_each_other():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    points = [(3.0, 4.0), (3.0, 4.1), (3.1, 4.0), (2.9, 4.2), (3.0, 4.3), (1.0, 8.0)]
    names = [f"variant{number}-int8" for number in range(len(points))]
    figure = Figure(figsize=(7, 5))
    axis = figure.subplots()
    axis.scatter(*zip(*points, strict=True))
    axis.margins(0.3)
    FigureCanvasAgg(figure).draw()
    pareto.write_names(axis, names, points)
    texts = [text for text in axis.texts if text.get_text()]
    assert [text.get_text() for text in texts] == names
    boxes = [text.get_window_extent() for text in texts]
    pixels = axis.transData.transform(points)
    for number, box in enumerate(boxes):
        assert not box.count_overlaps(boxes[:number])
        assert not box.count_contains(pixels)
        assert axis.bbox.count_contains(box.corners()) == 4


def test_dollars_are_no_formulas(tmp_path):
    pareto.draw(tmp_path / "x.png", ["$^$", "b"], [(1, 2.0), (2, 1.0)], "MB")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_all_take_turns():
    now, order = [0.0], []

    def run(name, seconds):
        def work(utt):
            order.append((name, utt))
            now[0] += seconds * (1 + utt)
        return work

    found = measure.speeds({"a": run("a", 0.5), "b": run("b", 0.1)}, [4.0, 8.0], 3,
                           lambda: now[0])
    assert found == pytest.approx({"a": 12 / 1.5, "b": 12 / 0.3})
    assert len(order) == 2 + 3 * 4
    assert order[2:6] == [("a", 0), ("b", 0), ("b", 1), ("a", 1)]


@pytest.fixture(scope="module")
def variants(scored, tmp_path_factory):
    root = tmp_path_factory.mktemp("variants")
    quantize.main([scored.network, root / "int8"])
    decode = scored.baseline
    return [f"float={scored.network},{decode},{decode}", f"int8={root}/int8,{decode},{decode}"]


def test_variants_become_a_table_and_pictures(scored, variants, tmp_path, capsys):
    command = ["--utts", "2", "--rounds", "1", "--graph", scored.graph, scored.dev,
               tmp_path / "out", *variants]
    assert benchmark.main(command) == 0
    table = capsys.readouterr().out
    assert table == (tmp_path / "out/benchmark.txt").read_text()
    assert [line.split()[0] for line in table.splitlines()] == ["variant", "float", "int8"]
    found = json.loads((tmp_path / "out/benchmark.json").read_text())
    assert found["utts"] == 2
    wide, narrow = found["variants"]["float"], found["variants"]["int8"]
    assert narrow["bytes"] < wide["bytes"]
    assert narrow["weights"] == wide["weights"] >= wide["nonzero"] >= narrow["nonzero"] > 0
    assert wide["bytes"] == (tmp_path / "out/float32/float.tflite").stat().st_size
    for row in (wide, narrow):
        assert row["one_core"] > row["with_search"] > 0
        assert 20 < row["memory"] < 400
    assert narrow["p"] == 1.0
    for name in ("size.png", "speed.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    benchmark.main(command)
    assert "up to date" in capsys.readouterr().err


def test_without_word_errors_there_are_no_pictures(scored, variants, tmp_path):
    benchmark.main(["--utts", "1", "--rounds", "1", scored.dev, tmp_path / "out",
                    *(text.split(",")[0] for text in variants)])
    assert not (tmp_path / "out/size.png").exists()
    assert "WER" not in (tmp_path / "out/benchmark.txt").read_text()


def test_words_of_another_network_are_refused(scored, variants, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(scored.network, other, ignore=shutil.ignore_patterns("decode_dev"))
    (other / "final.keras").write_bytes((other / "final.keras").read_bytes() + b"trained again")
    with pytest.raises(UserError, match=f"decode_dev: is of another {other}/final.keras than it"):
        benchmark.main([scored.dev, tmp_path / "out", variants[0],
                        f"other={other},{scored.baseline},{scored.baseline}"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("change", "line"), [
    (lambda v: [*v, "x"], "x: is no variant (expected NAME=NETWORK,DEV,TEST)"),
    (lambda v: [v[0], v[0]], "a name stands for two variants"),
    (lambda v: [v[0], v[1].split(",")[0]], "int8: has 0 decode directories and float 2"),
    (lambda v: [v[0], v[1] + "x"], "decode_devx: not scored yet"),
])
def test_mistakes_are_told(scored, variants, tmp_path, change, line):
    with pytest.raises(UserError, match=re.escape(line)):
        benchmark.main([scored.dev, tmp_path / "out", *change(variants)])
    assert not (tmp_path / "out").exists()
