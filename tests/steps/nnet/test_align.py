import json
import shutil

import numpy as np
import pytest

from steps.hmm import train_deltas
from steps.hmm.ali import phones_of, read_ali
from steps.hmm.model import read_transitions
from steps.nnet import align
from utils.data.datadir import DataDir
from utils.lang import prepare_lang
from utils.step import UserError


@pytest.fixture(scope="module")
def network_ali(speech, network):
    align.main(["--nj", "2", speech.train, speech.lang, network, speech.root / "network_ali"])
    return speech.root / "network_ali"


def test_phones_lie_where_the_gmm_has_them(mono_ali, network_ali):
    gmm, network = read_ali(mono_ali), read_ali(network_ali)
    transitions = read_transitions(network_ali / "final.mdl")
    assert sorted(gmm) == sorted(network)
    same = total = 0
    for utt, tids in gmm.items():
        assert len(tids) == len(network[utt])
        same += (transitions.tid2phone[tids] == transitions.tid2phone[network[utt]]).sum()
        total += len(tids)
        spoken, aligned = (phones_of(t, transitions)[0] for t in (tids, network[utt]))
        silence = transitions.tid2phone[tids[0]]
        assert [p for p in spoken if p != silence] == [p for p in aligned if p != silence]
    assert same > 0.85 * total


def test_a_path_of_hmm_states(network_ali, speech):
    """Each transition leads to the HMM state of the next frame, or out of the phone."""
    transitions = read_transitions(network_ali / "final.mdl")
    for tids in read_ali(network_ali).values():
        ends = transitions.tid_is_final[tids]
        assert ends[-1]
        assert np.array_equal(transitions.tid2next[tids[:-1]][~ends[:-1]],
                              transitions.tid2hmm_state[tids[1:]][~ends[:-1]])
        assert not transitions.tid2hmm_state[tids[1:]][ends[:-1]].any()


def test_what_the_directory_holds(network, network_ali):
    for name in ("final.mdl", "tree", "front_end.json", "phones.txt"):
        assert (network / name).read_bytes() == (network_ali / name).read_bytes()
    assert (network_ali / "num_jobs").read_text() == "2\n"
    assert (network_ali / "unaligned.txt").read_text() == ""
    assert not list(network_ali.glob("summary*"))
    log = (network_ali / "log/align.1.log").read_text()
    assert "1 CPU thread" in log
    assert "retracing" not in log


def test_a_gmm_system_trains_on_them(speech, network_ali, tmp_path, capsys):
    train_deltas.main(["--nj", "1", "--num-leaves", "40", "--total-gaussians", "60",
                       "--num-iters", "2", speech.train, speech.lang, network_ali,
                       tmp_path / "tri1"])
    assert "40 utterances aligned" in capsys.readouterr().err


def test_a_second_run_does_nothing(speech, network, network_ali, capsys):
    align.main(["--nj", "2", speech.train, speech.lang, network, network_ali])
    assert "up to date" in capsys.readouterr().err


def test_what_does_not_align_is_told(speech, network, tmp_path, capsys):
    shutil.copytree(speech.test, tmp_path / "data")
    data = DataDir(tmp_path / "data")
    text = {**data.text, data.utts[0]: "mano " * 60}
    (tmp_path / "data/text").write_text("".join(f"{u} {w}\n" for u, w in text.items()))
    with pytest.raises(UserError, match=rf"data: 1 of 10 .* {data.utts[0]} \d+ frames are too few"):
        align.main(["--nj", "1", tmp_path / "data", speech.lang, network, tmp_path / "ali"])
    assert [path.name for path in (tmp_path / "ali").iterdir()] == ["log"]


def test_bad_input_names_the_file(speech, network, mono, tmp_path):
    prepare_lang.main(["--position-dependent-phones", "false", speech.dict, "<unk>",
                       tmp_path / "nopos"])
    with pytest.raises(UserError, match=r"nopos/phones.txt: .* in .*network/phones.txt it is"):
        align.main([speech.test, tmp_path / "nopos", network, tmp_path / "ali"])
    with pytest.raises(UserError, match=r"mono/final.keras: no such file"):
        align.main([speech.test, speech.lang, mono, tmp_path / "ali"])
    shutil.copytree(network, tmp_path / "other")
    config = json.loads((network / "config.json").read_text())
    (tmp_path / "other/config.json").write_text(json.dumps({**config, "feat_dim": 40}))
    command = [speech.test, speech.lang, tmp_path / "other", tmp_path / "ali"]
    with pytest.raises(UserError, match=r"feats.scp: makes 13 values .*other/config.json has 40"):
        align.main(command)
    (tmp_path / "other/config.json").write_text(json.dumps({**config, "num_pdfs": 7}))
    with pytest.raises(UserError, match=r"other/final.mdl: has \d+ pdfs, config.json 7"):
        align.main(command)
    (tmp_path / "other/config.json").write_text('{"feat_dim": 13}')
    with pytest.raises(UserError, match=r"other/config.json: is damaged, it has no num_pdfs"):
        align.main(command)
    (tmp_path / "other/config.json").write_text(json.dumps(config))
    (tmp_path / "other/tree").unlink()
    with pytest.raises(UserError, match=r"other/tree: no such file"):
        align.main(command)
    assert not (tmp_path / "ali").exists()
