"""What looks wrong with recordings and transcripts."""

import numpy as np
import soundfile

from tests.tiny_corpus import speak
from utils.recipe import survey

RATE = 16000


def voice(rng, seconds=3.0):
    words = [list("mano"), list("fasi")] * 8
    return speak(words, 120, 1.0, rng)[0][:int(seconds * RATE)]


def tables_of(folder, sounds):
    folder.mkdir()
    for name, samples in sounds.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE, subtype="PCM_16")
    return {"wav.scp": {name: str(folder / f"{name}.wav") for name in sounds},
            "utt2spk": dict.fromkeys(sounds, "s")}


def test_levels_clipping_silence_and_copies(tmp_path):
    rng = np.random.default_rng(1)
    good = [voice(rng) for _ in range(4)]
    sounds = {f"good{i}": samples for i, samples in enumerate(good)}
    sounds |= {"loud": np.clip(good[0] * 30, -1, 1), "quiet": good[1] * 0.003,
               "silent": np.zeros(RATE), "copy": good[2]}
    tables = tables_of(tmp_path / "rec", sounds)
    seconds, infos = survey.durations_of(tables)
    assert seconds["silent"] == 1.0 and infos["loud"][1:] == (RATE, 1)
    found, suspects = survey.survey_sound(tables, infos)
    told = {s.utt: s for s in suspects}
    assert set(told) == {"loud", "quiet", "silent"}
    assert told["loud"].what.startswith("clipped") and not told["loud"].impossible
    assert told["silent"].impossible and "very quiet" in told["quiet"].what
    assert found["clipped"] == 1 and found["rates"] == {"16000": round(22 / 3600, 3)}
    assert [s.utt for s in survey.same_sound(tables)] == ["good2"] or \
        [s.utt for s in survey.same_sound(tables)] == ["copy"]


def test_a_telephone_is_heard(tmp_path):
    rng = np.random.default_rng(2)
    wide = rng.standard_normal(RATE).astype(np.float32)[:, None] * 0.1
    spectrum = np.fft.rfft(wide[:, 0])
    spectrum[4000:] = 0
    narrow = np.fft.irfft(spectrum, RATE).astype(np.float32)[:, None]
    assert survey.levels_of(narrow, RATE)["narrow"]
    assert not survey.levels_of(wide, RATE)["narrow"]
    assert survey.levels_of(np.repeat(wide, 2, axis=1), RATE)["alike"]
    assert not survey.levels_of(np.hstack([wide, -wide]), RATE)["alike"]
    assert abs(survey.levels_of(wide, RATE)["loud"] + 20) < 1


def test_transcripts():
    text = {f"u{i}": "mano fasi misa nemo" for i in range(3)} | {
        "fast": "mano " * 9 + "x", "slow": "fono", "many": "mano " * 40 + "end"}
    raw = text | {"empty": "", "gone": "?!"}
    seconds = dict.fromkeys(raw, 2.0) | {"slow": 9.0, "many": 2.0, "u2": 40.0, "fast": 1.2}
    spk = dict.fromkeys(raw, "s") | {"u2": "t"}
    found, suspects = survey.survey_text(raw, text, seconds, spk)
    told = {}
    for s in suspects:
        told.setdefault(s.utt, []).append(s)
    what = {utt: " / ".join(s.what for s in own) for utt, own in told.items()}
    assert what["empty"] == "no transcript" and "nothing left" in what["gone"]
    assert "163 letters in 2.00 s, which cannot be" in what["many"]
    assert {u for u, own in told.items() if any(s.impossible for s in own)} == {
        "empty", "gone", "many"}
    assert "letters a second" in what["slow"] and "letters a second" in what["fast"]
    assert "x, which occurs once" in what["fast"]
    assert "the same words of the same speaker as u0" in what["u1"]
    assert "40 s long" in what["u2"] and "same words" not in what["u2"]
    assert found["speakers"] == 2 and found["characters"]["x"] == 1
