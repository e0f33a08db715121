import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from steps.hmm import train_deltas, train_lda_mllt, train_sat
from steps.hmm.ali import phones_of, read_ali, write_ali
from steps.hmm.model import read_model
from steps.hmm.tree import Tree
from tests.steps.hmm.conftest import keep
from utils.data.datadir import DataDir
from utils.lang import prepare_lang
from utils.lang.langdir import LangDir
from utils.step import ROOT, UserError

FAST = ["--nj", "1", "--num-leaves", "40", "--num-iters", "2", "--total-gaussians", "50",
        "--realign-iters", "9"]


def left(directory):
    return sorted(p.name for p in directory.iterdir()) if directory.exists() else []


def test_triphones(speech, mono_ali, tri1):
    tree = Tree.read(tri1 / "tree")
    transitions, model = read_model(tri1 / "final.mdl")
    assert (tree.context_width, tree.central_position) == (3, 1)
    assert model.num_pdfs == transitions.num_pdfs == tree.num_pdfs > 34
    assert model.num_gauss > model.num_pdfs
    lang, old = LangDir(speech.lang), read_model(mono_ali / "final.mdl")[0]
    before, after = read_ali(mono_ali), read_ali(tri1)
    assert sorted(after) == sorted(before)
    moved = []
    for utt, tids in after.items():
        phones, bounds = phones_of(tids, transitions)
        assert np.all(transitions.tid2pdf[tids] < model.num_pdfs)
        others, old_bounds = phones_of(before[utt], old)
        if phones.tolist() == others.tolist():
            moved += np.abs(bounds - old_bounds).tolist()
        assert lang.phone(phones[0]) == "SIL"
    assert np.mean(moved) < 6      # frames: a better model cuts much the same


def test_likelihood_rises(speech, mono_ali, few, tmp_path, capsys):
    """Without new Gaussians and new alignments each step of EM is a step up."""
    command = ["--nj", "2", "--num-leaves", "40", "--num-iters", "5", "--total-gaussians", "1",
               "--realign-iters", "", few, speech.lang, mono_ali, tmp_path / "tri"]
    train_deltas.main(command)
    shown = capsys.readouterr().err
    likes = [float(x) for x in re.findall(r"log-likelihood (-[\d.]+)", shown)]
    assert len(likes) == 5
    assert np.all(np.diff(likes) >= -2e-3)
    train_deltas.main(command)
    assert "up to date" in capsys.readouterr().err


