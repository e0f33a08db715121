import re
import shutil

import numpy as np
import pytest

from steps.hmm import align
from steps.hmm.ali import phones_of, read_ali
from steps.hmm.model import read_model
from tests.steps.hmm.test_train_sat import transforms_of
from utils.data.datadir import DataDir
from utils.lang import prepare_lang
from utils.step import UserError


def test_alignment_is_that_of_training(mono, mono_ali):
    """The last alignment in training was by the same model."""
    trained, aligned = read_ali(mono), read_ali(mono_ali)
    assert sorted(trained) == sorted(aligned)
    same = total = 0
    for utt in trained:
        assert len(trained[utt]) == len(aligned[utt])
        same += (trained[utt] == aligned[utt]).sum()
        total += len(trained[utt])
    assert same > 0.97 * total      # its transition probabilities are one update newer
    for name in ("final.mdl", "tree", "front_end.json", "phones.txt"):
        assert (mono / name).read_bytes() == (mono_ali / name).read_bytes()
    assert (mono_ali / "num_jobs").read_text() == "2\n"


def test_an_adapted_system_gives_transforms(speech, tri3b, tri3b_ali):
    transforms = transforms_of(tri3b_ali)
    assert sorted(transforms) == list(DataDir(speech.train).spk2utt)
    before = transforms_of(tri3b)
    for spk, matrix in transforms.items():
        assert np.abs(matrix - before[spk]).max() < 1.5
    assert len(read_ali(tri3b_ali)) == 40
    assert (tri3b_ali / "final.alimdl").is_file()
    gains = re.findall(r"fMLLR: (-?[\d.]+) nats", (tri3b_ali / "log/align.1.log").read_text())
    assert len(gains) == 2
    assert float(gains[0]) > 0.1
    assert float(gains[1]) >= 0


def test_unseen_speakers_and_a_second_run(speech, tri3b, tmp_path, capsys):
    command = ["--nj", "5", "--fmllr-min-count", "100", speech.test, speech.lang, tri3b,
               tmp_path / "ali"]
    align.main(command)
    shown = capsys.readouterr().err
    assert "2 speakers, so 2 jobs and not 5" in shown
    assert "10 of 10 utterances aligned" in shown
    assert sorted(transforms_of(tmp_path / "ali")) == ["fay", "gus"]
    align.main(command)
    assert "up to date" in capsys.readouterr().err


def test_what_does_not_align(speech, mono, tmp_path, change, capsys):
    shutil.copytree(speech.train, tmp_path / "data")
    utts = DataDir(tmp_path / "data").utts
    change(tmp_path / "data/text", {utts[0]: "mano " * 60, utts[1]: "mano mano mano mano mano"})
    align.main(["--nj", "1", "--beam", "4", "--retry-beams", "500", tmp_path / "data", speech.lang,
                mono, tmp_path / "ali"])
    [line] = (tmp_path / "ali/unaligned.txt").read_text().splitlines()
    assert re.fullmatch(rf"{utts[0]} \d+ frames are too few, its words need 720", line)
    shown = capsys.readouterr().err
    assert "39 of 40 utterances aligned" in shown
    assert int(re.search(r"(\d+) of them with a wider beam", shown).group(1)) > 0
    transitions, _ = read_model(mono / "final.mdl")
    assert len(phones_of(read_ali(tmp_path / "ali")[utts[1]], transitions)[0]) >= 20


def test_a_narrow_beam_alone_is_told(speech, mono, few, tmp_path):
    with pytest.raises(UserError, match=r"few: \d of 9 .* no path within beam 0.01: do its words"):
        align.main(["--nj", "1", "--beam", "0.01", "--retry-beams", "", few, speech.lang, mono,
                    tmp_path / "ali"])
    assert [p.name for p in (tmp_path / "ali").iterdir()] == ["log"]
    lines = (tmp_path / "ali/log/unaligned.txt").read_text().splitlines()
    assert all(re.fullmatch(r"\w+-\d+ no path within beam 0.01: do .*", line) for line in lines)
    align.main(["--nj", "1", few, speech.lang, mono, tmp_path / "ali"])
    assert (tmp_path / "ali/unaligned.txt").read_text() == ""
    assert not (tmp_path / "ali/log/unaligned.txt").exists()


def test_bad_input_names_the_file(speech, mono, few, tmp_path):
    prepare_lang.main(["--position-dependent-phones", "false", speech.dict, "<unk>",
                       tmp_path / "nopos"])
    command = [few, speech.lang, mono, tmp_path / "ali"]
    with pytest.raises(UserError, match=r"nopos/phones.txt: .* in .*mono/phones.txt it is"):
        align.main([few, tmp_path / "nopos", mono, tmp_path / "ali"])
    shutil.copytree(mono, tmp_path / "broken")
    (tmp_path / "broken/final.mdl").write_bytes(b"PK and so on")
    with pytest.raises(UserError, match=r"broken/final.mdl: is not a graft-gmm-1 model"):
        align.main([few, speech.lang, tmp_path / "broken", tmp_path / "ali"])
    with pytest.raises(SystemExit, match=r"--retry-beams: invalid beams value: 'wide'"):
        align.main(["--retry-beams", "wide", *command])
    for option, value in (("--beam", "nan"), ("--retry-beams", "40 -1"),
                          ("--fmllr-min-count", "nan")):
        with pytest.raises(SystemExit, match=f"{option}: must be .*, not {value.split()[-1]}"):
            align.main([option, value, *command])
    (few / "cmvn.scp").unlink()
    with pytest.raises(UserError, match=r"few/cmvn.scp: has no speaker"):
        align.main(command)
    assert not (tmp_path / "ali").exists()


def test_a_system_is_not_written_over_by_its_alignments(speech, mono, few, tmp_path):
    shutil.copytree(mono, tmp_path / "mono")
    before = (tmp_path / "mono/ali.1.gz").read_bytes()
    with pytest.raises(UserError, match=r"mono: is both source and destination"):
        align.main([few, speech.lang, tmp_path / "mono", tmp_path / "mono"])
    assert (tmp_path / "mono/ali.1.gz").read_bytes() == before


def test_features_of_another_dimension_are_refused_before_the_jobs(speech, narrow, tmp_path):
    data, model = narrow
    with pytest.raises(UserError, match=r"few/feats.scp: makes 36 values a frame, .*/final.mdl has "
                                        "39"):
        align.main([data, speech.lang, model, tmp_path / "ali"])
    assert not (tmp_path / "ali").exists()
