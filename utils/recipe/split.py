"""Propose train, dev and test: no speaker and no sentence in two of them, where that can be.

    sets, note = propose({utt: Utterance(spk, sentence, seconds)})     # {utt: "dev" or "test"}, why

Everything else is train; an utterance of train whose sentence is in dev or test, or one of a
speaker of dev or test whose sentence is in train, is in no set: None.
"""

import hashlib
import statistics
from collections import defaultdict
from typing import NamedTuple

PART = 0.1               # of the speech, for each of dev and test
LONGEST = 3600.0         # s of each
MIN_SPEAKERS = 5         # fewer, and speakers are in all sets
MIN_SENTENCES = 30       # fewer, and sentences are in all sets: digits, commands
MAX_LOST = 0.25          # of the speech, to keep sentences apart; more, and they are not


class Utterance(NamedTuple):
    speaker: str
    sentence: str
    seconds: float


def propose(utts):
    """({utt: "dev", "test" or None}, "sentences" apart or "any", what was done and why)"""
    total = sum(u.seconds for u in utts.values())
    want = min(PART * total, LONGEST)
    num_sentences = len({u.sentence for u in utts.values()})
    chosen = _choose_speakers(utts, want)
    few = num_sentences < MIN_SENTENCES
    if chosen:
        sets = {utt: chosen.get(u.speaker) for utt, u in utts.items()}
        apart, lost = _sentences_apart(utts, sets, want)
        what = "dev and test have speakers that train has not"
        if few or lost > MAX_LOST * total:
            why = f"there are only {num_sentences} sentences" if few else \
                f"it would cost {lost / total:.0%} of the speech"
            return _held_out(sets), "any", f"{what}; their sentences are in train too, as {why}"
        return apart, "apart", f"{what}, and sentences that it has not"
    if few:
        sets = _by_groups(utts, lambda utt: utt, want)
        return sets, "any", f"few speakers, and only {num_sentences} sentences: both are in all " \
                            "sets, dev and test are other recordings"
    sets = _by_groups(utts, lambda utt: utts[utt].sentence, want)
    return sets, "apart", "too few speakers to keep any apart: dev and test have sentences that " \
                          "train has not, of speakers that it has"


def _choose_speakers(utts, want):
    """{speaker: "dev" or "test"}, about `want` s of each; {} if there are too few speakers.

    Those with little speech first, so that there are many of them.
    """
    seconds = defaultdict(float)
    for u in utts.values():
        seconds[u.speaker] += u.seconds
    if len(seconds) < MIN_SPEAKERS:
        return {}
    order = sorted(seconds, key=lambda spk: (seconds[spk] > want / 2,
                                             seconds[spk] if seconds[spk] > want / 2 else 0,
                                             _hash(spk)))
    chosen, sums = {}, {"test": 0.0, "dev": 0.0}
    for spk in order:
        name = min(sums, key=lambda n: sums[n])
        if sums[name] >= 0.8 * want:
            break
        if sums[name] + seconds[spk] > 2 * want and len(seconds) - len(chosen) > 1 and sums[name]:
            continue
        chosen[spk] = name
        sums[name] += seconds[spk]
    total = sum(seconds.values())
    if sum(sums.values()) > 0.5 * total or not all(sums.values()):
        return {}
    return chosen


def _sentences_apart(utts, sets, want):
    """({utt: set or None}, s in no set): each sentence of several sets is left to one of them.

    To the one with most of its sound, but to dev and test first while they have less than half of
    what is wanted.
    """
    by_sentence = defaultdict(lambda: defaultdict(float))
    have = {"dev": 0.0, "test": 0.0}
    for utt, u in utts.items():
        by_sentence[u.sentence][sets[utt] or "train"] += u.seconds
    owners = {}
    shared = []
    for sentence, parts in by_sentence.items():
        if len(parts) == 1:
            (owners[sentence], seconds), = parts.items()
            if owners[sentence] != "train":
                have[owners[sentence]] += seconds
        else:
            shared.append(sentence)
    # What costs train least goes to dev and test first.
    shared.sort(key=lambda s: (by_sentence[s].get("train", 0.0), _hash(s)))
    for sentence in shared:
        parts = by_sentence[sentence]
        poor = [n for n in ("test", "dev") if n in parts and have[n] < 0.5 * want]
        owner = min(poor, key=have.get) if poor else max(sorted(parts), key=parts.get)
        owners[sentence] = owner
        if owner != "train":
            have[owner] += parts[owner]
    result, lost = {}, 0.0
    for utt, u in utts.items():
        mine = sets[utt] or "train"
        if owners[u.sentence] != mine:
            lost += u.seconds
            result[utt] = None
        elif mine != "train":
            result[utt] = mine
    return result, lost


def _by_groups(utts, key, want):
    """Whole groups of utterances to dev and test, in an order that does not depend on the others'.

    A group far longer than most, with more than a fifth of what is wanted, stays in train.
    """
    seconds, members = defaultdict(float), defaultdict(list)
    for utt, u in utts.items():
        seconds[key(utt)] += u.seconds
        members[key(utt)].append(utt)
    sets, sums = {}, {"test": 0.0, "dev": 0.0}
    longest = max(0.2 * want, 2 * statistics.median(seconds.values()))
    for group in sorted(seconds, key=_hash):
        name = min(sums, key=lambda n: sums[n])
        if sums[name] >= want:
            break
        if seconds[group] > longest:
            continue
        sums[name] += seconds[group]
        sets |= dict.fromkeys(members[group], name)
    return sets


def _held_out(sets):
    return {utt: name for utt, name in sets.items() if name}


def _hash(text):
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
