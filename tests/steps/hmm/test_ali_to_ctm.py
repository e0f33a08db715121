import shutil

import numpy as np
import pytest

from steps.hmm import ali_to_ctm
from steps.hmm.ali import read_ali, write_ali
from utils.data.datadir import DataDir
from utils.data.tables import read_lines, write_table
from utils.lang import prepare_lang
from utils.step import UserError


def rows_of(path):
    return [(reco, int(channel), float(start), float(length), token) for reco, channel, start,
            length, token in (line.split(" ") for line in read_lines(path))]


def by_recording(rows):
    result = {}
    for row in rows:
        result.setdefault(row[0], []).append(row)
    return result


@pytest.fixture
def segmented(speech, tmp_path):
    """The training data as if cut from one recording a speaker; recordings start with b-."""
    shutil.copytree(speech.train, tmp_path / "segmented")
    data, segments = DataDir(speech.train), {}
    for spk, utts in data.spk2utt.items():
        at = 100.0
        for utt in utts:
            segments[utt] = f"b-{spk} {at:.2f} {at + data.utt2dur[utt]:.4f}"
            at += 5
    write_table(tmp_path / "segmented/segments", segments)
    write_table(tmp_path / "segmented/reco2file_and_channel",
                {f"b-{spk}": f"{spk} B" for spk in data.spk2utt})
    return tmp_path / "segmented"


