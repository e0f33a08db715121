"""Alignments: one transition-id a frame, in gzipped Kaldi text archives ali.JOB.gz."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from utils.gzip_file import gzip_writer
from utils.step import UserError


def write_ali(path, alignments):
    """Write (utt, int array of transition-ids) pairs as lines `utt t1 t2 ...`."""
    with gzip_writer(path, 4) as file:
        for utt, tids in alignments:
            file.write(f"{utt} {' '.join(map(str, tids.tolist()))}\n".encode())


def read_ali(directory, utts=None):
    """{utt: int32 (num_frames,)} of all ali.*.gz of a directory, or of the given set of utts."""
    return dict(each_ali(directory, utts))


def each_ali(directory, utts=None):
    """The pairs of read_ali(), one after the other."""
    for path in ali_files(directory):
        for number, (utt, values) in enumerate(_lines(path), 1):
            if utts is not None and utt not in utts:
                continue
            try:
                yield utt, np.array(values.split(), np.int32)
            except (ValueError, OverflowError):
                raise UserError(f"{path}:{number}", f"{utt} has something that is no number",
                                "align anew") from None


def check_path(directory, utt, tids, transitions):
    """UserError unless an utterance's transition-ids lead step by step through the HMMs of
    <directory>/final.mdl, from the beginning of a phone to the end of one.

    tids  int32 (num_frames,);  transitions  TransitionModel
    """
    if not is_path(tids, transitions):
        raise UserError(f"{directory}/ali.*.gz", f"{utt} is no path through the HMMs of "
                        f"{directory}/final.mdl", "align anew with that model")


def is_path(tids, transitions):
    """Whether each of some transition-ids begins where the one before it leads to."""
    if not len(tids):
        return True
    if tids.min() < 1 or tids.max() > transitions.num_tids:
        return False
    is_final, states = transitions.tid_is_final[tids], transitions.tuples[
        transitions.tid2state[tids]]
    leads_to = np.where(is_final, 0, transitions.tid2next[tids])
    stays = transitions.tid_is_self_loop[tids[:-1]]
    return bool(states[0, 1] == 0 and is_final[-1]
                and (states[1:, 1] == leads_to[:-1]).all()
                and (is_final[:-1] | (states[1:, 0] == states[:-1, 0])).all()
                and (states[1:] == states[:-1])[stays].all())


def first_of(directory, utts):
    """The first aligned utterance that is one of utts; None if none is."""
    return next((utt for path in ali_files(directory) for utt, _ in _lines(path) if utt in utts),
                None)


def ali_files(directory):
    """ali.1.gz to ali.<num_jobs>.gz; all that there are where num_jobs is not there."""
    directory = Path(directory)
    try:
        count = int((directory / "num_jobs").read_text())
        files = [directory / f"ali.{job}.gz" for job in range(1, count + 1)]
    except (FileNotFoundError, ValueError):
        files = sorted(p for p in directory.glob("ali.*.gz") if p.name.split(".")[1].isdigit())
    if not files:
        raise UserError(directory, "has no ali.*.gz", "align first: steps/hmm/align.py")
    for path in files:
        if not path.is_file():
            raise UserError(path, "no such file", "align first: steps/hmm/align.py")
    return files


def _lines(path):
    """Pairs (utt, the rest of its line)."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                utt, _, values = line.rstrip("\n").partition(" ")
                yield utt, values
    except (EOFError, OSError, UnicodeDecodeError, zlib.error) as error:
        raise UserError(path, f"is broken ({error})", "align anew") from None


def phone_bounds(tids, transitions):
    """Where each phone begins: int (num_phones + 1,), the last one the number of frames."""
    ends = np.flatnonzero(transitions.tid_is_final[tids]) + 1
    return np.concatenate([[0], ends])


def phones_of(tids, transitions):
    """int32 (num_phones,) phones of an alignment, and their bounds in frames."""
    bounds = phone_bounds(tids, transitions)
    return transitions.tid2phone[tids[bounds[:-1]]], bounds


def phone_windows(phones, width=3):
    """Each phone with its neighbours, 0 beyond the edges: int32 (num_phones, width)."""
    side = width // 2
    padded = np.concatenate([np.zeros(side, np.int32), phones, np.zeros(side, np.int32)])
    return np.stack([padded[k:k + len(phones)] for k in range(width)], 1).astype(np.int32)


def frame_windows(tids, transitions, width=3):
    """Window of phones and pdf class at each frame: int32 (num_frames, width), (num_frames,)."""
    phones, bounds = phones_of(tids, transitions)
    windows = np.repeat(phone_windows(phones, width), np.diff(bounds), axis=0)
    return windows, pdf_classes(transitions)[tids]


def pdf_classes(transitions):
    """int32 (num_tids + 1,): pdf class of each transition-id's HMM state."""
    classes = [transitions.topo.states(int(p))[int(s)][0]
               for p, s in zip(transitions.tid2phone, transitions.tid2hmm_state, strict=True)]
    classes[0] = -1
    return np.array(classes, np.int32)


def convert(tids, old, new, tree):
    """The same path in the transition-ids of another tree; phones and topologies are the same.

    tids  int32 (num_frames,) of `old`;  returns int32 (num_frames,) of `new`
    """
    phones, bounds = phones_of(tids, old)
    windows = phone_windows(phones, tree.context_width)
    classes = pdf_classes(old)[tids]
    pdfs = tree.pdfs(np.repeat(windows, np.diff(bounds), axis=0), classes)
    place = tids - old.first_tid[old.tid2state[tids]]
    states = [new.state_index(p, s, f, f) for p, s, f in zip(
        old.tid2phone[tids].tolist(), old.tid2hmm_state[tids].tolist(), pdfs.tolist(),
        strict=True)]
    return (new.first_tid[states] + place).astype(np.int32)
