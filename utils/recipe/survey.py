"""Look at recordings and transcripts: what is there, and what looks wrong.

    sound = survey_sound(tables)        # {"hours_heard": ..., "rates": ..., ...}, [Suspect]
    text = survey_text(tables, text, seconds)
"""

import hashlib
import math
import statistics
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.data.audio import AudioError, audio_info, load
from utils.data.datadir import parse_segment

FRAME = 0.02            # s, of the levels
CLIPPED = 0.001         # share of a recording's samples, at its peak in a row, to be called clipped
FULL = 0.985            # of full scale or of the peak, where clipping is looked for
QUIET = -45.0           # dB of full scale, loud frames below which a recording is quiet
DEAF = -75.0            # dB, loud frames below which it is silent
NARROW = -55.0          # dB, power above 4 kHz against that below: a telephone's
SECONDS_PER_LETTER = 0.03   # three states of 10 ms: with less an utterance cannot be aligned
FACTOR = 3.0            # from the usual number of letters a second, to be suspicious
MOST_HEARD = 7200.0     # s that are decoded to look at levels
LONG, SHORT = 30.0, 0.3


class Suspect(NamedTuple):
    """An utterance or recording that looks wrong; impossible: that cannot be used"""
    utt: str
    what: str
    do: str
    impossible: bool = False


def durations_of(tables):
    """{utt: s}, {recording: (s, rate, channels)}, by headers"""
    infos = {}
    for recording, path in tables["wav.scp"].items():
        count, rate, channels = audio_info(path)
        infos[recording] = count / rate, rate, channels
    seconds = {}
    for utt in tables["utt2spk"]:
        if "segments" in tables:
            _, start, end = parse_segment(tables["segments"][utt], "segments", utt)
            seconds[utt] = end - start
        else:
            seconds[utt] = infos[utt][0]
    return seconds, infos


def survey_sound(tables, infos):
    """({what: value}, [Suspect]) of the recordings; levels are of two hours, chosen at random."""
    hours = Counter()
    for length, rate, _ in infos.values():
        hours[rate] += length / 3600
    heard, found = 0.0, defaultdict(list)
    suspects, clips = [], 0
    for recording in sorted(infos, key=lambda name: hashlib.blake2b(name.encode()).digest()):
        if heard >= MOST_HEARD:
            break
        try:
            samples, rate = load(tables["wav.scp"][recording])
        except AudioError as error:
            suspects.append(Suspect(recording, error.what, "replace the recording", True))
            continue
        heard += len(samples) / rate
        levels = levels_of(samples, rate)
        for name, value in levels.items():
            found[name].append(value)
        if levels["clipped"] > CLIPPED:
            clips += 1
            suspects.append(Suspect(recording, f"clipped, {levels['clipped']:.1%} of its samples",
                                    "record at a lower level"))
        if levels["loud"] < QUIET:
            what = "silent" if levels["loud"] < DEAF else "very quiet"
            suspects.append(Suspect(recording, f"{what}, {levels['loud']:.0f} dB of full scale",
                                    "is it the right recording?", levels["loud"] < DEAF))
    median = {name: statistics.median(values) for name, values in found.items()}
    result = {
        "recordings": len(infos), "hours": round(sum(hours.values()), 3),
        "rates": {str(rate): round(h, 3) for rate, h in sorted(hours.items())},
        "channels": dict(Counter(str(channels) for _, _, channels in infos.values())),
        "hours_heard": round(heard / 3600, 3), "clipped": clips,
        "level_db": round(median.get("loud", math.nan), 1),
        "noise_db": round(median.get("noise", math.nan), 1),
        "silence": round(statistics.fmean(found["silence"]), 3) if heard else None,
        "narrow": sum(map(bool, found["narrow"])), "levels_of": len(found["loud"]),
        "alike_channels": sum(map(bool, found["alike"]))}
    return result, suspects


