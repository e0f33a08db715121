import shutil

import pytest

from steps.hmm import ali_to_textgrid
from steps.hmm.ali_to_textgrid import tiers
from steps.hmm.timing import Timed, read_timed
from tests.steps.hmm.test_textgrid import parse
from utils.data.datadir import DataDir
from utils.data.tables import read_table, write_table
from utils.lang.langdir import LangDir
from utils.step import UserError


def grids(directory):
    return {path.name.removesuffix(".TextGrid"): parse(path.read_text("utf-8"))
            for path in directory.iterdir() if path.suffix == ".TextGrid"}


def test_one_for_each_utterance(speech, mono_ali, tmp_path, capsys):
    command = [speech.train, speech.lang, mono_ali, tmp_path / "grids"]
    ali_to_textgrid.main(command)
    data, found = DataDir(speech.train), grids(tmp_path / "grids")
    timed = {utt.utt: utt for utt in read_timed(data, LangDir(speech.lang), mono_ali)}
    assert sorted(found) == data.utts
    for utt, (tier, length) in found.items():
        assert list(tier) == ["words", "phones"]
        assert length == pytest.approx(data.utt2dur[utt], abs=1e-4)
        assert [label for label, _, _ in tier["words"] if label] == data.text[utt].split()
        assert sum(end - start for _, start, end in tier["phones"]) == pytest.approx(length)
        phones = [interval for interval in tier["phones"] if interval[0]]
        assert [p for p, _, _ in phones] == [p for p, _, _ in timed[utt].phones]
        for (_, start, end), (_, first, last) in zip(phones, timed[utt].phones, strict=True):
            assert (start, end) == pytest.approx((first, last), abs=1e-5)
        edges = {edge for _, start, end in phones for edge in (start, end)}
        assert all({start, end} <= edges for label, start, end in tier["words"] if label)
    ali_to_textgrid.main(command)
    assert "up to date" in capsys.readouterr().err


def test_words_in_any_script_with_quotes(speech, mono_ali, tmp_path):
    """Renamed words, in the text and in words.txt alike: the same alignment."""
    shutil.copytree(speech.train, tmp_path / "data")
    shutil.copytree(speech.lang, tmp_path / "lang")
    for path in (tmp_path / "data/text", tmp_path / "lang/words.txt"):
        path.write_text(path.read_text().replace("mano", 'ma"ñ"o').replace("fasi", "ファシ"))
    ali_to_textgrid.main([tmp_path / "data", tmp_path / "lang", mono_ali, tmp_path / "grids"])
    labels = [label for tier, _ in grids(tmp_path / "grids").values()
              for label, _, _ in tier["words"]]
    assert labels.count('ma"ñ"o') > 3
    assert labels.count("ファシ") > 3


@pytest.fixture
def one_recording(speech, tmp_path):
    """All utterances in one recording, one after the other; the speakers take turns."""
    shutil.copytree(speech.train, tmp_path / "data")
    data = DataDir(speech.train)
    utts = sorted(data.utts, key=lambda utt: utt.split("-")[1])
    write_table(tmp_path / "data/segments", {
        utt: f"talk/1 {2 * k} {2 * k + data.utt2dur[utt]}" for k, utt in enumerate(utts)})
    write_table(tmp_path / "data/reco2dur", {"talk/1": "90.5"})
    return tmp_path / "data"


def test_one_for_each_recording_where_there_are_segments(speech, mono_ali, one_recording, tmp_path):
    ali_to_textgrid.main([one_recording, speech.lang, mono_ali, tmp_path / "grids"])
    [(name, (tier, length))] = grids(tmp_path / "grids").items()
    assert (name, length) == ("talk%2F1", 90.5)
    data = DataDir(one_recording)
    assert list(tier) == [f"{spk} - {what}" for spk in data.spk2utt for what in ("words", "phones")]
    for spk, utts in data.spk2utt.items():
        said = [word for utt in sorted(utts, key=lambda u: data.segments[u][1])
                for word in data.text[utt].split()]
        assert [label for label, _, _ in tier[f"{spk} - words"] if label] == said
        assert tier[f"{spk} - words"][-1][2] == 90.5


def test_overlapping_segments_of_one_speaker(capsys):
    utts = [Timed("u1", "r", 0, 2, [("a", 0.5, 1.5)], [("SIL", 0, 0.5), ("x", 0.5, 2)]),
            Timed("u2", "r", 1, 3, [("b", 1.2, 1.4), ("c", 1.4, 2)],
                  [("x", 1, 1.9), ("y", 1.9, 3)])]
    found = tiers(utts, {"u1": "s", "u2": "s"})
    assert found == {"words": [("a", 0.5, 1.5), ("c", 1.5, 2)],
                     "phones": [("SIL", 0, 0.5), ("x", 0.5, 2), ("y", 2, 3)]}
    shown = capsys.readouterr().err
    assert "r: segments of s overlap, 1 words left out" in shown


def test_of_data_no_longer_there_no_grid_stays(speech, mono_ali, few, tmp_path):
    command = [few, speech.lang, mono_ali, tmp_path / "grids"]
    ali_to_textgrid.main(command)
    gone, *rest = DataDir(few).utts
    write_table(few / "utt2spk", {utt: spk for utt, spk in read_table(few / "utt2spk").items()
                                  if utt != gone})
    ali_to_textgrid.main(command)
    assert sorted(grids(tmp_path / "grids")) == rest


def test_bad_input_names_the_file(speech, mono_ali, few, tmp_path):
    (few / "utt2dur").write_text("ana-001 long\n")
    with pytest.raises(UserError, match=r"few/utt2dur: ana-001 has 'long'"):
        ali_to_textgrid.main([few, speech.lang, mono_ali, tmp_path / "grids"])
    assert grids(tmp_path / "grids") == {}
    with pytest.raises(UserError, match=r"nothere/phones.txt: no such file"):
        ali_to_textgrid.main([few, speech.lang, tmp_path / "nothere", tmp_path / "grids2"])
    assert not (tmp_path / "grids2").exists()
