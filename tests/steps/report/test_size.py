from matplotlib.image import imsave
from numpy import zeros

from steps.report.size import MAX_BYTES, benchmarks, find_benchmarks
from steps.score.table import aligned


def make(directory, text):
    directory.mkdir(parents=True)
    (directory / "benchmark.json").write_text("{}")
    (directory / "benchmark.txt").write_text(text)
    imsave(directory / "size.png", zeros((4, 4, 3)))
    return directory


def test_tables_and_pictures_of_each(tmp_path):
    rows = [["network", "bytes", "p"], ["float", "100", ""], ["<int8>", "25", "0.4"]]
    make(tmp_path / "fr/small", aligned(rows))
    make(tmp_path / "cy/small", aligned(rows))
    jsons, beside = find_benchmarks(tmp_path)
    assert len(jsons) == 2 and len(beside) == 4
    made = benchmarks(tmp_path, jsons)
    assert made.count("<h3>") == made.count("<table") == made.count("<img") == 2
    assert "<h3>fr/small</h3>" in made and "&lt;int8&gt;" in made
    assert benchmarks(tmp_path, []) is None


def test_lines_that_are_no_table_stay_lines(tmp_path):
    for name, text in (("a", "three words here\n"), ("b", ""), (
            "c", "network  bytes\na  much longer  line  than the head\n")):
        made = benchmarks(tmp_path, [make(tmp_path / name, text) / "benchmark.json"])
        assert "<table" not in made and f">{text}</pre>" in made


def test_a_picture_too_large_is_left_out(tmp_path):
    directory = make(tmp_path / "a", "x\n")
    (directory / "size.png").write_bytes(bytes(MAX_BYTES + 1))
    assert "<img" not in benchmarks(tmp_path, [directory / "benchmark.json"])