def test_alignments_of_other_data_are_an_error(speech, mono_ali, few, tmp_path):
    data = DataDir(few)
    shutil.copytree(mono_ali, tmp_path / "ali")
    write_ali(tmp_path / "ali/ali.1.gz", [("stranger-1", np.array([1, 2, 3]))])
    write_ali(tmp_path / "ali/ali.2.gz", [])
    command = [*FAST, few, speech.lang, tmp_path / "ali", tmp_path / "tri"]
    with pytest.raises(UserError, match=r"ali: has no alignment of any utterance of .*few"):
        train_deltas.main(command)
    write_ali(tmp_path / "ali/ali.1.gz", [(data.utts[0], np.array([1, 2, 3]))])
    with pytest.raises(UserError, match=r"ali: no alignment is as long as its features in .*few"):
        train_deltas.main(command)
    aligned = read_ali(mono_ali, set(data.utts))
    write_ali(tmp_path / "ali/ali.1.gz", list(aligned.items())[:len(aligned) // 3])
    lacking = len(data.utts) - len(aligned) // 3
    with pytest.raises(UserError, match=rf"ali: has no alignment of .* of {lacking} of the "
                                        rf"{len(data.utts)} utterances of .*few "):
        train_deltas.main(command)
    assert not (tmp_path / "tri/final.mdl").exists()


@pytest.mark.parametrize("trainer", [train_deltas, train_lda_mllt])
def test_alignments_of_another_model_are_an_error(trainer, speech, mono_ali, few, tmp_path, capfd):
    shutil.copytree(mono_ali, tmp_path / "ali")
    write_ali(tmp_path / "ali/ali.1.gz", [
        (utt, np.roll(tids, 9)) for utt, tids in read_ali(mono_ali).items()])
    with pytest.raises(SystemExit):
        trainer.main([*FAST, few, speech.lang, tmp_path / "ali", tmp_path / "tri"])
    assert "is no path through the HMMs of" in capfd.readouterr().err
    assert not (tmp_path / "tri/final.mdl").exists()


def test_another_lang_directory_is_an_error_naming_both(speech, mono_ali, few, tmp_path):
    prepare_lang.main(["--position-dependent-phones", "false", speech.dict, "<unk>",
                       tmp_path / "nopos"])
    with pytest.raises(UserError, match=r"nopos/phones.txt: .* in .*mono_ali/phones.txt it is"):
        train_deltas.main([*FAST, few, tmp_path / "nopos", mono_ali, tmp_path / "tri"])
    prepare_lang.main(["--num-nonsil-states", "2", speech.dict, "<unk>", tmp_path / "short"])
    with pytest.raises(UserError, match=r"short/topo: is not the topology of .*mono_ali/final.mdl"):
        train_deltas.main([*FAST, few, tmp_path / "short", mono_ali, tmp_path / "tri"])
    with pytest.raises(UserError, match=r"nothere/final.mdl: no such model"):
        train_deltas.main([*FAST, few, speech.lang, tmp_path / "nothere", tmp_path / "tri"])
    assert left(tmp_path / "tri") == []


@pytest.mark.parametrize("option", ["--power=nan", "--var-smoothing=-10"])
def test_options_out_of_range(option, few, speech, mono_ali, tmp_path):
    name, value = option.split("=")
    with pytest.raises(SystemExit, match=f"{name}: must be 0 or more, not {value}"):
        train_deltas.main([option, few, speech.lang, mono_ali, tmp_path / "tri"])
    assert not (tmp_path / "tri").exists()


@pytest.mark.parametrize("trainer", [train_deltas, train_lda_mllt, train_sat])
def test_alignments_are_not_written_over(trainer, few, speech, mono_ali, tmp_path):
    shutil.copytree(mono_ali, tmp_path / "ali")
    with pytest.raises(UserError, match=r"ali: is both source and destination"):
        trainer.main([few, speech.lang, tmp_path / "ali", tmp_path / "ali"])
    assert (tmp_path / "ali/final.mdl").read_bytes() == (mono_ali / "final.mdl").read_bytes()


def test_a_worker_that_fails_leaves_nothing(few, speech, mono_ali, tmp_path, change, capfd):
    change(few / "feats.scp", {DataDir(few).utts[-1]: f"{tmp_path}/gone.ark:17"})
    with pytest.raises(SystemExit):
        train_deltas.main([*FAST, few, speech.lang, mono_ali, tmp_path / "tri"])
    assert left(tmp_path / "tri") == ["log"]
    assert "gone.ark" in capfd.readouterr().err


def test_killed_midway_nothing_looks_finished(few, speech, mono_ali, tmp_path):
    command = [str(part) for part in [
        "--nj", "1", "--num-iters", "5000", few, speech.lang, mono_ali, tmp_path / "tri"]]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "steps/hmm/train_deltas.py"), *command], text=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)), stderr=subprocess.PIPE,
        start_new_session=True)
    for line in process.stderr:
        if "iteration 3" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert [n for n in left(tmp_path / "tri") if not n.startswith(".train_deltas.")] == ["log"]
    # Some utterances have no alignment to start from: they are aligned in the end.
    utts = DataDir(few).utts
    keep(DataDir(few), utts[:6], tmp_path / "six")
    shutil.copytree(mono_ali, tmp_path / "ali")
    found = read_ali(mono_ali, set(utts[:4]))
    write_ali(tmp_path / "ali/ali.1.gz", found.items())
    write_ali(tmp_path / "ali/ali.2.gz", [])
    train_deltas.main([*FAST, tmp_path / "six", speech.lang, tmp_path / "ali", tmp_path / "tri"])
    assert sorted(read_ali(tmp_path / "tri")) == utts[:6]
    assert not [name for name in left(tmp_path / "tri") if name.endswith(".tmp")]
