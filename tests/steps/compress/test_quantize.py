"""Fewer bits: what is in the file, that it says the same, and that it hears as the network does."""

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from steps.compress import quantize
from steps.compress.litert import affine_layers, export
from steps.compress.schemes import SCHEMES, kernels_in, parse_keep, plan_of, quantized
from steps.nnet.architectures import ARCHITECTURES, add_output, build_trunk
from steps.nnet.layers import MapPosteriors, MixPosteriors
from steps.nnet.litert import LiteRtModel
from steps.nnet.network import RECURRENT, is_compiled, read_network, save_model
from steps.nnet.size import context
from steps.nnet.tf import keras, seed
from steps.transfer.mixture import beside
from tests.steps.transfer.tiny_source import make_source
from utils.step import UserError

SIZES = {"dnn": {"hidden_dim": 64, "num_layers": 2, "window": 3},
         "cnn": {"hidden_dim": 64, "channels": (4, 8), "offsets": (1,)},
         "tdnn": {"hidden_dim": 64, "offsets": (1, 1)},
         "tdnnf": {"hidden_dim": 64, "bottleneck_dim": 32, "offsets": (1,)},
         **{arch: {"hidden_dim": 64, "num_layers": 1, "warm_up": 2} for arch in RECURRENT}}
BITS = {"float32": 32, "float16": 16, "int8": 8, "int8-static": 8}
WORST = {32: 1e-4, 16: 5e-3, 8: 0.3, 4: 2.5}        # of log-posteriors of networks without training


def small(arch, feat_dim=13, num_pdfs=20):
    seed(1)
    trunk, left, right = build_trunk(arch, SIZES[arch], feat_dim)
    feats = np.random.default_rng(0).normal(0, 1, (left + 60 + right, feat_dim))
    return add_output(trunk, num_pdfs), feats.astype(np.float32)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def exported(request):
    model, feats = small(request.param)
    return request.param, affine_layers(model), export(model), feats


@pytest.mark.parametrize("scheme", SCHEMES)
def test_all_networks_take_all_schemes(exported, scheme):
    arch, layers, data, feats = exported
    if scheme == "int8-static" and arch in RECURRENT:
        return
    plan = plan_of(layers, scheme, [])
    made = quantized(data, plan, [feats] if "static" in scheme else [])
    bits = BITS.get(scheme, 4)
    kernels = kernels_in(made, layers)
    in_loops = {name for name in layers if name.endswith(".recurrence")}
    assert {name: kernel["bits"] for name, kernel in kernels.items() if name not in in_loops} \
        == dict.fromkeys(layers.keys() - in_loops, bits)
    if bits in (4, 8):
        assert {kernels[name]["bits"] for name in in_loops} <= {bits}
    expected, found = (LiteRtModel(d).run(feats) for d in (data, made))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < WORST[bits]
    if bits < 32:
        assert len(made) < len(data)
        assert np.abs(found - expected).max() > 0


def test_fitted_kernels_are_nearer():
    model, feats = small("tdnn")
    data = export(model)
    plan = plan_of(affine_layers(model), "int4", [])
    expected = LiteRtModel(data).run(feats)
    errors = [np.mean((LiteRtModel(quantized(data, plan, speech)).run(feats) - expected) ** 2)
              for speech in ([], [feats])]
    assert errors[1] < 0.8 * errors[0]


def test_a_plan_keeps_layers_and_finds_blocks(capsys):
    layers = {"input.affine": (40, 64), "conv": (3, 3, 32, 64), "tdnn1.affine": (64, 64),
              "output": (64, 9)}
    keep = parse_keep("output=int8 t*=float16 tdnn1.*=float32")
    assert plan_of(layers, "int4-block32", keep) == {
        "input.affine": "int4", "conv": "int4", "tdnn1.affine": "float32", "output": "int8"}
    said = capsys.readouterr().err
    assert "input.affine: 40 x 64, no blocks of 32 inputs" in said
    assert "output:" not in said