def test_words_are_the_transcripts_at_their_true_times(speech, mono_ali, tmp_path):
    ali_to_ctm.main([speech.train, speech.lang, mono_ali, tmp_path / "ctm"])
    data, rows = DataDir(speech.train), by_recording(rows_of(tmp_path / "ctm"))
    truth = {}
    for line in speech.ctm.read_text().splitlines():
        utt, _, start, duration, phone = line.split()
        if phone != "SIL":
            truth.setdefault(utt, []).append((float(start), float(start) + float(duration)))
    errors = []
    for utt, text in data.text.items():
        assert [row[4] for row in rows[utt]] == text.split()
        for k, (_, channel, start, length, _) in enumerate(rows[utt]):
            assert channel == 1
            phones = truth[utt][4 * k:4 * k + 4]       # every word of the lexicon has four
            errors += [abs(start - phones[0][0]), abs(start + length - phones[-1][1])]
    assert sorted(errors)[len(errors) // 2] < 0.04


def test_phones_follow_each_other_to_the_end(speech, mono_ali, tmp_path):
    ali_to_ctm.main(["--level", "phone", speech.train, speech.lang, mono_ali, tmp_path / "ctm"])
    rows, alignments = by_recording(rows_of(tmp_path / "ctm")), read_ali(mono_ali)
    assert sorted(rows) == sorted(alignments)
    for utt, own in rows.items():
        at = 0.0
        for _, _, start, length, phone in own:
            assert start == pytest.approx(at, abs=1e-6)
            assert length >= 0.03 - 1e-9
            assert phone in {"SIL", *"aefimnos"}       # no _B, _I, _E, _S
            at = start + length
        assert sum(row[3] for row in own) == pytest.approx(0.01 * len(alignments[utt]))


def test_segments_are_times_in_the_recordings(speech, mono_ali, segmented, tmp_path):
    ali_to_ctm.main([speech.train, speech.lang, mono_ali, tmp_path / "plain"])
    ali_to_ctm.main([segmented, speech.lang, mono_ali, tmp_path / "ctm"])
    data, plain = DataDir(segmented), by_recording(rows_of(tmp_path / "plain"))
    expected = sorted((reco, 2, round(offset + start, 2), length, token)
                      for utt, (reco, offset, _) in data.segments.items()
                      for _, _, start, length, token in plain[utt])
    found = rows_of(tmp_path / "ctm")
    assert found == sorted(found, key=lambda row: row[:3])
    assert [row[:3] + row[4:] for row in found] == [row[:3] + row[4:] for row in expected]


def test_what_was_trimmed_before_the_features_counts(speech, mono_ali, segmented, tmp_path):
    ali_to_ctm.main([segmented, speech.lang, mono_ali, tmp_path / "whole"])
    write_table(segmented / "utt2trim", dict.fromkeys(DataDir(segmented).utts, "1.25 3"))
    ali_to_ctm.main([segmented, speech.lang, mono_ali, tmp_path / "trimmed"])
    whole, trimmed = rows_of(tmp_path / "whole"), rows_of(tmp_path / "trimmed")
    assert [row[2] for row in trimmed] == pytest.approx([row[2] + 1.25 for row in whole])


def test_oov_words_are_as_they_were_said(speech, mono_ali, tmp_path, change, capsys):
    """The transcript's own words: `mano` is OOV for a lang directory without it."""
    lexicon = [line for line in read_lines(speech.dict / "lexicon.txt") if "mano" not in line]
    shutil.copytree(speech.dict, tmp_path / "dict")
    (tmp_path / "dict/lexicon.txt").write_text("".join(f"{line}\n" for line in lexicon))
    prepare_lang.main(["--phone-symbol-table", speech.lang / "phones.txt", tmp_path / "dict",
                       "<unk>", tmp_path / "lang"])
    from steps.hmm import align
    align.main(["--nj", "1", speech.test, tmp_path / "lang", mono_ali, tmp_path / "ali"])
    ali_to_ctm.main([speech.test, tmp_path / "lang", tmp_path / "ali", tmp_path / "ctm"])
    rows = by_recording(rows_of(tmp_path / "ctm"))
    for utt, text in DataDir(speech.test).text.items():
        assert [row[4] for row in rows[utt]] == text.split()


def test_several_in_one_directory_and_a_second_run(speech, mono_ali, tmp_path, capsys):
    for level in ("word", "phone"):
        command = ["--level", level, speech.train, speech.lang, mono_ali, tmp_path / f"{level}.ctm"]
        ali_to_ctm.main(command)
    before = (tmp_path / "word.ctm").read_text()
    assert "up to date" not in capsys.readouterr().err
    ali_to_ctm.main(["--level", "word", *command[2:5], tmp_path / "word.ctm"])
    ali_to_ctm.main(command)
    assert capsys.readouterr().err.count("up to date") == 2
    assert (tmp_path / "word.ctm").read_text() == before


def test_text_that_has_changed_since(speech, mono_ali, tmp_path, change, capsys):
    shutil.copytree(speech.train, tmp_path / "data")
    utts = DataDir(speech.train).utts
    change(tmp_path / "data/text", {utts[0]: "fasi fasi fasi fasi"})
    command = [tmp_path / "data", speech.lang, mono_ali, tmp_path / "ctm"]
    ali_to_ctm.main(command)
    assert f"1 of 40 utterances have phones that are not their words', left out: {utts[0]}" \
        in capsys.readouterr().err
    assert utts[0] not in by_recording(rows_of(tmp_path / "ctm"))
    change(tmp_path / "data/text", dict.fromkeys(utts[:3], "sefi sefi sefi sefi"))
    (tmp_path / "ctm").unlink()
    with pytest.raises(UserError, match=r"data/text: 3 of 40 utterances have phones that are not"):
        ali_to_ctm.main(command)
    assert not (tmp_path / "ctm").exists()


def test_bad_input_names_the_file(speech, mono_ali, few, tmp_path):
    shutil.copytree(mono_ali, tmp_path / "ali")
    write_ali(tmp_path / "ali/ali.1.gz", [])
    write_ali(tmp_path / "ali/ali.2.gz", [])
    with pytest.raises(UserError, match=r"ali: has no alignment of any utterance of .*few"):
        ali_to_ctm.main([few, speech.lang, tmp_path / "ali", tmp_path / "ctm"])
    write_ali(tmp_path / "ali/ali.1.gz", [(DataDir(few).utts[0], np.array([1, 9999]))])
    with pytest.raises(UserError, match=r"gz: \S+ is no path through the HMMs of .*ali/final.mdl"):
        ali_to_ctm.main([few, speech.lang, tmp_path / "ali", tmp_path / "ctm"])
    (tmp_path / "ali/ali.2.gz").unlink()
    with pytest.raises(UserError, match=r"ali.2.gz: no such file"):
        ali_to_ctm.main([few, speech.lang, tmp_path / "ali", tmp_path / "ctm"])
    (few / "text").unlink()
    with pytest.raises(UserError, match=r"few/text: no such file"):
        ali_to_ctm.main([few, speech.lang, mono_ali, tmp_path / "ctm"])
    with pytest.raises(UserError, match=r"nothere/phones.txt: no such file"):
        ali_to_ctm.main([few, speech.lang, tmp_path / "nothere", tmp_path / "ctm"])
    for path, what in ((tmp_path, "is a directory"), (few / "utt2spk", "is both source and dest")):
        with pytest.raises(UserError, match=f"{path}: {what}"):
            ali_to_ctm.main([few, speech.lang, mono_ali, path])
    assert not (tmp_path / "ctm").exists()
