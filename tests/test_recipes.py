"""The recipes from end to end on little speech."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from egs.digits.local import prepare_data as prepare_digits
from tests.an4_layout import make_an4, subset_an4
from tests.fsdd_layout import SOUNDS, make_fsdd
from tests.mboshi_layout import make_mboshi
from tests.recipe_runs import quick_conf, run
from tests.speechocean762_layout import make_speechocean762
from utils.data.tables import read_table
from utils.step import ROOT

CORPORA = ROOT.parent / "shared/corpora"   # real speech, where a developer has put it
LINE = re.compile(r"%WER ([\d.]+) \[ \d+ / (\d+), .*\]  (\S+)  95 % ([\d.]+) to ([\d.]+), CER ")


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
    always = [line for line in steps if re.match(
        r"validate_|results|table|learning_curve|compare_wer|transcribe", line)]
    assert len(steps) - len(always) == len(idle) >= 10, "\n".join(steps)


@pytest.mark.parametrize("recipe", [ROOT / "run.sh", *sorted(ROOT.glob("egs/*/run.sh"))],
                         ids=lambda recipe: recipe.parent.name)
def test_help_and_mistakes(recipe):
    command = ["bash", recipe]
    text = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--stop-stage" in text and re.search(r"^ +[12]\d  word .*error rates$", text, re.M)
    wrong = subprocess.run([*command, "--nonsense", "1"], capture_output=True, text=True,
                           check=False)
    assert wrong.returncode == 1 and "no such option: --nonsense" in wrong.stderr


@pytest.mark.parametrize(("targets", "said"), [("", "--targets: is empty"),
                                               ("fr de", "de: no voice")])
def test_targets_that_cannot_be_synthesised(targets, said):
    done = subprocess.run(["bash", ROOT / "run.sh", "--stop-stage", "0", "--targets", targets],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"run.sh: {said}")


def test_an4_recipe_on_a_tiny_corpus(server, tiny, tmp_path):
    conf = quick_conf(ROOT / "egs/an4", tmp_path / "conf")
    corpus = make_an4(tmp_path / "an4", tiny)
    options = ["--corpus", corpus, "--data", tmp_path / "data", "--dict", tmp_path / "data/dict",
               "--exp", tmp_path / "exp", "--hold-out", 1, "--conf", conf, "--networks", "tdnn"]
    run(ROOT / "egs/an4/run.sh", *options, server=server)
    table = results(tmp_path / "exp/results")
    assert list(table) == ["mono", "tri1", "tri2b", "tri3b", "nnet/tdnn/0"]
    assert all(wer < 40 for wer, _ in table.values()), table
    assert "chosen on" in (tmp_path / "exp/results").read_text()
    assert "(Kaldi's way)" in (tmp_path / "exp/results").read_text()
    assert_nothing_to_do(run(ROOT / "egs/an4/run.sh", *options, server=server))


def test_speechocean762_recipe_on_a_tiny_corpus(server, tiny, tmp_path):
    # The held-out speakers' systems are trained as AN4's are, which is tested above.
    conf = quick_conf(ROOT / "egs/speechocean762", tmp_path / "conf")
    corpus = make_speechocean762(tmp_path / "speechocean762", tiny)
    run(ROOT / "egs/speechocean762/run.sh", "--corpus", corpus, "--data", tmp_path / "data",
        "--dict", tmp_path / "data/dict", "--exp", tmp_path / "exp", "--conf", conf,
        "--hold-out", 0, "--mixed", "tdnnf tdnnf_mmi", "--student", "true", "--nj", 1,
        server=server)
    table = results(tmp_path / "exp/results")
    assert list(table) == ["mono", "tri1", "tri2b", "tri3b", "nnet/tdnnf/0",
                           "nnet/tdnnf_mmi/0", "nnet/mix/0", "nnet/student/0",
                           "nnet/student_mmi/0", "nnet/mix_student/0", "together"]
    assert all(wer < 40 for wer, _ in table.values()), table
    scoring = tmp_path / "exp/tri3b/decode_test/scoring"
    assert "agegroup child, 5 utterances" in (scoring / "by_agegroup").read_text()
    assert "gender f, 5 utterances" in (scoring / "by_gender").read_text()


def test_root_recipe_on_a_tiny_corpus(root_recipe):
    path = root_recipe.seen
    for lang in ["en", "en-scotland", "en-caribbean", "fr"]:
        assert (path / "data" / lang / "lang_test/G.fst").is_file()
    table = results(path / "exp/results")
    systems = ["mono", "tri1", "tri2b", "tri3b", "tdnn"]
    assert list(table) == [*(f"en/{name}" for name in systems),
                           "fr/tri3b", "fr/tdnn", "fr/tdnn_transfer",
                           *(f"fr/tdnn_transfer/{name}" for name in
                             ("pruned", "int8", "int4", "pruned_int8", "source"))]
    # What 24 utterances of French teach is not much.
    assert all(words >= 50 and wer < (60 if name.startswith("en") else 100)
               for name, (wer, words) in table.items()), table
    assert table["fr/tdnn_transfer/source"][0] < 60     # what the source was is not all forgotten
    assert (path / "exp/fr/package.zip").is_file()
    assert "int4" in (path / "exp/fr/benchmark/benchmark.txt").read_text()
    assert "fr/tdnn_transfer/int8" in (path / "exp/report.html").read_text()
    assert_nothing_to_do(root_recipe.again)


def test_mboshi_recipe_up_to_the_grammars(tiny, tmp_path):
    data = tmp_path / "data"
    options = ["--corpus", make_mboshi(tmp_path / "mboshi", tiny), "--data", data, "--dev-size", 5,
               "--num-units", 20, "--sizes", "0.3 0.5 all", "--stop-stage", 3]
    run(ROOT / "egs/mboshi/run.sh", *options)
    utts = [set(read_table(data / f"train_{size}/text")) for size in ("0.3", "0.5", "all")]
    assert 0 < len(utts[0]) < len(utts[1]) < len(utts[2]) == 35
    assert utts[0] < utts[1] < utts[2]
    phones = (data / "lang/phones.txt").read_text("utf-8").splitlines()
    units = (data / "lang_bpe/phones.txt").read_text("utf-8").splitlines()
    assert [p for p in phones if p[0] != "#"] == [p for p in units if p[0] != "#"]
    assert (data / "lang_test/G.fst").is_file() and (data / "lang_test_bpe/bpe.model").is_file()
    assert_nothing_to_do(run(ROOT / "egs/mboshi/run.sh", *options))


def test_accent_recipe_up_to_the_grammars(tiny, tmp_path):
    data = tmp_path / "data"
    options = ["--an4", make_an4(tmp_path / "an4", tiny), "--speechocean762",
               make_speechocean762(tmp_path / "so", tiny), "--data", data, "--hold-out-an4", 2,
               "--hold-out-speechocean762", 2, "--stop-stage", 2]
    run(ROOT / "egs/accent/run.sh", *options, "--sizes", "0.2 all")
    part = data / "speechocean762/0.2/train"
    assert set(read_table(part / "spk2utt")) == {"ana", "ben", "cem"}
    assert set(read_table(part / "text")) < set(read_table(data / "speechocean762/all/train/text"))
    for side in ("an4", "speechocean762"):
        assert (data / side / "lang_test/G.fst").is_file()
    assert_nothing_to_do(run(ROOT / "egs/accent/run.sh", *options, "--sizes", "0.2 all"))
    run(ROOT / "egs/accent/run.sh", *options, "--source", "adults", "--target", "children",
        "--sizes", "0.2 all")
    assert list(read_table(data / "adults/all/train/spk2utt")) == ["ben"]
    assert list(read_table(data / "children/0.2/train/spk2utt")) == ["ana", "cem"]


def test_accent_recipe_on_a_tiny_corpus(server, tiny, tmp_path):
    conf = quick_conf(ROOT / "egs/accent", tmp_path / "conf")
    options = ["--an4", make_an4(tmp_path / "an4", tiny), "--speechocean762",
               make_speechocean762(tmp_path / "so", tiny), "--data", tmp_path / "data",
               "--exp", tmp_path / "exp", "--conf", conf, "--hold-out-an4", 2,
               "--hold-out-speechocean762", 2, "--sizes", "all",
               "--systems", "tri3b", "--small-size", "all", "--nj", 1,
               "--trained", "pruned50 half",
               "--quantized", "int8_static half-int8"]
    run(ROOT / "egs/accent/run.sh", *options, server=server)
    part = tmp_path / "exp/speechocean762/all"
    rows = [line.split() for line in (part / "table").read_text().splitlines()]
    assert [row[0] for row in rows] == [
        "system", "tri3b", "zero", "source", "source_sat", "scratch", "transfer", "kept",
        "scratch_sat", "transfer_sat", "kept_sat"]
    assert all(float(row[1]) < 40 for row in rows[-5:] if row[0] != "scratch_sat")
    assert (tmp_path / "exp/speechocean762/learning_curve.png").is_file()
    for suffix in ("", "_sat"):
        forgotten = (tmp_path / f"exp/speechocean762/forgotten{suffix}").read_text()
        assert f"kept{suffix}_all" in forgotten
    assert "half-int8" in (part / "small").read_text()
    assert (tmp_path / "exp/speechocean762/package.zip").is_file()
    assert_nothing_to_do(run(ROOT / "egs/accent/run.sh", *options, server=server))


@pytest.fixture(scope="module")
def english(server, tiny, tmp_path_factory):
    """Where the English of 8 kHz has made data/ and exp/, and its options; digits are in its lang.
    """
    directory = tmp_path_factory.mktemp("english")
    (directory / "utils").symlink_to(ROOT / "utils")     # as a recipe's folder has it
    conf = quick_conf(ROOT / "egs/english", directory / "conf")
    an4 = make_an4(directory / "an4", tiny)
    with (an4 / "etc/an4.dic").open("a") as lexicon:
        lexicon.writelines(f"{word} {' '.join(phones).upper()}\n" for word, phones in
                           zip(prepare_digits.WORDS, SOUNDS, strict=True))
    options = ["--an4", an4, "--speechocean762", make_speechocean762(directory / "so", tiny),
               "--hold-out-an4", 2, "--hold-out-speechocean762", 2, "--mfcc", "mfcc_8k", "--fbank",
               "fbank_8k", "--data", directory / "data", "--exp", directory / "exp", "--conf", conf,
               "--nj", 1]
    run(ROOT / "egs/english/run.sh", *options, server=server)
    return directory, options


def test_english_recipe_on_a_tiny_corpus(server, english):
    directory, options = english
    sizes = {"train": 48, "dev": 32, "test_an4": 10, "test_speechocean762": 10}
    assert {name: len(read_table(directory / "data" / name / "text")) for name in sizes} == sizes
    table = re.findall(r"^%WER ([\d.]+) .*/exp/(\S+)/decode_(\S+)  95",
                       (directory / "exp/results").read_text(), re.M)
    assert [name for _, name, _ in table[::2]] == ["mono", "tri1", "tri2b", "tri3b", "nnet/0"]
    assert all(float(wer) < 40 for wer, *_ in table), table
    assert_nothing_to_do(run(ROOT / "egs/english/run.sh", *options, server=server))


def test_mboshi_recipe_on_a_tiny_corpus(server, english, tiny, tmp_path):
    conf = quick_conf(ROOT / "egs/mboshi", tmp_path / "conf")
    shutil.copyfile(english[0] / "conf/fbank_8k.conf", conf / "fbank.conf")   # as its source
    options = ["--corpus", make_mboshi(tmp_path / "mboshi", tiny), "--data", tmp_path / "data",
               "--exp", tmp_path / "exp", "--conf", conf, "--dev-size", 5, "--num-units", 20,
               "--sizes", "all", "--systems", "tri3b tri3b_bpe",
               "--source-dir", english[0], "--source-data", english[0] / "data",
               "--source-exp", english[0] / "exp", "--methods", "new", "--mix-weights", "0.2",
               "--nj", 1, "--trained", "factored student", "--quantized", "int8 student-int4"]
    run(ROOT / "egs/mboshi/run.sh", *options, server=server)
    part = tmp_path / "exp/all"
    rows = {line.split()[0]: line.split()[1] for line in (part / "table").read_text().splitlines()}
    assert list(rows) == ["system", "tri3b", "tri3b_bpe", "zero", "scratch", "scratch_bpe",
                          "transfer", "transfer_bpe", "scratch_sat", "scratch_sat_bpe",
                          "transfer_sat", "transfer_sat_bpe"]
    assert "transfer_sat" in (part / "table_sat").read_text()
    assert float(rows["transfer"]) < 40 and float(rows["transfer_bpe"]) < 60, rows
    methods = [line.split()[0] for line in (part / "methods_test").read_text().splitlines()]
    assert methods == ["system", "scratch", "transfer", "new", "realigned", "mmi", "linear-0.2",
                       "loglinear-0.2", "multi", "multi_tuned"]
    assert "after_all" in (tmp_path / "exp/forgotten_an4").read_text()
    small = (part / "small").read_text()
    assert [line.split()[0] for line in small.splitlines()] == [
        "system", "float", "factored", "student", "int8", "student-int4"]
    assert (part / "transfer/0/benchmark/size.png").is_file()
    assert (tmp_path / "exp/learning_curve.png").is_file()
    assert (tmp_path / "exp/package.zip").is_file()
    assert_nothing_to_do(run(ROOT / "egs/mboshi/run.sh", *options, server=server))


def test_digits_recipe_on_a_tiny_corpus(server, english, tmp_path):
    conf = quick_conf(ROOT / "egs/digits", tmp_path / "conf")
    with (conf / "tri.conf").open("a") as file:
        file.write("--tree-threshold=100\n")   # ten words have few contexts
    options = ["--corpus", make_fsdd(tmp_path / "fsdd", takes=14), "--targets", "lucas",
               "--takes", "3", "--source-data", english[0] / "data", "--source-exp",
               english[0] / "exp", "--data", tmp_path / "data", "--exp", tmp_path / "exp",
               "--conf", conf, "--nj", 1]
    run(ROOT / "egs/digits/run.sh", *options, server=server)
    config = json.loads((tmp_path / "data/lucas/test/feats.json").read_text())
    assert config["sample_rate"] == 8000
    rows = {line.split()[0]: line.split()[1]
            for line in (tmp_path / "exp/table_3").read_text().splitlines()}
    assert list(rows) == ["system", "mono", "others", "fmllr", "map", "source", "scratch",
                          "transfer", "lhuc"]
    assert float(rows["transfer"]) < 40, rows
    assert_nothing_to_do(run(ROOT / "egs/digits/run.sh", *options, server=server))


@pytest.mark.skipif(not (CORPORA / "unpack").is_file(), reason=f"no real speech in {CORPORA}")
def test_an4_recipe_on_some_of_an4(server, tmp_path):
    subprocess.run([sys.executable, CORPORA / "unpack", "an4", tmp_path / "corpora"], check=True)
    corpus = subset_an4(tmp_path / "corpora/an4", tmp_path / "an4", train_spks=16, test_spks=5)
    conf = quick_conf(ROOT / "egs/an4", tmp_path / "conf")
    run(ROOT / "egs/an4/run.sh", "--corpus", corpus, "--data", tmp_path / "data",
        "--dict", tmp_path / "data/dict", "--exp", tmp_path / "exp", "--conf", conf,
        "--hold-out", 0, "--networks", "tdnn", server=server)
    table = results(tmp_path / "exp/results")
    assert all(words > 300 and wer < 40 for wer, words in table.values()), table