def test_layers_that_are_kept_are_wider():
    model, _ = small("tdnn")
    layers = affine_layers(model)
    plan = plan_of(layers, "int4", parse_keep("output=int8 input*=float16 tdnn2*=float32"))
    bits = {name: kernel["bits"] for name, kernel in
            kernels_in(quantized(export(model), plan), layers).items()}
    assert bits == {"input.affine": 16, "tdnn1.affine": 4, "tdnn2.affine": 32, "output": 8}


@pytest.mark.parametrize("scheme", ["int8", "float16", "int8-static", "int4"])
def test_a_map_of_posteriors_stays_float(tmp_path, scheme):
    parts, feats = [small("tdnn", num_pdfs=num)[0] for num in (20, 12)], small("tdnn")[1]
    for name in affine_layers(parts[1]):      # that no kernel is there twice
        parts[1].get_layer(name).kernel.assign(1.1 * parts[1].get_layer(name).kernel)
    for part in parts:
        part.layers[-2].kernel.assign(20 * part.layers[-2].kernel)   # posteriors far apart
    x = keras.Input((None, 13), name="feats")
    mapping = MapPosteriors(12, name="a.map")
    mixed = MixPosteriors([0.5, 0.5], name="mix")(
        [mapping(beside(parts[0], x, "a.")), beside(parts[1], x, "b.")])
    mapping.set_weights([np.random.default_rng(0).dirichlet([0.1] * 12, 20).astype(np.float32)])
    model = keras.Model(x, mixed)
    for name in quantize.KEPT:
        (tmp_path / name).write_text("x")
    left, right, subsampling = context(model)
    config = {"feat_dim": 13, "num_pdfs": 12, "left_context": left, "right_context": right,
              "subsampling": subsampling}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_model(tmp_path / "final.keras", model)
    (tmp_path / "out").mkdir()
    args = SimpleNamespace(network=tmp_path, scheme=scheme, keep="", data="")
    about = quantize.quantize(args, [], [feats] if "static" in scheme else [], tmp_path / "out")
    bits = {layer["name"]: layer["bits"] for layer in about["layers"]}
    assert bits.pop("a.map") == 32 and set(bits.values()) == {BITS.get(scheme, 4)}
    made, exact = (LiteRtModel(data).run(feats) for data in (
        (tmp_path / "out/model.tflite").read_bytes(), export(model)))
    assert np.abs(made - exact).max() < 20


def test_zeros_are_counted_in_the_file():
    model, _ = small("dnn")
    layer, layers = model.get_layer("dnn2.affine"), affine_layers(model)
    kernel = layer.kernel.numpy()
    kernel[:, ::4] = 0
    kernel[kernel == 0] = 0
    layer.kernel.assign(kernel)
    data = export(model)
    for scheme in ("float32", "float16", "int8", "int4"):
        found = kernels_in(quantized(data, plan_of(layers, scheme, [])), layers)["dnn2.affine"]
        assert found["shape"] == [64, 64]
        if scheme.startswith("float"):
            assert found["nonzero"] == 64 * 48
        else:
            assert found["nonzero"] <= 64 * 48
            assert found["bytes"] == 64 * 64 * int(scheme[3:]) // 8 + 4 * 64


def test_a_network_becomes_a_directory_that_hears_as_well(scored, tmp_path, capsys):
    command = ["--nj", "1", "--baseline", scored.baseline, scored.network, tmp_path / "int8"]
    assert quantize.main(command) == 0
    made = tmp_path / "int8"
    assert is_compiled(made)
    assert sorted(p.name for p in made.iterdir()) == sorted(
        [".done", "compress.json", "model.tflite", "decode_dev", *quantize.KEPT])
    about = json.loads((made / "compress.json").read_text())
    assert about["method"] == "quantize"
    assert about["gate"]["passed"] is True
    assert about["bytes"] == (made / "model.tflite").stat().st_size < about["bytes_before"] / 2
    assert [layer["bits"] for layer in about["layers"]] == [8] * len(about["layers"])
    feats = np.random.default_rng(0).normal(0, 1, (90, 13)).astype(np.float32)
    both = [read_network(d).log_posteriors(feats) for d in (scored.network, made)]
    assert (both[0].argmax(1) == both[1].argmax(1)).mean() > 0.9
    capsys.readouterr()
    assert quantize.main(command) == 0
    assert "up to date" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"int8: is a LiteRT model already"):
        quantize.main([made, tmp_path / "again"])


