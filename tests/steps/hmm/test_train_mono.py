import json
import re
import shutil

import kaldiio
import numpy as np
import pytest

from steps.hmm import train_mono
from steps.hmm.ali import phones_of, read_ali
from steps.hmm.model import read_model
from steps.hmm.train_mono import growth_schedule
from tests.steps.hmm.conftest import change_feats, keep
from utils.data.datadir import DataDir
from utils.lang import prepare_lang
from utils.lang.langdir import LangDir
from utils.step import UserError

FAST = ["--nj", "1", "--num-iters", "1", "--total-gaussians", "40"]


def test_phones_are_where_they_were_put(speech, mono):
    """Frames' phones against those of the corpus's own construction."""
    transitions, model = read_model(mono / "final.mdl")
    assert 80 <= model.num_gauss <= 110
    lang, alignments = LangDir(speech.lang), read_ali(mono)
    assert sorted(alignments) == DataDir(speech.train).utts
    truth = {}
    for line in speech.ctm.read_text().splitlines():
        utt, _, start, duration, phone = line.split()
        truth.setdefault(utt, []).append((float(start), float(start) + float(duration), phone))
    right = total = 0
    for utt, tids in alignments.items():
        phones = [lang.phone(p) for p in transitions.tid2phone[tids]]
        for frame, phone in enumerate(phones):
            middle = 0.01 * frame + 0.0125
            true = next((p for a, b, p in truth[utt] if a <= middle < b), "SIL")
            right += phone == true
            total += 1
    assert right > 0.75 * total


def test_words_are_the_transcripts(speech, mono):
    from utils.lang.word_align import align_words
    lang, data = LangDir(speech.lang), DataDir(speech.train)
    transitions, _ = read_model(mono / "final.mdl")
    for utt, tids in read_ali(mono).items():
        phones, bounds = phones_of(tids, transitions)
        assert bounds[-1] == len(tids)
        assert align_words(phones.tolist(), lang.word_ids(data.text[utt].split()),
                           lang.align_lexicon, lang.optional_silence) is not None


def test_directory_is_complete(mono):
    names = {p.name for p in mono.iterdir()}
    assert {"final.mdl", "tree", "front_end.json", "ali.1.gz", "phones.txt", "num_jobs",
            "unaligned.txt", ".done", "log"} <= names
    assert not [name for name in names if name.endswith(".tmp")]
    assert (mono / "unaligned.txt").read_text() == ""
    front_end = json.loads((mono / "front_end.json").read_text())
    assert (front_end["cmvn"], front_end["deltas"]) == ("speaker", 2)
    with kaldiio.ReadHelper(f"ark:gunzip -c {mono}/ali.1.gz |") as reader:
        assert len(dict(reader)) == 40


def test_likelihood_rises_and_what_changed_runs_again(few, speech, tmp_path, capsys, change):
    command = ["--nj", "2", "--num-iters", "4", "--total-gaussians", "1", few]
    train_mono.main([*command, speech.lang, tmp_path / "mono"])
    likes = [float(x) for x in re.findall(r"log-likelihood (-[\d.]+)", capsys.readouterr().err)]
    assert len(likes) == 4
    assert np.all(np.diff(likes) > -0.05)      # re-estimated in segments, aligned without
    assert likes[-1] > likes[0] + 2
    before = (tmp_path / "mono/final.mdl").stat().st_mtime_ns
    train_mono.main([*command, speech.lang, tmp_path / "mono"])
    assert "up to date" in capsys.readouterr().err
    assert (tmp_path / "mono/final.mdl").stat().st_mtime_ns == before

    # Other words, some of them unknown, one transcript empty, and lines of no utterance; a lang
    # directory without positions and extra questions; fewer jobs.
    utts = DataDir(few).utts
    change(few / "text", {utts[0]: "mano unheard of", utts[1]: "", "zz-1": "mano"})
    change(few / "feats.scp", {"zz-2": "nowhere.ark:3"})
    prepare_lang.main(["--position-dependent-phones", "false", speech.dict, "<unk>",
                       tmp_path / "lang"])
    for path in (tmp_path / "lang/phones").glob("extra_questions.*"):
        path.unlink()
    train_mono.main([*FAST, few, tmp_path / "lang", tmp_path / "mono"])
    assert [p.name for p in tmp_path.glob("mono/ali.*.gz")] == ["ali.1.gz"]
    lang, alignments = LangDir(tmp_path / "lang"), read_ali(tmp_path / "mono")
    assert sorted(alignments) == utts
    transitions, model = read_model(tmp_path / "mono/final.mdl")
    assert model.num_pdfs == 8 * 3 + 2 * 5
    assert len(transitions.topo.phones) == 10
    phones = [lang.phone(p) for p in phones_of(alignments[utts[0]], transitions)[0]]
    assert phones.count("SPN") == 2
    silent = {lang.phone(p) for p in phones_of(alignments[utts[1]], transitions)[0]}
    assert silent == {"SIL"}                   # an empty transcript is silence throughout


