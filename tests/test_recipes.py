"""The recipes from end to end on little speech."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.an4_layout import make_an4, subset_an4
from tests.speechocean762_layout import make_speechocean762
from utils.step import ROOT

CORPORA = ROOT.parent / "shared/corpora"   # real speech, where a developer has put it
LINE = re.compile(r"%WER ([\d.]+) \[ \d+ / (\d+), .*\]  (\S+)  95 % ([\d.]+) to ([\d.]+), CER ")

NETWORK = """--sizes=hidden_dim=48 offsets=1,2
--batch-size=4
--num-epochs=8
--learning-rate=0.005
--xla=false
"""


def run(recipe, *options):
    """A recipe's stderr; a failure shows the end of it."""
    command = ["bash", recipe, *map(str, options)]
    # pytest's own environment must not help the recipe along.
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=ROOT.parent, env=environment, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def quick_conf(recipe, directory):
    """A copy of a recipe's conf files, but for few Gaussians and iterations and a small network.

    Leaves gain little likelihood where there is little speech, and LDA needs 40 of them.
    """
    shutil.copytree(recipe / "conf", directory)
    for path in [*directory.glob("mono*.conf"), *directory.glob("tri*.conf")]:
        own = "" if path.stem == "mono" else "--realign-iters=3 6\n--tree-threshold=250\n"
        path.write_text(path.read_text() + "--total-gaussians=400\n--num-iters=7\n" + own)
    for path in [*directory.glob("nnet.conf"), *directory.glob("tdnn.conf")]:
        path.write_text(path.read_text() + NETWORK)
    return directory


def results(path):
    """{system's directory, such as en/mono: (WER, words)} of a table of results."""
    table = {}
    for line in path.read_text().splitlines():
        wer, words, decode, low, high = LINE.match(line).groups()
        assert float(low) <= float(wer) <= float(high)
        table[decode.split("exp/")[1].removesuffix("/decode_test")] = float(wer), int(words)
    return table


def assert_nothing_to_do(log):
    steps = [line for line in log.splitlines() if re.match(r"\w+: (steps|utils|local|egs)/", line)]
    idle = [line for line in log.splitlines() if "up to date" in line]
    always = [line for line in steps if re.match(r"validate_|results|table", line)]
    assert len(steps) - len(always) == len(idle) > 10, "\n".join(steps)


@pytest.mark.parametrize("recipe", [ROOT / "run.sh", ROOT / "egs/an4/run.sh",
                                    ROOT / "egs/speechocean762/run.sh"],
                         ids=["root", "an4", "speechocean762"])
def test_help_and_mistakes(recipe):
    command = ["bash", recipe]
    text = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--stop-stage" in text and re.search(r"^ +1[12]  word error rates$", text, re.M)
    wrong = subprocess.run([*command, "--nonsense", "1"], capture_output=True, text=True,
                           check=False)
    assert wrong.returncode == 1 and "no such option: --nonsense" in wrong.stderr


def test_an4_recipe_on_a_tiny_corpus(tiny, tmp_path):
    conf = quick_conf(ROOT / "egs/an4", tmp_path / "conf")
    corpus = make_an4(tmp_path / "an4", tiny)
    options = ["--corpus", corpus, "--data", tmp_path / "data", "--dict", tmp_path / "data/dict",
               "--exp", tmp_path / "exp", "--hold-out", 1, "--conf", conf]
    run(ROOT / "egs/an4/run.sh", *options)
    table = results(tmp_path / "exp/results")
    assert list(table) == ["mono", "tri1", "tri2b", "tri3b", "nnet/tdnn/0"]
    assert all(wer < 40 for wer, _ in table.values()), table
    assert "chosen on" in (tmp_path / "exp/results").read_text()
    assert "(Kaldi's way)" in (tmp_path / "exp/results").read_text()
    assert_nothing_to_do(run(ROOT / "egs/an4/run.sh", *options))


def test_speechocean762_recipe_on_a_tiny_corpus(tiny, tmp_path):
    # The held-out speakers' systems are trained as AN4's are, which is tested above.
    conf = quick_conf(ROOT / "egs/speechocean762", tmp_path / "conf")
    corpus = make_speechocean762(tmp_path / "speechocean762", tiny)
    run(ROOT / "egs/speechocean762/run.sh", "--corpus", corpus, "--data", tmp_path / "data",
        "--dict", tmp_path / "data/dict", "--exp", tmp_path / "exp", "--conf", conf,
        "--hold-out", 0, "--nj", 1)
    table = results(tmp_path / "exp/results")
    assert list(table) == ["mono", "tri1", "tri2b", "tri3b", "nnet/tdnn/0"]
    assert all(wer < 40 for wer, _ in table.values()), table
    scoring = tmp_path / "exp/tri3b/decode_test/scoring"
    assert "agegroup child, 5 utterances" in (scoring / "by_agegroup").read_text()
    assert "gender f, 5 utterances" in (scoring / "by_gender").read_text()


def test_root_recipe_on_a_tiny_corpus(tmp_path):
    conf = quick_conf(ROOT, tmp_path / "conf")
    options = ["--size", "tiny", "--corpus", tmp_path / "corpus", "--data", tmp_path / "data",
               "--exp", tmp_path / "exp", "--conf", conf, "--nj", 1]
    run(ROOT / "run.sh", *options, "--stop-stage", 2)
    for lang in ["en", "en-scotland", "en-caribbean", "fr"]:
        assert (tmp_path / "data" / lang / "lang_test/G.fst").is_file()
    # From here on one language tells enough.
    options.append("--targets=")
    run(ROOT / "run.sh", *options, "--stage", 3)
    table = results(tmp_path / "exp/results")
    assert list(table) == ["en/mono", "en/tri1", "en/tri2b", "en/tri3b", "en/tdnn"]
    assert all(words > 50 and wer < 60 for wer, words in table.values()), table
    assert_nothing_to_do(run(ROOT / "run.sh", *options))


@pytest.mark.skipif(not (CORPORA / "unpack").is_file(), reason=f"no real speech in {CORPORA}")
def test_an4_recipe_on_some_of_an4(tmp_path):
    subprocess.run([sys.executable, CORPORA / "unpack", "an4", tmp_path / "corpora"], check=True)
    corpus = subset_an4(tmp_path / "corpora/an4", tmp_path / "an4", train_spks=16, test_spks=5)
    conf = quick_conf(ROOT / "egs/an4", tmp_path / "conf")
    run(ROOT / "egs/an4/run.sh", "--corpus", corpus, "--data", tmp_path / "data",
        "--dict", tmp_path / "data/dict", "--exp", tmp_path / "exp", "--conf", conf,
        "--hold-out", 0)
    table = results(tmp_path / "exp/results")
    assert all(words > 300 and wer < 40 for wer, words in table.values()), table
