"""A tiny corpus with its own sound, so that tests run from audio to words without a download.

Eight phones with spectra far enough apart for a small GMM, six words, seven speakers who differ
in pitch and in the length of their vocal tract.

e.g. PYTHONPATH=. python tests/tiny_corpus.py /tmp/tiny
"""

import sys
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000

# phone: (whether voiced, [(centre in Hz, width in Hz, amplitude), ...], typical duration in s)
PHONES = {
    "a": (True, [(800, 150, 1.0), (1250, 150, 0.7), (2600, 250, 0.3)], 0.12),
    "e": (True, [(500, 120, 1.0), (1900, 180, 0.7), (2600, 250, 0.4)], 0.11),
    "f": (False, [(1500, 900, 0.5), (4200, 1500, 0.5)], 0.09),
    "i": (True, [(300, 100, 1.0), (2300, 180, 0.6), (3100, 250, 0.5)], 0.10),
    "m": (True, [(250, 80, 0.8), (1000, 100, 0.15)], 0.08),
    "n": (True, [(250, 80, 0.6), (1600, 150, 0.35)], 0.08),
    "o": (True, [(450, 120, 1.0), (850, 120, 0.8)], 0.12),
    "s": (False, [(6200, 1200, 1.0)], 0.10),
}
LEXICON = [
    ("fasi", "f a s i"), ("fono", "f o n o"), ("mano", "m a n o"), ("mano", "m a n a"),
    ("misa", "m i s a"), ("nemo", "n e m o"), ("sefi", "s e f i"),
]
# speaker: (set, gender, accent, pitch in Hz, scale of the formants)
SPEAKERS = {
    "ana": ("train", "f", "north", 210, 1.06), "ben": ("train", "m", "south", 115, 0.97),
    "cem": ("train", "m", "north", 95, 0.94), "dua": ("train", "f", "south", 235, 1.08),
    "eli": ("train", "m", "north", 130, 1.00), "fay": ("test", "f", "south", 200, 1.04),
    "gus": ("test", "m", "north", 120, 0.98),
}
UTTS_PER_SPEAKER = {"train": 8, "test": 5}


def make_tiny_corpus(directory):
    """Write <directory>/{wav,data/train,data/test,dict,phones.ctm}; the same bytes every time.

    data/train has 40 utterances of 5 speakers, data/test 10 of 2 others, 1 to 2 s each at 16 kHz;
    phones.ctm says where each phone truly is: `utt 1 start duration phone`, silence as SIL.
    """
    directory = Path(directory).resolve()
    rng = np.random.default_rng(2)
    (directory / "wav").mkdir(parents=True)
    rows, ctm = {"train": [], "test": []}, []
    for spk, (part, gender, accent, pitch, scale) in SPEAKERS.items():
        for number in range(1, UTTS_PER_SPEAKER[part] + 1):
            utt = f"{spk}-{number:03d}"
            chosen = [LEXICON[i] for i in rng.integers(len(LEXICON), size=rng.integers(2, 4))]
            samples, times = speak([pron.split() for _, pron in chosen], pitch, scale, rng)
            wav = directory / "wav" / f"{utt}.wav"
            soundfile.write(wav, samples, RATE, subtype="PCM_16")
            rows[part].append((utt, spk, gender, accent, wav,
                               " ".join(word for word, _ in chosen), len(samples) / RATE))
            ctm += [f"{utt} 1 {start:.3f} {end - start:.3f} {phone}" for phone, start, end in times]
    for part in rows:
        _write_data(directory / "data" / part, rows[part])
    _write_dict(directory / "dict")
    _write(directory / "phones.ctm", ctm)
    return directory


def speak(words, pitch, scale, rng):
    """words: lists of phones -> float32 (num_samples,) and [(phone or SIL, start s, end s), ...]"""
    plan = [("SIL", rng.uniform(0.15, 0.25))]
    for word in words:
        plan += [(phone, PHONES[phone][2] * rng.uniform(0.85, 1.2)) for phone in word]
        if rng.random() < 0.5:
            plan.append(("SIL", rng.uniform(0.06, 0.15)))
    plan.append(("SIL", rng.uniform(0.15, 0.25)))
    fade = int(0.01 * RATE)   # neighbours overlap by 10 ms, as a stand-in for coarticulation
    total = np.zeros(sum(int(d * RATE) for _, d in plan) + fade, np.float32)
    times, at = [], 0
    for phone, duration in plan:
        count = int(duration * RATE)
        if phone != "SIL":
            sound = _phone(phone, count + fade, pitch * rng.uniform(0.95, 1.05), scale, rng)
            sound[:fade] *= np.linspace(0, 1, fade)
            sound[-fade:] *= np.linspace(1, 0, fade)
            total[at:at + count + fade] += sound
        times.append((phone, at / RATE, (at + count) / RATE))
        at += count
    total += 0.001 * rng.standard_normal(len(total))
    return (total[:at] * rng.uniform(0.7, 1.0)).astype(np.float32), times


def _phone(phone, count, pitch, scale, rng):
    """A pulse train or noise with the phone's formants, (count,), RMS about 0.1"""
    voiced, formants, _ = PHONES[phone]
    source = 0.05 * rng.standard_normal(count)
    if voiced:
        source[::int(RATE / pitch)] += 1
    else:
        source *= 20
    freqs = np.fft.rfftfreq(count, 1 / RATE)
    shape = sum(a * np.exp(-0.5 * ((freqs - f * scale) / w) ** 2) for f, w, a in formants)
    sound = np.fft.irfft(np.fft.rfft(source) * (shape + 0.003), count)
    return 0.1 * sound / np.sqrt(np.mean(sound ** 2))


def _write_data(directory, rows):
    directory.mkdir(parents=True)
    spk2utt = {}
    for utt, spk, *_ in rows:
        spk2utt.setdefault(spk, []).append(utt)
    _write(directory / "wav.scp", [f"{utt} {wav}" for utt, _, _, _, wav, _, _ in rows])
    _write(directory / "utt2spk", [f"{utt} {spk}" for utt, spk, *_ in rows])
    _write(directory / "spk2utt", [f"{spk} {' '.join(utts)}" for spk, utts in spk2utt.items()])
    _write(directory / "spk2gender", sorted({f"{spk} {gender}" for _, spk, gender, *_ in rows}))
    _write(directory / "utt2accent", [f"{utt} {accent}" for utt, _, _, accent, *_ in rows])
    _write(directory / "text", [f"{utt} {text}" for utt, *_, text, _ in rows])
    _write(directory / "utt2dur", [f"{utt} {seconds:.4f}" for utt, *_, seconds in rows])


def _write_dict(directory):
    directory.mkdir()
    _write(directory / "lexicon.txt",
           ["!SIL SIL", "<unk> SPN", *(f"{word} {pron}" for word, pron in LEXICON)])
    _write(directory / "silence_phones.txt", ["SIL", "SPN"])
    _write(directory / "optional_silence.txt", ["SIL"])
    _write(directory / "nonsilence_phones.txt", sorted(PHONES))
    _write(directory / "extra_questions.txt", [])


def _write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


if __name__ == "__main__":
    make_tiny_corpus(sys.argv[1])
