"""Words and phones of alignments with their times in seconds."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from steps.features import spectra
from steps.hmm.ali import check_path, phones_of, read_ali
from steps.hmm.model import check_phones, read_transitions
from utils.json_file import read_json
from utils.lang.word_align import align_words
from utils.step import UserError, log

MAX_WITHOUT_WORDS = 0.05     # more utterances than this whose words do not fit is an error


class Timed(NamedTuple):
    """One utterance; words and phones are lists of (symbol, start, end), in seconds from the
    recording's start, in order; phones without gaps, words without the silence between them."""

    utt: str
    recording: str
    start: float
    end: float
    words: list
    phones: list


def timing_inputs(data, alidir, lang):
    """Files whose change makes times out of date."""
    data, alidir, lang = Path(data), Path(alidir), Path(lang)
    return [*(data / name for name in ("utt2spk", "text", "segments", "reco2file_and_channel",
                                       "utt2dur", "reco2dur", "utt2trim")),
            *(alidir / name for name in ("final.mdl", "front_end.json", "num_jobs")),
            *sorted(alidir.glob("ali.*.gz")),
            *(lang / name for name in ("phones.txt", "words.txt", "phones/align_lexicon.int",
                                       "phones/word_boundary.int", "phones/optional_silence.int",
                                       "oov.txt"))]


def read_timed(data, lang, alidir):
    """Timed of every utterance of the data directory that is aligned, sorted by utterance.

    Words are those of the transcript, also where the lang directory lacks them. An utterance
    whose words do not yield its phones, as the text has changed since, is named and left out.
    """
    alidir = Path(alidir)
    check_phones(alidir, lang)
    transitions = read_transitions(alidir / "final.mdl")
    shift = frame_shift(alidir)
    data.require("text")
    alignments = read_ali(alidir, set(data.utts) & set(data.text))
    if not alignments:
        raise UserError(alidir, f"has no alignment of any utterance of {data.path}",
                        "align that data: steps/hmm/align.py")
    result, odd = [], []
    for utt, tids in sorted(alignments.items()):
        check_path(alidir, utt, tids, transitions)
        phones, bounds = phones_of(tids, transitions)
        recording, start = data.feats_start(utt)
        times = (start + np.asarray(bounds) * shift).tolist()
        spoken = data.text[utt].split()
        found = align_words(phones.tolist(), lang.word_ids(spoken), lang.align_lexicon,
                            lang.optional_silence)
        spans = [(times[first], times[last]) for word, first, last in found or () if word]
        if len(spans) != len(spoken):
            odd.append(utt)
            continue
        result.append(Timed(
            utt, recording, times[0], times[-1],
            [(word, *span) for word, span in zip(spoken, spans, strict=True)],
            [(lang.phone(phone), *span) for phone, *span in
             zip(phones.tolist(), times[:-1], times[1:], strict=True)]))
    _report(data, alidir, alignments, odd)
    return result


def frame_shift(directory):
    """Seconds a frame, as the model's front_end.json has it; 0.01 if it does not say."""
    path = Path(directory) / "front_end.json"
    if not path.is_file():
        return 0.01
    return spectra.frame_shift(read_json(path, "train the model again").get("feats") or {})


def _report(data, alidir, alignments, odd):
    missing = [utt for utt in data.utts if utt not in alignments]
    if missing:
        log(f"{alidir}: no alignment of {len(missing)} of {len(data.utts)} utterances: "
            + ", ".join(missing[:20]))
    if odd:
        what = f"{len(odd)} of {len(alignments)} utterances have phones that are not their words'"
        if len(odd) > MAX_WITHOUT_WORDS * len(alignments):
            raise UserError(data.path / "text", f"{what}, e.g. {odd[0]}",
                            "has the text or the lang directory changed? align anew")
        log(f"{what}, left out: {', '.join(odd[:20])}")