def test_what_does_not_align_is_listed_with_its_reason(speech, tmp_path, change):
    shutil.copytree(speech.train, tmp_path / "data")
    utts = DataDir(tmp_path / "data").utts
    change(tmp_path / "data/text", {utts[0]: "mano " * 60})
    change(tmp_path / "data/feats.scp", {utts[1]: None})
    train_mono.main([*FAST, tmp_path / "data", speech.lang, tmp_path / "mono"])
    lines = (tmp_path / "mono/unaligned.txt").read_text().splitlines()
    assert re.fullmatch(rf"{utts[0]} \d+ frames are too few, its words need 720", lines[0])
    assert lines[1:] == [f"{utts[1]} has no features"]
    assert sorted(read_ali(tmp_path / "mono")) == utts[2:]


def test_many_too_short_for_their_words_are_named_before_training(few, speech, tmp_path, change,
                                                                  capsys):
    utts = DataDir(few).utts
    change(few / "text", dict.fromkeys(utts[:2], "mano " * 60))
    log = tmp_path / "mono/log/unaligned.txt"
    with pytest.raises(UserError, match=rf"few: 2 of 9 utterances do not align, e.g. {utts[0]} \d+ "
                                        rf"frames are too few, .*all are in {log}"):
        train_mono.main(["--nj", "2", *FAST[2:], few, speech.lang, tmp_path / "mono"])
    assert [line.split()[0] for line in log.read_text().splitlines()] == utts[:2]
    assert "round 1" not in capsys.readouterr().err


def test_one_utterance_and_more_jobs_than_that(few, speech, tmp_path, capsys, change):
    keep(DataDir(few), DataDir(few).utts[:1], tmp_path / "one")
    train_mono.main(["--nj", "5", *FAST[2:], tmp_path / "one", speech.lang, tmp_path / "mono"])
    assert "1 utterances, so 1 jobs and not 5" in capsys.readouterr().err
    assert len(read_ali(tmp_path / "mono")) == 1
    assert (tmp_path / "mono/num_jobs").read_text() == "1\n"


def test_a_feature_that_never_varies(few, speech, tmp_path):
    change_feats(few, lambda feats: np.where(np.arange(13) == 5, np.float32(7), feats))
    train_mono.main([*FAST, few, speech.lang, tmp_path / "mono"])
    _, model = read_model(tmp_path / "mono/final.mdl")
    assert np.isfinite(model.means).all() and model.vars.min() >= 0.001
    assert len(read_ali(tmp_path / "mono")) == 9


def test_bad_input_names_the_file(few, speech, tmp_path, change):
    with pytest.raises(UserError, match=r"nowhere: no such data directory"):
        train_mono.main([tmp_path / "nowhere", speech.lang, tmp_path / "mono"])
    with pytest.raises(UserError, match=r"nolang: no such lang directory"):
        train_mono.main([few, tmp_path / "nolang", tmp_path / "mono"])
    shutil.copytree(speech.lang, tmp_path / "lang")
    (tmp_path / "lang/topo").write_text("<Topology>\n<TopologyEntry>\n<Phones>\n")
    with pytest.raises(UserError, match=r"topo:3: expected <ForPhones>"):
        train_mono.main([*FAST, few, tmp_path / "lang", tmp_path / "mono"])
    topo = (speech.lang / "topo").read_text()
    (tmp_path / "lang/topo").write_text(topo.replace("<PdfClass> 2", "<PdfClass> 1"))
    with pytest.raises(UserError, match=r"lang/topo: the states of phone \d+ have the pdf "
                                        "classes 0 1 1"):
        train_mono.main([*FAST, few, tmp_path / "lang", tmp_path / "mono"])
    (tmp_path / "lang/L.fst").write_bytes((speech.lang / "L.fst").read_bytes()[:-20])
    with pytest.raises(UserError, match=r"lang/L.fst: is no FST, or is cut short"):
        train_mono.main([few, tmp_path / "lang", tmp_path / "mono"])
    (tmp_path / "lang/L.fst").unlink()
    with pytest.raises(UserError, match=r"lang/L.fst: no such file"):
        train_mono.main([few, tmp_path / "lang", tmp_path / "mono"])
    (few / "cmvn.scp").unlink()
    with pytest.raises(UserError, match=r"cmvn.scp: has no speaker ana"):
        train_mono.main([*FAST, few, speech.lang, tmp_path / "mono"])
    change(few / "text", dict.fromkeys(DataDir(few).utts[:3]))
    with pytest.raises(UserError, match=r"few: 3 of 9 utterances cannot be used, e.g. ana-001 has "
                                        "no line in text"):
        train_mono.main([few, speech.lang, tmp_path / "mono"])
    (few / "feats.scp").unlink()
    with pytest.raises(UserError, match=r"feats.scp: no such file"):
        train_mono.main([few, speech.lang, tmp_path / "mono"])
    assert not list((tmp_path / "mono").iterdir())


@pytest.mark.parametrize("option", ["--seed=-1", "--beam=0", "--retry-beam=nan", "--power=nan"])
def test_options_out_of_range(option, few, speech, tmp_path):
    name, value = option.split("=")
    with pytest.raises(SystemExit, match=f"{name}: must be .*, not {value}"):
        train_mono.main([option, few, speech.lang, tmp_path / "mono"])
    assert not (tmp_path / "mono").exists()


def test_growth():
    assert growth_schedule(8, 10, 70) == [10, 20, 30, 40, 50, 60, 70, 70]
    assert growth_schedule(1, 10, 70) == [10]
