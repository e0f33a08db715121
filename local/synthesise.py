#!/usr/bin/env python3
"""Synthesise the corpus of one language or accent with eSpeak NG.

in   local/sentences/<en|fr>.txt      a grammar of sentences
out  <corpus>/<spk>/<utt>.flac        16 kHz, 16 bits, in its speaker's room and noise
     <corpus>/utts.tsv                set (train, dev, test), utt, spk, accent, text
     <corpus>/lm.txt                  sentences for the language model, none of them spoken in
                                      dev or test

Voices, and sentences too, are apart between train, dev and test. The same options give the same
corpus, and a smaller one is not part of a larger.

e.g. local/synthesise.py --language en-us --size small corpus/en
"""

from pathlib import Path

import numpy as np

from local.acoustics import draw_surroundings, record
from local.grammar import read_grammar, sentences
from local.voices import VOICES, draw_speech, draw_stretch, generator
from utils.step import ROOT, Step, log, share

RATE = 16000
SETS = ["test", "dev", "train"]
# size: {role: utterances of train, dev, test, sentences for the language model, training voices}
SIZES = {
    "tiny": {"source": (72, 10, 10, 400, 6), "target": (24, 8, 8, 400, 4)},
    "small": {"source": (750, 70, 100, 6000, 45), "target": (270, 70, 100, 6000, 15)},
    "full": {"source": (3000, 200, 300, 20000, 47), "target": (450, 200, 300, 20000, 15)},
}
DEV_TEST_VOICES = {"tiny": (2, 2), "small": (6, 10), "full": (6, 10)}


def main(argv=None):
    step = Step(__file__, __doc__, jobs=2)
    step.add("--language", default="en-us", help="of eSpeak NG: en-us, en-gb-scotland, en-029, fr")
    step.add("--size", choices=list(SIZES), default="small", help="default small")
    step.add("--role", choices=["source", "target"], default="source",
             help="source: much speech; target: little (default source)")
    step.add("corpus", help="directory to make, corpus/<language>")
    args = step.parse(argv)
    grammar = ROOT / f"local/sentences/{args.language.partition('-')[0]}.txt"
    if not step.is_job and step.up_to_date(args.corpus, [
            grammar, *(ROOT / f"local/{name}.py" for name in ("voices", "acoustics"))]):
        return 0
    utts, lm_text = plan(Path(args.corpus).name, grammar, args)
    if step.is_job:
        speak(share(utts, args.job, args.nj), args.language, Path(args.work))
        return 0
    with step.output(args.corpus) as out:
        rows = ["\t".join([part, utt, spk, args.language, text]) for part, utt, spk, text in utts]
        (out / "utts.tsv").write_text("".join(row + "\n" for row in rows), "utf-8")
        (out / "lm.txt").write_text("".join(line + "\n" for line in lm_text), "utf-8")
        step.run_jobs(step.num_jobs(len(utts)), f"{args.corpus}/log", out)
    return step.finish(f"{args.corpus}: {len(utts)} utterances, "
                       f"{len({spk for _, _, spk, _ in utts})} voices")


def plan(name, grammar, args):
    """[(set, utt, spk, text)], sorted by utt, and the sentences for the language model."""
    *numbers, num_lm, num_train_voices = SIZES[args.size][args.role]
    numbers = dict(zip(("train", "dev", "test"), numbers, strict=True))
    num_voices = dict(zip(("dev", "test"), DEV_TEST_VOICES[args.size], strict=True),
                      train=num_train_voices)
    pool = sentences(read_grammar(grammar), num_lm + numbers["dev"] + numbers["test"], name)
    utts = []
    for part in SETS:
        # dev and test use their sentences up; train's are the first ones of the LM's.
        texts, rest = pool[:numbers[part]], pool[numbers[part]:]
        voices = VOICES[part][:num_voices[part]]
        for i, text in enumerate(texts):
            spk = f"{name}-{voices[i % len(voices)].lower()}"
            utts.append((part, f"{spk}-{i // len(voices) + 1:04d}", spk, text))
        pool = pool if part == "train" else rest
    return sorted(utts, key=lambda row: row[1]), pool


def speak(utts, language, directory):
    """Write <directory>/<spk>/<utt>.flac of [(set, utt, spk, text)]."""
    import soundfile
    import soxr

    from utils.lang.espeak import Espeak

    espeak = Espeak(language)
    variant_of = {voice.lower(): voice for voices in VOICES.values() for voice in voices}
    for done, (_, utt, spk, text) in enumerate(utts, 1):
        variant = variant_of[spk.rpartition("-")[2]]
        habits = generator(spk)
        speech, where = draw_speech(habits), draw_surroundings(habits)
        stretch = draw_stretch(habits)
        rng = generator(utt)
        speech["rate_wpm"] += int(rng.integers(-12, 13))
        samples, rate = espeak.synthesise(text, variant=variant, seed=int(rng.integers(1, 1 << 30)),
                                          **speech)
        pause = np.zeros(int(rng.uniform(0.1, 0.4) * rate))
        samples = np.concatenate([pause, samples / 32768, pause])
        sound = record(soxr.resample(samples, rate / stretch, RATE), RATE, where, rng)
        (directory / spk).mkdir(exist_ok=True)
        soundfile.write(directory / spk / f"{utt}.flac", sound, RATE, subtype="PCM_16")
        if done % 200 == 0:
            log(f"{done} of {len(utts)} utterances")


if __name__ == "__main__":
    raise SystemExit(main())
