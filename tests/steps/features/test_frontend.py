import numpy as np
import pytest

from steps.features.frontend import FrontEnd, active_level, add_options, feats_config
from utils.option_types import yes_or_no
from utils.step import Step, UserError


def config(kind="mfcc", **options):
    step = Step("make_mfcc.py", "")
    add_options(step, num_mel_bins=23)
    step.add("--num-ceps", type=int, default=13)
    step.add("--cepstral-lifter", type=float, default=22.0)
    step.add("--use-energy", type=yes_or_no, default=False)
    return feats_config(kind, step.parse(
        [f"--{k.replace('_', '-')}={str(v).lower()}" for k, v in options.items()]))


def compute(samples, utt="u1", **options):
    return FrontEnd(config(**options)).compute(utt, samples)


def test_shape_and_type(sound):
    samples = sound(1.0, 1)
    for options, dim in [({}, 13), ({"kind": "fbank"}, 23), ({"num_ceps": 20}, 20),
                         ({"kind": "fbank", "use_energy": True}, 24), ({"add_pitch": True}, 16)]:
        feats = compute(samples, **options)
        assert feats.shape == (98, dim) == (98, config(**options)["feat_dim"])
        assert feats.dtype == np.float32
        assert np.all(np.isfinite(feats))


@pytest.mark.parametrize(("samples", "snipped", "centred"), [
    (79, 0, 0), (80, 0, 1), (399, 0, 2), (400, 1, 3), (560, 2, 4), (16000, 98, 100),
    (16079, 98, 100), (16080, 99, 101)])
def test_numbers_of_frames_are_kaldis(samples, snipped, centred):
    noise = np.random.default_rng(0).normal(size=samples).astype(np.float32) / 100
    assert len(compute(noise)) == snipped
    assert len(compute(noise, snip_edges=False)) == centred


def test_centred_frames_are_the_snipped_ones_of_the_mirrored_sound(sound):
    samples = sound(0.5, 1)
    mirrored = np.concatenate([samples[119::-1], samples, samples[:-200:-1]])
    options = {"dither": 0.0, "remove_dc_offset": False}
    centred = compute(samples, snip_edges=False, **options)
    np.testing.assert_allclose(centred, compute(mirrored, **options)[:len(centred)], atol=1e-3)


def test_dither_is_the_same_for_the_same_utterance():
    silence = np.zeros(16000, np.float32)
    np.testing.assert_array_equal(compute(silence), compute(silence))
    assert np.abs(compute(silence) - compute(silence, utt="u2")).max() > 0.1
    assert np.all(np.isfinite(compute(silence, dither=0.0)))


def test_a_constant_offset_is_removed(sound):
    samples = sound(0.5, 1)
    np.testing.assert_allclose(compute(samples + np.float32(0.1), dither=0.0),
                               compute(samples, dither=0.0), atol=0.05)


def test_target_level_makes_loud_and_soft_alike(sound):
    samples = sound(1.0, 1)
    options = {"dither": 0.0, "target_level": -26}
    np.testing.assert_allclose(compute(samples / 50, **options), compute(samples, **options),
                               atol=1e-2)
    scaled = samples * 10 ** ((-26 - active_level(samples, 400, 160)) / 20)
    assert active_level(scaled, 400, 160) == pytest.approx(-26, abs=0.01)
    np.testing.assert_allclose(compute(scaled.astype(np.float32), dither=0.0),
                               compute(samples, **options), atol=1e-2)
    assert np.all(np.isfinite(compute(np.zeros(8000, np.float32), **options)))


def test_silence_at_the_ends_is_trimmed(sound):
    rng = np.random.default_rng(0)
    time = np.arange(16000) / 16000
    tone = (0.3 * np.sin(2 * np.pi * 500 * time)).astype(np.float32)
    hush = (1e-4 * rng.normal(size=32000)).astype(np.float32)
    samples = np.concatenate([hush, tone, hush[:16000]])
    first, last = FrontEnd(config(trim_silence=40)).trim(samples)
    assert 0.1 <= (32000 - first) / 16000 <= 0.13      # the margin, and a frame that overlaps
    assert 0.1 <= (last - 48000) / 16000 <= 0.13
    assert len(compute(samples, trim_silence=40)) == 1 + (last - first - 400) // 160
    assert FrontEnd(config(trim_silence=40)).trim(samples + 0.1) == (first, last)
    assert FrontEnd(config()).trim(samples) == (0, len(samples))
    for samples in (np.zeros(8000, np.float32), np.full(8000, np.nan, np.float32)):
        assert FrontEnd(config(trim_silence=40)).trim(samples) == (0, 8000)


def test_pitch_of_a_voice():
    time = np.arange(32000) / 16000
    low, high = (sum(np.sin(2 * np.pi * f0 * k * time) / k for k in range(1, 8)) / 4
                 for f0 in (100, 200))
    both = np.concatenate([low, high]).astype(np.float32)
    feats = compute(both, add_pitch=True)
    assert feats.shape[1] == 16
    pov, log_pitch = feats[:, 13], feats[:, 14]
    assert log_pitch[205:230].mean() > log_pitch[170:195].mean() + 0.1
    noise = np.random.default_rng(0).normal(size=64000).astype(np.float32) / 50
    assert abs(np.median(compute(noise, add_pitch=True)[:, 13]) - np.median(pov)) > 0.1


def test_the_fingerprint_tells_of_the_features_only():
    plain = config()["fingerprint"]
    assert config(method="psf", compress=True)["fingerprint"] == plain
    assert config(cepstral_lifter=22, low_freq=20)["fingerprint"] == plain
    assert config(high_freq=8000)["fingerprint"] == plain
    assert config(fft_length=512)["fingerprint"] == plain
    different = [config(**o)["fingerprint"] for o in [
        {"low_freq": 40}, {"num_ceps": 12}, {"dither": 0.0}, {"kind": "fbank"},
        {"snip_edges": False}, {"window_type": "povey"}, {"sample_rate": 8000},
        {"target_level": -20}, {"trim_silence": 40}, {"add_pitch": True}]]
    assert len({plain, *different}) == 11


@pytest.mark.parametrize(("options", "message"), [
    ({"frame_length": 25}, "--frame-length=25: is a time in seconds"),
    ({"frame_shift": 0}, "--frame-shift=0: is a time in seconds"),
    ({"high_freq": 9000}, "filters would be from 20 Hz to 9000 Hz"),
    ({"low_freq": 5000, "high_freq": 4000}, "from 5000 Hz to 4000 Hz"),
    ({"num_ceps": 24}, "--num-ceps=24: is more than the 23"),
    ({"trim_silence": -40}, "--trim-silence=-40: is below 0"),
    ({"dither": np.nan}, "--dither=nan: is no number"),
    ({"target_level": np.inf}, "--target-level=inf: is no number"),
    ({"fft_length": 256}, "--fft-length=256: is less than a frame's 400"),
    ({"num_mel_bins": 200}, "leaves filter 1 without an FFT bin")])
def test_options_that_cannot_be(options, message):
    with pytest.raises(UserError, match=message):
        config(**options)