def test_static_listens_to_speech(scored, tmp_path):
    quantize.main(["--scheme", "int8-static", "--calibration-utts", "3", scored.network,
                   scored.train, tmp_path / "nn"])
    about = json.loads((tmp_path / "nn/compress.json").read_text())
    assert about["calibration_utts"] == 3 and about["data"] == str(scored.train)
    assert about["gate"] == {"passed": None}
    feats = np.random.default_rng(0).normal(0, 1, (90, 13)).astype(np.float32)
    both = [read_network(d).log_posteriors(feats) for d in (scored.network, tmp_path / "nn")]
    assert 0 < np.abs(both[0] - both[1]).max() < 2


def test_speech_that_is_not_heard_is_no_input(scored, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(scored.train, data)
    command = [scored.network, data, tmp_path / "nn"]
    quantize.main(command)
    assert json.loads((tmp_path / "nn/compress.json").read_text())["data"] == ""
    (data / "feats.json").write_text("{}")
    capsys.readouterr()
    quantize.main(command)
    assert "up to date" in capsys.readouterr().err


def test_the_limit_is_the_schemes(scored, tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(quantize.gate, "check",
                        lambda args, *_: seen.update({args.scheme: args.max_wer_rise}) or {})
    for scheme in ("int8", "int4", "int4-block32"):
        quantize.main(["--scheme", scheme, scored.network, tmp_path / scheme])
    quantize.main(["--max-wer-rise", "0.5", scored.network, tmp_path / "other"])
    assert seen == {"int8": 0.5, "int4": 0.05, "int4-block32": 0.05}


@pytest.mark.parametrize(("options", "line"), [
    (["--keep", "output"], "--keep: output is no GLOB=SCHEME (such as output=int8"),
    (["--keep", "output=int8-static"], "is no GLOB=SCHEME"),
    (["--scheme", "int8-static"], "int8-static needs training speech (name a data directory)"),
    (["--keep", "outputs=int8"], "--keep: no layer is called outputs (there are dnn1"),
])
def test_mistakes_are_told(scored, tmp_path, options, line):
    with pytest.raises(UserError, match=re.escape(line)):
        quantize.main([*options, scored.network, tmp_path / "nn"])
    assert not list(tmp_path.glob("nn/*"))


def test_recurrent_networks_are_not_made_static(speech, mono_ali, tmp_path, capsys):
    source = make_source(tmp_path / "gru", speech.train, mono_ali, "gru")
    with pytest.raises(UserError, match="int8-static is not for recurrent networks"):
        quantize.main(["--scheme", "int8-static", source, speech.train, tmp_path / "nn"])
    assert quantize.main(["--scheme", "int4", source, speech.train, tmp_path / "nn"]) == 0
    assert "kernels are not fitted to speech" in capsys.readouterr().err
    assert json.loads((tmp_path / "nn/compress.json").read_text())["calibration_utts"] == 0


def test_damaged_networks_are_named(scored, tmp_path):
    with pytest.raises(UserError, match=r"nowhere/final.keras: no such file"):
        quantize.main([tmp_path / "nowhere", tmp_path / "nn"])
    with pytest.raises(UserError, match=r"nowhere/feats.scp: no such file"):
        quantize.main([scored.network, tmp_path / "nowhere", tmp_path / "nn"])
    shutil.copytree(scored.network, tmp_path / "net")
    (tmp_path / "net/tree").unlink()
    with pytest.raises(UserError, match=r"net/tree: no such file"):
        quantize.main([tmp_path / "net", tmp_path / "nn"])
