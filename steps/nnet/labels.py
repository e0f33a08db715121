"""Training targets: the pdf of each frame, from alignments, in one memory-mapped file.

    transitions = transitions_of(["exp/tri3b_ali"])
    labels = write_labels(work / "labels", data, ["exp/tri3b_ali"], transitions, lengths)
    labels.at(labels.index[utt][0] + frames)      # int32, pdfs of frames of an utterance
"""

import os
from pathlib import Path

import numpy as np

from steps.hmm.ali import each_ali
from steps.hmm.model import read_transitions
from steps.nnet.mapped_archive import MappedFile, MappedMatrices
from utils.data.audio import MAX_BROKEN
from utils.data.tables import read_table, write_table
from utils.step import UserError, log, writing_to

MAX_DIFFERENCE = 2       # frames between alignment and features, e.g. from other edges of windows
MAX_SPEED = 2            # between a copy of unknown duration and its original
RELEASE_AFTER = 64       # gathers, each of a batch
HEADER_BYTES = 128       # of an .npy file of one dimension


class Labels:
    """What write_labels() wrote under a path prefix.

    .index   {utt: (place of its first frame, number of frames)}
    """

    def __init__(self, prefix):
        path = Path(f"{prefix}.npy")
        self._file = MappedFile(path)
        self._pdfs = self._file.array("<i4", HEADER_BYTES, (len(self._file) - HEADER_BYTES) // 4)
        self._gathers = 0
        self.index = {utt: tuple(map(int, value.split()))
                      for utt, value in read_table(f"{prefix}.index").items()}
        if any(first + count > len(self._pdfs) for first, count in self.index.values()):
            raise UserError(path, f"has {len(self._pdfs)} frames, fewer than {prefix}.index",
                            "the two are not of one run; make them again")

    def at(self, places):
        """int32 pdfs at an int array of places."""
        self._count_gather()
        return self._pdfs[places]

    def of(self, utt):
        """int32 (num_frames,) pdfs of an utterance."""
        self._count_gather()
        first, count = self.index[utt]
        return self._pdfs[first:first + count]

    def _count_gather(self):
        self._gathers += 1
        if self._gathers % RELEASE_AFTER == 0:
            self._file.release()


def lengths_of(data):
    """{utt: number of frames} of a DataDir's features, from the archives' headers."""
    feats = MappedMatrices(data.feats_scp)
    return {utt: feats.num_frames(utt) for utt in data.utts if utt in data.feats_scp}


def transitions_of(ali_dirs):
    """The TransitionModel of alignments; UserError if they are of different trees."""
    models = [read_transitions(Path(directory) / "final.mdl") for directory in ali_dirs]
    for directory, model in zip(ali_dirs, models, strict=True):
        if model.num_pdfs != models[0].num_pdfs \
                or not np.array_equal(model.tuples, models[0].tuples):
            raise UserError(f"{directory}/final.mdl", f"another tree than in {ali_dirs[0]}",
                            "align all with one system")
    return models[0]


def write_labels(prefix, data, ali_dirs, transitions, lengths):
    """Write <prefix>.npy, int32 (total num_frames,) pdfs, and <prefix>.index; as Labels.

    data         DataDir; an utterance that is not aligned itself takes the alignment of the one
                 in utt2uniq that it is a copy of, stretched or shrunk to its own length
    ali_dirs     directories with ali.JOB.gz, of which no more than a line is held in memory
    transitions  TransitionModel of the alignments
    lengths      {utt: number of frames} of the utterances that are wanted

    Utterances without an alignment, or one of another length, are left out and named; over 5 %
    of them are a UserError.
    """
    utts = sorted(utt for utt, count in lengths.items() if count)
    starts = np.cumsum([0] + [lengths[utt] for utt in utts])
    place = dict(zip(utts, starts[:-1].tolist(), strict=True))
    copies = _copies(data, utts)
    own, index, wrong = set(), {}, {}
    path = Path(f"{prefix}.npy")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _opened(temporary) as file:
            _write_header(file, int(starts[-1]))
            for utt, tids in (pair for ali_dir in ali_dirs for pair in each_ali(ali_dir)):
                targets = [copy for copy in copies.get(utt, ()) if copy not in own]
                if utt in place:
                    own.add(utt)
                    targets.append(utt)
                pdfs = _pdfs(utt, tids, transitions) if targets else None
                for target in targets:
                    count = lengths[target]
                    expected = _expected(data, utt, target, len(pdfs), count)
                    if not len(pdfs) or abs(expected - count) > MAX_DIFFERENCE:
                        wrong[target] = f"{target} ({count} frames, its alignment {expected:g})"
                        continue
                    file.seek(HEADER_BYTES + 4 * place[target])
                    file.write(fit(pdfs, count, stretch=target != utt).astype("<i4").tobytes())
                    index[target] = place[target], count
        _report(ali_dirs, utts, index, wrong)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    write_table(f"{prefix}.index", index)
    return Labels(prefix)


def fit(pdfs, count, stretch):
    """An alignment for count frames: stretched, or else the last one repeated or some cut off."""
    if stretch:
        frames = (2 * np.arange(count) + 1) * len(pdfs) // (2 * count)
    else:
        frames = np.minimum(np.arange(count), len(pdfs) - 1)
    return pdfs[frames]


def split_held_out(data, amount, seed, utts=None):
    """Utterances to train with, and utterances of other speakers to validate with.

    amount   how many original utterances to hold out at least about: a number, or below 1 a share
    utts     the utterances to choose from; None for all of the DataDir
    returns  two sorted lists. Speakers are those of the original utterances (utt2uniq); copies of
             what is held out are in neither list. Where there is one speaker, or each has more
             than twice what is wanted, utterances are held out.
    """
    utts = sorted(data.utts if utts is None else utts)
    uniq, present = data.table("utt2uniq"), set(utts)
    original, stand_in = {}, {}
    for utt in utts:
        name = uniq.get(utt, utt)
        original[utt] = name if name in present else stand_in.setdefault(name, utt)
    groups = {}
    for utt in sorted(set(original.values())):
        groups.setdefault(speaker_of(data, utt), []).append(utt)
    count = sum(map(len, groups.values()))
    wanted = max(1, round(amount * count) if amount < 1 else int(amount))
    if 2 * wanted > count:
        raise UserError(data.path, f"{count} utterances, of which {wanted} cannot be held out",
                        "hold out fewer")
    held = _hold_out(list(groups.values()), wanted, seed)
    if len(held) == count or not wanted <= 2 * len(held) <= 4 * wanted:
        log(f"{data.path}: {len(groups)} speakers, so utterances are held out and not speakers")
        held = _hold_out([[utt] for group in groups.values() for utt in group], wanted, seed)
    return [utt for utt in utts if original[utt] not in held], sorted(held)


def speaker_of(data, utt):
    """The speaker, of a copy that of its original: both their names begin with the same prefix."""
    name, spk = data.table("utt2uniq").get(utt, utt), data.utt2spk[utt]
    return spk.removeprefix(utt.removesuffix(name)) if utt.endswith(name) else spk


def _hold_out(groups, wanted, seed):
    """A set of about `wanted` utterances: random groups, none of which goes far beyond it."""
    held = set()
    for number in np.random.default_rng(seed).permutation(len(groups)).tolist():
        if len(held) + len(groups[number]) / 2 <= wanted:
            held.update(groups[number])
        if len(held) >= wanted:
            break
    return held or set(min(groups, key=len))


def _copies(data, utts):
    """{original utterance: [its copies among utts]}"""
    copies, uniq = {}, data.table("utt2uniq")
    for utt in utts:
        if uniq.get(utt, utt) != utt:
            copies.setdefault(uniq[utt], []).append(utt)
    return copies


def _expected(data, utt, target, aligned, count):
    """How many frames a copy should have if its original has `aligned`, by their durations.

    count   the frames it does have, which is all there is to go by where utt2dur has not both
    """
    durations = data.utt2dur
    if utt == target:
        return aligned
    if durations.get(utt) and durations.get(target):
        return round(aligned * durations[target] / durations[utt], 1)
    return count if count / MAX_SPEED <= aligned <= count * MAX_SPEED else aligned


def _pdfs(utt, tids, transitions):
    if len(tids) and not (tids.min() >= 1 and tids.max() <= transitions.num_tids):
        raise UserError(utt, f"its alignment has transition-ids {tids.min()} to {tids.max()}, "
                        f"and there are 1 to {transitions.num_tids}",
                        "it is of another model; align anew")
    return transitions.tid2pdf[tids]


def _opened(path):
    """A file to write, in a directory that is made; UserError where it cannot be."""
    with writing_to(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")


def _write_header(file, count):
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<i4", "fortran_order": False, "shape": (count,)})
    if file.tell() != HEADER_BYTES:
        raise RuntimeError(f"an .npy header of {file.tell()} bytes")
    file.truncate(HEADER_BYTES + 4 * count)


def _report(ali_dirs, utts, index, wrong):
    missing = [wrong.get(utt, utt) for utt in utts if utt not in index]
    if not missing:
        return
    what = (f"{len(missing)} of {len(utts)} utterances have no alignment of their length: "
            f"{', '.join(missing[:20])}{' ...' if len(missing) > 20 else ''}")
    if len(missing) > MAX_BROKEN * len(utts):
        raise UserError(" ".join(map(str, ali_dirs)), what,
                        "align the utterances that are trained with, by features alike")
    log(what)
