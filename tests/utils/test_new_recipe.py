"""A recipe of one's own, from a folder of recordings to monophones."""

import csv
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steps.hmm.textgrid import format_textgrid
from tests import recipe_runs
from utils.data.datadir import DataDir
from utils.data.tables import read_table
from utils.new_recipe import main
from utils.step import ROOT, UserError


@pytest.fixture
def corpus(tiny, tmp_path):
    """The tiny corpus as people have theirs: rec/*.wav and table.csv, capitals and full stops."""
    (tmp_path / "rec").mkdir()
    rows = [("File name", "Sentence", "Reader")]
    for part in ("train", "test"):
        data = DataDir(tiny / "data" / part)
        for utt, words in data.text.items():
            shutil.copy(data.wav_scp[utt], tmp_path / "rec")
            rows.append((f"{utt}.wav", f"{words.capitalize()}.", data.utt2spk[utt]))
    write_table(tmp_path / "table.csv", rows)
    return tmp_path


def write_table(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def run(recipe, *options):
    """run.sh's stderr, as a user's shell has it: without the tests' environment."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONSAFEPATH")}
    done = subprocess.run([recipe / "run.sh", *options], cwd=recipe.parent, env=environment,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def option(path, name):
    return re.search(rf"^--{name}=(\S+)", path.read_text(), re.M)[1]


def test_from_a_folder_to_monophones(corpus, capsys):
    recipe = corpus / "mylang"
    assert main(["--nj", "1", "--table", corpus / "table.csv", corpus / "rec", recipe]) == 0
    told = capsys.readouterr().out
    assert "50 utterances, 7 speakers" in told and "minutes to train on teach little" in told
    assert (recipe / "README.md").read_text().startswith("# mylang\n")
    mono = recipe / "conf/mono.conf"   # less than it chose, to be quick
    mono.write_text(mono.read_text() + "--num-iters=6\n")
    log = run(recipe, "--stop-stage", "3")
    sets = {name: DataDir(recipe / "data" / name) for name in ("train", "dev", "test")}
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert not set(sets[one].spk2utt) & set(sets[other].spk2utt)
        assert not set(sets[one].text.values()) & set(sets[other].text.values())
    numbers = json.loads((recipe / "conf/corpus.json").read_text())
    train = sum(map(float, read_table(recipe / "data/train/utt2dur").values())) / 3600 \
        if (recipe / "data/train/utt2dur").exists() else numbers["hours"]["train"]
    assert numbers["hours"]["train"] == pytest.approx(train, rel=0.01)
    assert set("".join(sets["train"].text.values())) == set("oanmfsie ")
    assert re.search(r"align: (\d+) of \1 utterances aligned", log)
    assert (recipe / "exp/mono_ali/ali.1.gz").is_file()
    assert run(recipe, "--stop-stage", "1").count("up to date") == 7
    # What is changed in conf/ counts from there on.
    rules = recipe / "conf/normalise.tsv"
    rules.write_text(rules.read_text() + "map\tmano\tmanu\n")
    run(recipe, "--stop-stage", "0")
    text = " ".join(read_table(recipe / "data/train/text").values())
    assert "manu" in text and "mano" not in text


def test_from_a_folder_to_a_package(corpus, server):
    recipe = corpus / "mylang"
    main(["--nj", "1", "--table", corpus / "table.csv", corpus / "rec", recipe])
    quicker = {"mono.conf": "--num-iters=6", "nnet.conf": "--num-epochs=3\n--xla=false\n"
               "--sizes=hidden_dim=48 offsets=1,2\n--batch-size=4\n--learning-rate=0.005",
               "mmi.conf": "--num-epochs=1\n--xla=false\n--batch-size=4",
               "tri.conf": "--num-iters=6\n--realign-iters=3 5\n--tree-threshold=250",
               "quantize.conf": "--no-gate"}
    for name, lines in quicker.items():
        with (recipe / "conf" / name).open("a") as file:
            file.write(f"{lines}\n")
    recipe_runs.run(recipe / "run.sh", server=server)
    lines = (recipe / "exp/results").read_text().splitlines()
    assert [re.search(r"exp/(\S+)/decode_test", line)[1] for line in lines] == [
        "mono", "tri1", "tri2b", "tri3b", "scratch/0", "scratch_mmi/0", "small"]
    assert all(float(line.split()[1]) < 50 for line in lines), lines
    assert (recipe / "exp/package.zip").is_file()
    assert "scratch/0" in (recipe / "exp/report.html").read_text("utf-8")
    card = json.loads((recipe / "exp/package/card.json").read_text())
    assert "mylang" in json.dumps(card)


def test_help_shows_the_recipes_own(corpus):
    recipe = corpus / "mylang"
    main([corpus / "rec", recipe, "--table", corpus / "table.csv", "--lexicon", "subwords"])
    told = subprocess.run([recipe / "run.sh", "--help"], capture_output=True, text=True,
                          check=True).stdout
    assert told.startswith("mylang: a recogniser from 1.0 minutes of speech of ")
    assert f"(default {corpus}/rec)" in told and "(default subwords)" in told
    for name in ("steps", "utils"):
        assert (recipe / name).resolve() == ROOT / name
    assert option(recipe / "conf/corpus.conf", "speaker-column") == "Reader"
    assert option(recipe / "conf/corpus.conf", "path-column") == "File"   # File name


def test_it_does_not_write_over_what_is_there(corpus):
    arguments = ["--table", corpus / "table.csv", corpus / "rec", corpus / "mylang"]
    (corpus / "mylang").mkdir()
    (corpus / "mylang/run.sh").touch()
    with pytest.raises(UserError, match=r"is there, and not made by new_recipe\.py"):
        main(arguments)
    (corpus / "mylang/run.sh").unlink()
    main(arguments)
    with pytest.raises(UserError, match=r"is there already \(--force writes"):
        main(arguments)
    (corpus / "mylang/run.sh").write_text("spoilt")
    main(["--force", *arguments])
    assert "begin 0" in (corpus / "mylang/run.sh").read_text()
    with pytest.raises(UserError, match=r"run\.sh: is a file, and a directory is to be there"):
        main([*arguments[:-1], corpus / "mylang/run.sh/recipe"])


def test_the_lines_to_go_on_with_can_be_pasted(corpus, capsys):
    main(["--table", corpus / "table.csv", corpus / "rec", corpus / "my language"])
    assert f"\n  cd '{corpus}/my language'\n  ./run.sh" in capsys.readouterr().err


def test_what_is_suspicious_is_told_with_its_line(corpus, capsys):
    rows = list(csv.reader((corpus / "table.csv").open()))
    rows[1][1] = ""
    rows[2][1] = "Mano " * 60
    rows[3][1] = "Manq"
    soundfile.write(corpus / "rec" / rows[4][0], np.zeros(16000), 16000)
    write_table(corpus / "table.csv", rows)
    main(["--table", corpus / "table.csv", corpus / "rec", corpus / "mylang"])
    told = (corpus / "mylang/conf/suspicious.tsv").read_text()
    for line, what in ((2, "no transcript"), (3, "letters in"), (4, "q, which occurs once"),
                       (5, "silent, -")):
        assert re.search(rf"table\.csv:{line}\t.*{what}", told), told
    exclude = read_table(corpus / "mylang/conf/exclude")
    assert {"ana-001", "ana-002", "ana-004"} <= set(exclude) and "ana-003" not in exclude
    assert "cannot be used and are left out" in capsys.readouterr().out


def test_the_tables_own_sets_and_a_telephone(corpus, tmp_path):
    rows = list(csv.reader((corpus / "table.csv").open()))
    names = ["set"] + ["validation" if i % 5 == 1 else "test" if i % 5 == 2 else
                       "invalidated" if i % 10 == 3 else "train" for i in range(len(rows) - 1)]
    write_table(corpus / "table.csv", [[*row, name] for row, name in
                                       zip(rows, names, strict=True)])
    for path in (corpus / "rec").iterdir():
        samples, rate = soundfile.read(path)
        soundfile.write(path, np.stack([samples[::2]] * 2, axis=1), rate // 2)
    main(["--table", corpus / "table.csv", corpus / "rec", corpus / "mylang"])
    conf = corpus / "mylang/conf"
    assert len(read_table_keys(conf / "dev")) == len(read_table_keys(conf / "test")) == 10
    others = [line for line in (conf / "exclude").read_text().splitlines() if "invalidated" in line]
    assert len(others) == 5
    assert "as a column of the table says" in (corpus / "mylang/README.md").read_text()
    for name in ("mfcc.conf", "nnet_feats.conf"):
        assert (option(conf / name, "sample-rate"), option(conf / name, "channel")) == ("8000",
                                                                                        "mix")


@pytest.mark.parametrize("header, columns", [
    (("file", "Text #", "reader"), ("file", "2", "reader")),
    (("file", "what is\nsaid", "reader"), ("file", "2", "reader")),
    (("column", "column", "reader"), ("1", "2", "reader"))])
def test_columns_whose_names_no_conf_file_can_hold(corpus, header, columns):
    table, recipe = corpus / "table.csv", corpus / "mylang"
    with table.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    write_table(table, [header, *rows])
    main(["--table", table, corpus / "rec", recipe])
    assert tuple(option(recipe / "conf/corpus.conf", f"{role}-column")
                 for role in ("path", "text", "speaker")) == columns
    run(recipe, "--stop-stage", "0")
    assert DataDir(recipe / "data/train").text["ana-001"] == rows[0][1].lower().strip(".")


def test_rules_for_the_lms_text_too(corpus):
    (corpus / "news.txt").write_text("«Fasi» mano\n", "utf-8")
    main(["--table", corpus / "table.csv", "--lm-text", corpus / "news.txt", corpus / "rec",
          corpus / "mylang"])
    assert "\nspace\t.«»\n" in (corpus / "mylang/conf/normalise.tsv").read_text("utf-8")


def test_white_space_that_a_conf_file_loses(corpus):
    table, recipe = corpus / "table.csv", corpus / "mylang"
    table.write_text(table.read_text().replace(",", "\t"))
    main(["--table", table, "--delimiter", "\t", corpus / "rec", recipe])
    assert option(recipe / "conf/corpus.conf", "delimiter") == "tab"
    run(recipe, "--stop-stage", "0")


def test_too_few_utterances_and_why(corpus):
    table = corpus / "table.csv"
    write_table(table, [("file", "text"), ("ana-001.wav", "?!"), ("ana-002.wav", "fasi")])
    with pytest.raises(UserError, match=r"1 utterances are left, of 2; 1 cannot be used, such as "
                                        r"speaker-ana_001: nothing left of its transcript \(ten "):
        main(["--table", table, corpus / "rec", corpus / "mylang"])
    assert not (corpus / "mylang").exists()


def test_a_value_that_is_refused_leaves_nothing(corpus):
    (corpus / "rec").rename(corpus / "rec$6")
    with pytest.raises(UserError, match=r"cannot stand in run.sh"):
        main(["--table", corpus / "table.csv", corpus / "rec$6", corpus / "mylang"])
    assert not (corpus / "mylang").exists()


def test_what_its_user_wrote_stays(corpus):
    command = ["--table", corpus / "table.csv", corpus / "rec", corpus / "mylang"]
    main(command)
    (corpus / "mylang/RESULTS").write_text("mine\n")
    (corpus / "mylang/conf/mfcc.conf").write_text("changed\n")
    main(["--force", *command])
    assert (corpus / "mylang/RESULTS").read_text() == "mine\n"
    assert (corpus / "mylang/conf/mfcc.conf").read_text() != "changed\n"


def read_table_keys(path):
    return [line.split()[0] for line in path.read_text().splitlines() if line[0] != "#"]


def test_a_source_gives_its_features(corpus, tmp_path):
    network = tmp_path / "network"
    network.mkdir()
    for name in ("final.keras", "config.json", "final.mdl", "tree", "phones.txt", "priors"):
        (network / name).write_text("{}")
    (network / "front_end.json").write_text(json.dumps({"feats": {
        "kind": "mfcc", "feat_dim": 40, "sample_rate": 8000, "num_ceps": 40, "fingerprint": ""}}))
    main(["--source", network, "--table", corpus / "table.csv", corpus / "rec",
          corpus / "mylang"])
    recipe = corpus / "mylang"
    assert f"\nsource={network}   #" in (recipe / "run.sh").read_text()
    assert "\nfeats=mfcc   #" in (recipe / "run.sh").read_text()
    assert option(recipe / "conf/nnet_feats.conf", "num-ceps") == "40"
    assert "num-mel-bins" not in (recipe / "conf/nnet_feats.conf").read_text()
    assert option(recipe / "conf/mfcc.conf", "sample-rate") == "8000"


def test_textgrids_of_one_speaker(tiny, tmp_path, capsys):
    folder = tmp_path / "rec"
    folder.mkdir()
    data = DataDir(tiny / "data/train")
    for i, spk in enumerate(("ana", "ben")):
        parts, intervals, at = [], [], 0.0
        for utt in data.spk2utt[spk]:
            samples, rate = soundfile.read(data.wav_scp[utt])
            parts.append(samples)
            intervals.append((data.text[utt], at, at + len(samples) / rate))
            at += len(samples) / rate
        soundfile.write(folder / f"day{i}.wav", np.concatenate(parts), rate)
        (folder / f"day{i}.TextGrid").write_text(format_textgrid({"text": intervals}, at))
    main([folder, tmp_path / "mylang"])
    assert "count as one speaker's" in capsys.readouterr().out
    run(tmp_path / "mylang", "--stop-stage", "1")
    sets = {name: DataDir(tmp_path / "mylang/data" / name) for name in ("train", "dev", "test")}
    assert sum(len(d.utts) for d in sets.values()) + len(
        Path(tmp_path / "mylang/data/apart.tsv").read_text().splitlines()) == 16
    assert sets["train"].segments


def test_options_that_cannot_be(corpus):
    arguments = ["--table", corpus / "table.csv", corpus / "rec", corpus / "mylang"]
    with pytest.raises(UserError, match="eSpeak NG has no such language, but "):
        main(["--language", "sw-xx", *arguments])
    with pytest.raises(UserError, match="neither graphemes, subwords, espeak, espeak:CODE"):
        main(["--lexicon", "letters", *arguments])
    with pytest.raises(UserError, match="espeak of which language"):
        main(["--lexicon", "espeak", *arguments])
    with pytest.raises(UserError, match=r"table\.csv: no column Speaker"):
        main(["--speaker-column", "Speaker", *arguments])
    with pytest.raises(SystemExit, match="--nj: must be at least 1, not -1"):
        main(["--nj", "-1", *arguments])
    assert not (corpus / "mylang").exists()
