"""A recipe of which everything was run that a report shows, made by hand and in a second."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from steps.score import learning_curve, score, table
from tests.steps.decode.conftest import system  # noqa: F401  a fixture
from tests.steps.score.scored import chain, make_data, make_decode

EVIL = ["<script>alert(1)</script>", '"><img/src=x/onerror=alert(2)>', "</style>'&amp;"]
WORDS = ["<eps>", "yes", "no", "go", *EVIL]
RATE = 8000


def write_log(directory, epochs, valid=True):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "train.log.jsonl").write_text("".join(json.dumps(
        {"epoch": n, "step": 10 * n, "learning_rate": 0.01, "loss": 3 / n, "accuracy": 0.2 * n,
         "valid_loss": 4 / n if valid else None, "valid_accuracy": 0.1 * n if valid else None,
         "seconds": 61.0}) + "\n" for n in range(1, epochs + 1)))


def write_png(path):
    from matplotlib.image import imsave
    imsave(path, np.zeros((40, 60, 3)))


def make_sound(data):
    rng = np.random.default_rng(1)
    lines = []
    for line in (data / "text").read_text().splitlines():
        utt = line.split()[0]
        path = data / f"{len(lines)}.wav"
        soundfile.write(path, rng.normal(0, 0.1, RATE * 2).astype(np.float32), RATE)
        lines.append(f"{utt} {path}\n")
    (data / "wav.scp").write_text("".join(lines))


def scored(data, decode, words, *options):
    """A decode directory with a lattice of these words for each utterance, scored."""
    make_decode(decode, [{utt: chain(*ids) for utt, ids in words.items()}])
    graph = decode.parent / "graph"
    graph.mkdir(exist_ok=True)
    (graph / "words.txt").write_text("".join(f"{w} {i}\n" for i, w in enumerate(WORDS)))
    assert score.main(["--nj", "1", "--min-lmwt", "8", "--max-lmwt", "9", *options, data, graph,
                       decode]) == 0


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """Paths of .exp and .data; not to be written into. Words and names are as evil as they get."""
    root = tmp_path_factory.mktemp("report") / "<b>recipe"
    exp, data = root / "exp", root / "data"
    for lang, names in (("fr", ("ann", "bob", "<i>eve")), ("cy", ("dai", "mair"))):
        for part in ("dev", "test"):
            texts = {f"{spk}-{part}{n}": f"yes go {EVIL[n]} no" for spk in names for n in range(3)}
            make_sound(make_data(data / lang / part, texts))
        for name, right in (("mono", 1), ("tdnn/0", 3), ("tdnn/1", 2)):
            for part in ("dev", "test"):
                words = {f"{spk}-{part}{n}": [1, 3, 4 + n, 2][:right + n] + [6] * (n == 1)
                         for spk in names for n in range(3)}
                dev = exp / lang / name / "decode_dev"
                scored(data / lang / part, exp / lang / name / f"decode_{part}", words,
                       *(["--dev", dev] if part == "test" else []))
            if name != "mono":
                write_log(exp / lang / name, 4, valid=lang == "fr")
    (exp / "stages.tsv").write_text("0\tdata <x>\t100\t160\n1\tall the rest\t160\t4000\n")
    fr = exp / "fr"
    seeds = f"{fr}/tdnn/0/decode_test,{fr}/tdnn/1/decode_test"
    table.main(["--baseline", "mono", "--out", fr / "table", f"mono={fr}/mono/decode_test",
                f"tdnn={seeds}"])
    small = exp / "fr/small"
    small.mkdir()
    (small / "benchmark.json").write_text("{}")
    (small / "benchmark.txt").write_text(table.aligned(
        [["variant", "bytes", "%WER"], ["float", "1000000", "9.00"], ["<int8>", "260000", "9.10"]]))
    for name in ("size.png", "speed.png"):
        write_png(small / name)
    learning_curve.main([exp / "learning_curve.png", f"<u>GMM:5={fr}/mono/decode_test",
                         f"<u>GMM:60={fr}/tdnn/0/decode_test", f"tdnn:60={seeds}"])
    return SimpleNamespace(root=root, exp=exp, data=data)