def levels_of(samples, rate):
    """{what: value} of float32 (num_samples, num_channels): dB are of full scale."""
    mono = samples.mean(axis=1)
    size = max(1, int(FRAME * rate))
    frames = mono[:len(mono) // size * size].reshape(-1, size) if len(mono) >= size else mono[None]
    power = 10 * np.log10(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-12)
    loud, noise = np.percentile(power, [95, 10])
    peak = float(np.abs(mono).max())
    at_peak = np.abs(mono) >= FULL * peak
    runs = at_peak[:-2] & at_peak[1:-1] & at_peak[2:] if len(mono) > 2 else at_peak
    # Loud speech alone has no flat tops; a sine has, so the peak must be near full scale.
    clipped = float(runs.mean()) if peak > 0.2 else 0.0
    first = samples[:, 0]
    alike = samples.shape[1] == 1 or all(
        np.allclose(first, samples[:, i], atol=1e-3) for i in range(1, samples.shape[1]))
    return {"loud": float(loud), "noise": float(noise), "clipped": clipped,
            "silence": float(np.mean(power < max(loud - 35, noise + 3))),
            "narrow": rate > 10000 and _power_above(mono, rate, 4000) < NARROW, "alike": alike}


def _power_above(mono, rate, hertz):
    """dB of the power above a frequency against that below, over up to ten seconds"""
    part = mono[:10 * rate]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
    at = int(hertz * len(part) / rate) + 1
    return 10 * math.log10((spectrum[at:].mean() + 1e-12) / (spectrum[:at].mean() + 1e-12))


def survey_text(raw, text, seconds, utt2spk):
    """({what: value}, [Suspect]) of transcripts.

    raw      {utt: as written};  text: {utt: normalised}, without those that were left out
    """
    suspects = [Suspect(utt, "no transcript" if not raw[utt] else "nothing left of its transcript",
                        "transcribe it, or look at conf/normalise.tsv", True)
                for utt in seconds if utt not in text]
    rates = {utt: _letters(text[utt]) / seconds[utt] for utt in text if seconds[utt] > 0}
    usual = statistics.median(rates.values()) if rates else 0.0
    said, by_speaker = Counter(text.values()), defaultdict(list)
    for utt, words in text.items():
        by_speaker[utt2spk[utt], words].append(utt)
        suspects += _pace(utt, words, seconds[utt], usual)
    for (_, words), utts in by_speaker.items():
        if len(utts) > 1 and len(words.split()) > 3:
            suspects.append(Suspect(utts[1], f"the same words of the same speaker as {utts[0]}"
                                    + (f" and {len(utts) - 2} more" if len(utts) > 2 else ""),
                                    "is a transcript copied, or was it read twice?"))
    letters = Counter(c for words in text.values() for c in words.replace(" ", ""))
    for utt, words in text.items():
        rare = sorted({c for c in words.replace(" ", "") if letters[c] <= 2})
        if rare:
            suspects.append(Suspect(utt, f"{' '.join(rare)}, which occurs once or twice in all",
                                    "a slip of the keyboard? then mend it, or map it in "
                                    "conf/normalise.tsv"))
    words = Counter(word for line in text.values() for word in line.split())
    return {
        "utterances": len(text), "speakers": len({utt2spk[utt] for utt in text}),
        "sentences": len(said), "words": sum(words.values()),
        "different_words": len(words), "said_once": sum(n == 1 for n in words.values()),
        "repeated_sentences": sum(n > 1 for n in said.values()),
        "letters_a_second": round(usual, 2),
        "characters": dict(letters.most_common())}, suspects


def _letters(words):
    return sum(c.isalnum() for c in words)


def _pace(utt, words, seconds, usual):
    letters = _letters(words)
    pace = letters / seconds if seconds > 0 else math.inf
    if seconds < SECONDS_PER_LETTER * letters:
        yield Suspect(utt, f"{letters} letters in {seconds:.2f} s, which cannot be",
                      "is it this recording's transcript?", True)
    elif letters >= 5 and pace > FACTOR * usual:
        yield Suspect(utt, f"{pace:.1f} letters a second, usual are {usual:.1f}",
                      "is the recording cut, or the transcript another's?")
    elif seconds > 1 and pace < usual / FACTOR:
        yield Suspect(utt, f"{pace:.1f} letters a second, usual are {usual:.1f}",
                      "is something not transcribed, or much silence?")
    if seconds > LONG:
        yield Suspect(utt, f"{seconds:.0f} s long", "cut it, memory grows with length")
    elif seconds < SHORT:
        yield Suspect(utt, f"{seconds:.2f} s short", "is the recording whole?")


def same_sound(tables):
    """[Suspect] of recordings that are byte for byte another one"""
    sizes, suspects = defaultdict(list), []
    for recording, path in tables["wav.scp"].items():
        sizes[Path(path).stat().st_size].append(recording)
    for recordings in sizes.values():
        seen = {}
        for recording in recordings if len(recordings) > 1 else ():
            path = Path(tables["wav.scp"][recording])
            digest = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
            if digest in seen and tables["wav.scp"][seen[digest]] != str(path):
                suspects.append(Suspect(recording, f"the same sound as {seen[digest]}",
                                        "is one a copy, or a placeholder?"))
            seen.setdefault(digest, recording)
    return suspects
