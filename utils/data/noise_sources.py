"""Which noise a recording gets, drawn at random; for perturb_noise.py.

background, foreground and generated return a function of random numbers and a recording's id that
draws its tuple of filters.Source.
"""

from utils.data.audio import audio_info
from utils.data.augment import draw, recordings
from utils.data.filters import COLOURS, Source, split_filters
from utils.data.transform import durations
from utils.step import UserError, log

KINDS = (*COLOURS, "babble")
MIN_SPEAKERS = 3   # of a directory, for babble


def background(noises):
    """One recording all the time, from a random place on; noises: {rxfilename: s}"""
    names = list(noises)

    def sources(rng, _):
        name = rng.choice(names)
        return (Source("loop", draw(rng, (0, noises[name]), 2), name),)
    return sources


def foreground(data, noises, interval):
    """Recordings one after another, (low, high) s between them; noises: {rxfilename: s}"""
    names = list(noises)
    lengths = durations(data)
    if data.segments:
        infos = {recording: audio_info(name) for recording, name in recordings(data).items()}
        lengths = {recording: count / rate for recording, (count, rate, _) in infos.items()}

    def sources(rng, recording):
        result, time = [], rng.uniform(0, min(interval[0], lengths[recording] / 2))
        while not result or time < lengths[recording] - 0.01:
            name = rng.choice(names)
            result.append(Source("once", round(time, 2), name))
            time += noises[name] + rng.uniform(*interval)
        return tuple(result)
    return sources


def generated(data, kinds, voices):
    """A coloured noise, or babble of up to so many speakers of the data, by kinds"""
    if "babble" not in kinds:
        speech, owners = {}, {}
    else:
        speech, owners = _speech(data)
        if len(speech) < MIN_SPEAKERS:
            kinds = _without_babble(data, kinds, len(speech))
    speakers = list(speech)

    def sources(rng, recording):
        kind = rng.choice(kinds)
        if kind != "babble":
            return (Source(kind, rng.getrandbits(32)),)
        own, result = owners[recording], []
        for speaker in rng.sample(speakers, min(voices + len(own), len(speakers))):
            if speaker not in own and len(result) < voices:
                start, end, name = rng.choice(speech[speaker])
                result.append(Source("loop", draw(rng, (start, end), 2), name))
        return tuple(result)
    return sources


def _without_babble(data, kinds, count):
    others = [kind for kind in kinds if kind != "babble"]
    if not others:
        raise UserError(data.path, f"{count} speakers with recordings of their own are too few "
                        f"for babble, {MIN_SPEAKERS} are needed",
                        "--kinds white:pink:brown, or --noise with recordings")
    log(f"{data.path}: {count} speakers with recordings of their own, so no babble")
    return others


def _speech(data):
    """{speaker: [(start in s, end in s, rxfilename), ...]} of recordings that have one speaker,
    and {recording: its speakers}

    Copies (utt2uniq) count as the speaker of what they are copies of. Their sound is taken from
    below our own filters: as it is, not perturbed twice.
    """
    uniq, lengths, names = data.table("utt2uniq"), durations(data), recordings(data)
    speakers, owners, speech = {}, {}, {}
    for utt in data.utts:
        original = uniq.get(utt, utt)
        speaker = speakers.setdefault(original, data.utt2spk.get(original, data.utt2spk[utt]))
        owners.setdefault(data.segment(utt)[0], set()).add(speaker)
    for utt in data.utts:
        recording, start, _ = data.segment(utt)
        if len(owners[recording]) == 1:
            name = split_filters(names[recording])[0]
            speech.setdefault(speakers[uniq.get(utt, utt)], []).append(
                (start, start + lengths[utt], name))
    return speech, owners
