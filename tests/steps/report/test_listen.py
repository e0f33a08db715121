import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from steps.report import listen
from steps.report.reading import _scale, aligned, word_spectrogram
from steps.score.wer import CORRECT, DEL, INS, SUB


def decoding(rows):
    """rows: (utt, speaker, words, errors)"""
    counts = np.zeros((len(rows), 8), np.int64)
    counts[:, 0] = [row[2] for row in rows]
    counts[:, 3] = [row[3] for row in rows]
    return SimpleNamespace(utts=[r[0] for r in rows], spks=[r[1] for r in rows], counts=counts)


ROWS = [("a1", "a", 10, 9), ("a2", "a", 10, 8), ("b1", "b", 10, 5), ("c1", "c", 1, 1),
        ("c2", "c", 10, 0), ("d1", "d", 10, 2), ("d2", "d", 10, 3)]   # 28 errors in 61 words


def test_the_worst_and_the_typical_are_of_several_speakers():
    assert listen.choose(decoding(ROWS), 4) == [
        ("a1", "worst"), ("b1", "worst"), ("d2", "typical"), ("a2", "typical")]
    assert [utt for utt, kind in listen.choose(decoding(ROWS), 6) if kind == "worst"] == [
        "a1", "b1", "d2"]
    assert len(listen.choose(decoding(ROWS), 99)) == 6   # one word alone is passed over


def test_where_nothing_is_wrong_nothing_is_worst():
    rows = [("a", "a", 5, 0), ("b", "b", 5, 0)]
    assert listen.choose(decoding(rows), 4) == [("a", "typical"), ("b", "typical")]
    assert listen.choose(decoding([("c", "c", 1, 1)]), 2) == [("c", "worst")]


def decoded(uri, kind):
    assert uri.startswith(f"data:{kind};base64,")
    return io.BytesIO(base64.b64decode(uri.partition(",")[2]))


def tone(frequency, seconds, rate):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_sound_is_the_same_sound(rate):
    samples, found = soundfile.read(decoded(
        listen.sound_uri(tone(440, 2, rate).astype(np.float32), rate), "audio/mpeg"))
    assert found == listen.RATE and 2 <= len(samples) / found < 2.2
    power = np.abs(np.fft.rfft(samples[8000:24000])) ** 2   # one second: a bin is 1 Hz
    assert power[435:446].sum() > 0.99 * power.sum()


def test_long_sound_is_cut_and_without_mp3_it_is_wav(monkeypatch):
    write = soundfile.write

    def no_mp3(file, samples, rate, format, **options):
        if format == "MP3":
            raise soundfile.LibsndfileError(1)
        write(file, samples, rate, format=format, **options)

    monkeypatch.setattr(soundfile, "write", no_mp3)
    uri = listen.sound_uri(tone(440, 40, 16000), 16000)
    samples, rate = soundfile.read(decoded(uri, "audio/wav"))
    assert len(samples) == listen.MAX_SECONDS * rate


def test_a_tone_is_a_line_where_it_belongs():
    rate, when = 16000, 0.7
    samples = np.concatenate([np.zeros(int(when * rate)), tone(1000, 0.5, rate)])
    shades = listen.spectrogram(samples, rate)
    assert shades.shape == (listen.NUM_BANDS, 120) and shades.max() == listen.LEVELS - 1
    columns = np.flatnonzero(shades.max(0) == listen.LEVELS - 1)
    assert columns[0] == pytest.approx(when / listen.SHIFT, abs=1.5)
    # Bands are even in mel from 60 Hz, and the lowest is the last row.
    mel = np.log1p(np.array([60, 1000, 8000]) / 700)
    band = (mel[1] - mel[0]) / (mel[2] - mel[0]) * (listen.NUM_BANDS + 1) - 1
    loudest = shades[:, 100].astype(float)
    assert np.average(listen.NUM_BANDS - 1 - np.arange(listen.NUM_BANDS),
                      weights=loudest == loudest.max()) == pytest.approx(band, abs=1.1)


def test_silence_and_a_click_are_spectrograms_too():
    assert listen.spectrogram(np.zeros(800), 8000).shape == (listen.NUM_BANDS, 10)
    assert listen.spectrogram(np.ones(3), 8000).shape == (listen.NUM_BANDS, 1)


def test_a_picture_has_ink_by_shade():
    shades = np.array([[0, 5, listen.LEVELS - 1]], np.uint8)
    image = imread(decoded(listen.png_uri(shades), "image/png"), format="png")
    assert image.shape == (1, 3, 4)
    assert (image[..., :3] * 255).round().tolist() == [[list(listen.INK)] * 3]
    assert image[0, 0, 3] == 0 and 0 < image[0, 1, 3] < 0.5 and image[0, 2, 3] == 1


PAIRS = [(CORRECT, "yes", "yes"), (SUB, "no", "go"), (DEL, "very", ""), (INS, "", "uh")]


def test_errors_are_told_by_element_and_not_by_colour_alone():
    made = aligned(PAIRS)
    assert '<span class="pair sub"><del>no</del><ins>go</ins></span>' in made
    assert '<span class="pair del"><del>very</del><span aria-hidden="true">–</span>' in made
    assert '<span class="pair ins"><span aria-hidden="true">–</span><ins>uh</ins>' in made


def heard(words):
    one = listen.Heard("u")
    one.samples, one.rate, one.words = tone(300, 1.5, 8000), 8000, words
    return one


def test_words_are_coloured_as_they_were_aligned():
    words = [("yes", 0.1, 0.4, 1.0), ("go", 0.4, 0.8, 0.5), ("uh", 0.8, 1.0, 0.2)]
    made = word_spectrogram(heard(words), PAIRS)
    for word, kind in (("yes", "cor"), ("go", "sub"), ("uh", "ins")):
        assert f'class="word {kind}">{word}</text>' in made
    # Pieces of words cannot be told right from wrong.
    made = word_spectrogram(heard([("ye", 0.1, 0.2, 1.0), ("s", 0.2, 0.4, 1.0)]), PAIRS)
    assert made.count("word cor") == 2
    assert "word" not in word_spectrogram(heard(None), PAIRS)


def test_the_scale_leaves_room_for_words():
    assert _scale([]) == _scale([("a", n, n + 1, 1) for n in range(3)]) == 170
    assert _scale([("neighbours", 0.0, 0.2, 1), ("a", 0.2, 0.3, 1), ("b", 0.35, 0.5, 1)]) \
        == pytest.approx((6.6 * 10 + 8) / 0.35)
