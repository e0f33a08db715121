import numpy as np
import pytest

from steps.nnet import recurrence, size
from steps.nnet.architectures import (
    ARCHITECTURES,
    add_output,
    build_trunk,
    constrain,
    semi_orthogonal,
    sizes_of,
)
from steps.nnet.layers import Crop, Splice
from steps.nnet.network import load_model
from steps.nnet.tf import keras, seed, tf
from utils.step import UserError

DIM = 12
PDFS = 7
ROUNDING = 1e-5
SMALL = {"dnn": {"hidden_dim": 16, "num_layers": 2, "window": 3},
         "cnn": {"hidden_dim": 16, "channels": (3, 4), "offsets": (1, 2)},
         "rnn": {"hidden_dim": 8, "num_layers": 2, "warm_up": 2, "look_ahead": 1},
         "gru": {"hidden_dim": 8, "num_layers": 2, "warm_up": 2, "look_ahead": 1},
         "lstm": {"hidden_dim": 8, "num_layers": 2, "warm_up": 2, "look_ahead": 1},
         "blstm": {"hidden_dim": 4, "num_layers": 2, "warm_up": 2},
         "tdnn": {"hidden_dim": 16, "offsets": (1, 2)},
         "tdnnf": {"hidden_dim": 16, "bottleneck_dim": 6, "offsets": (1, 2)}}
RECURRENT = ("rnn", "gru", "lstm", "blstm")
CONVOLUTIONAL = tuple(arch for arch in ARCHITECTURES if arch not in RECURRENT)
EVERY = [(arch, subsampling) for arch in ARCHITECTURES for subsampling in (1, 3)]


def build(arch, subsampling=3, **more):
    """A small network, its context; statistics and offsets are not what they begin with."""
    seed(1)
    trunk, left, right = build_trunk(arch, SMALL[arch] | {"subsampling": subsampling} | more, DIM)
    model = add_output(trunk, PDFS)
    rng = np.random.default_rng(2)
    for variable in model.weights:
        if variable.dtype == "float32":
            variable.assign(variable + rng.uniform(0, 0.3, variable.shape))
    return model, left, right


def feats(num_frames, batch=1):
    return np.random.default_rng(num_frames).standard_normal((batch, num_frames, DIM), np.float32)


def dependence(model, num_frames):
    """Bool (num_frames, num_out): does changing a frame of input change an output?"""
    first = feats(num_frames)
    changed = np.repeat(first, num_frames, axis=0)
    changed[np.arange(num_frames), np.arange(num_frames)] += 3
    before = model(first).numpy()
    return np.abs(model(changed).numpy() - before).max(-1) > ROUNDING * np.abs(before).max()


@pytest.mark.parametrize(("arch", "subsampling"), EVERY)
def test_log_posteriors_of_any_length(arch, subsampling):
    model, left, right = build(arch, subsampling)
    for num_out, batch in ((1, 1), (2, 3), (17, 2)):
        out = model(feats(left + subsampling * num_out + right, batch)).numpy()
        assert out.shape == (batch, num_out, PDFS)
        np.testing.assert_allclose(np.exp(out).sum(-1), 1, atol=1e-5)
    assert model.output_shape == (None, None, PDFS)


@pytest.mark.parametrize(("arch", "subsampling"),
                         [(arch, sub) for arch, sub in EVERY if arch not in RECURRENT])
def test_context_is_what_the_output_depends_on(arch, subsampling):
    model, left, right = build(arch, subsampling)
    num_out = 4
    num_frames = left + subsampling * num_out + right
    depends = dependence(model, num_frames)
    for i in range(num_out):
        used = np.flatnonzero(depends[:, i])
        assert used[0] == subsampling * i
        assert used[-1] == subsampling * (i + 1) + left + right - 1
    # With one hidden layer of all offsets nothing in between would be left out either.
    if arch == "dnn":
        assert depends.sum() == num_out * (left + subsampling + right)


@pytest.mark.parametrize("subsampling", [1, 3])
def test_values_beside_the_bands_are_heard_at_the_same_time(subsampling):
    model, left, right = build("cnn", subsampling, beside=5)
    assert (left, right) == build("cnn", subsampling)[1:]
    layers = {layer.name: layer for layer in model.layers}
    for name, dim in (("beside.columns", 5), ("cnn.columns", DIM - 5)):
        assert layers[name].output.shape[-1] == dim
    x = feats(left + subsampling + right)
    before = model(x).numpy()
    for column in range(DIM):
        changed = x.copy()
        changed[0, left, column] += 3
        assert np.abs(model(changed).numpy() - before).max() > 1e-4, column
    with pytest.raises(UserError, match="beside=12 leaves no bands of 12 values"):
        build("cnn", beside=DIM)


@pytest.mark.parametrize(("arch", "subsampling"),
                         [(arch, sub) for arch, sub in EVERY if arch in RECURRENT])
def test_recurrent_networks_hear_all_before_and_look_ahead_as_they_say(arch, subsampling):
    model, left, right = build(arch, subsampling)
    num_out = 3
    num_frames = left + subsampling * num_out + right
    depends = dependence(model, num_frames)
    for i in range(num_out):
        used = np.flatnonzero(depends[:, i])
        last = num_frames if arch == "blstm" else left + subsampling * (i + 1) + right
        assert (used[0], used[-1]) == (0, last - 1)


def test_the_label_of_an_output_is_in_the_middle_of_what_it_hears():
    for arch in CONVOLUTIONAL:
        _, left, right = build(arch)
        assert left == right
    window, warm_up, look_ahead = sizes_of("lstm")["window"], 2, 1
    assert build("lstm")[1:] == (window + 3 * warm_up, window + 3 * look_ahead)
    assert build("blstm")[1:] == (window + 3 * warm_up, window + 3 * warm_up)


@pytest.mark.parametrize("arch", CONVOLUTIONAL)
def test_a_chunk_is_a_part_of_the_whole(arch):
    model, left, right = build(arch)
    whole = feats(left + 3 * 20 + right)
    start, num_out = 5, 6
    chunk = whole[:, 3 * start:3 * (start + num_out) + left + right]
    # Of logits in the hundreds float32 keeps no more.
    np.testing.assert_allclose(model(chunk), model(whole)[:, start:start + num_out],
                               rtol=1e-5, atol=1e-4)


def test_states_of_recurrent_networks_settle_in_the_warm_up():
    seed(1)
    model, left, right = build_trunk("lstm", SMALL["lstm"] | {"warm_up": 60}, DIM)
    whole = feats(left + 3 * 20 + right)
    chunk = whole[:, 3 * 10:3 * 12 + left + right]
    np.testing.assert_allclose(model(chunk), model(whole)[:, 10:12], atol=1e-3)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_what_is_saved_is_what_is_loaded(arch, tmp_path):
    model, left, right = build(arch)
    model.save(tmp_path / "final.keras")
    loaded = load_model(tmp_path / "final.keras")
    x = feats(left + 3 * 4 + right)
    np.testing.assert_array_equal(loaded(x), model(x))
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    assert size.context(loaded) == (left, right, 3)
    assert size.macs_per_second(loaded, 0.01) == size.macs_per_second(model, 0.01)


@pytest.mark.parametrize("arch", ["cnn", "gru", "tdnnf"])
def test_seeds_fix_training(arch):
    def trained():
        seed(3)
        trunk, left, right = build_trunk(arch, SMALL[arch] | {"dropout": 0.5}, DIM)
        model = add_output(trunk, PDFS)
        x, losses = tf.constant(feats(left + 3 * 4 + right, 2)), []
        for _ in range(4):
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(model(x, training=True)[..., 0])
            grads = tape.gradient(loss, model.trainable_variables)
            for variable, grad in zip(model.trainable_variables, grads, strict=True):
                variable.assign_sub(0.1 * grad)
            losses.append(float(loss))
        return losses, [variable.numpy() for variable in model.variables]

    (losses, values), (again, values_again) = trained(), trained()
    assert losses == again
    assert losses[-1] < losses[0]
    for value, value_again in zip(values, values_again, strict=True):
        np.testing.assert_array_equal(value, value_again)


@pytest.mark.parametrize("arch", ["blstm", "tdnn"])
def test_xla_computes_the_same(arch):
    model, left, right = build(arch)
    x = tf.constant(feats(left + 3 * 2 + right))
    run = tf.function(model, jit_compile=True)
    np.testing.assert_allclose(run(x), model(x), atol=1e-4)


def test_dropout_takes_dimensions_out_of_whole_chunks():
    trunk, left, right = build_trunk("dnn", SMALL["dnn"] | {"dropout": 0.5}, DIM)
    hidden = trunk(feats(left + 3 * 5 + right, 4), training=True).numpy()
    gone = hidden == 0
    assert 0.2 < gone.mean() < 0.9
    np.testing.assert_array_equal(gone.all(1), gone.any(1))


def test_several_outputs_share_a_trunk():
    trunk, left, right = build_trunk("tdnn", SMALL["tdnn"], DIM)
    french, breton = add_output(trunk, 5, "fr"), add_output(trunk, 9, "br")
    x = feats(left + 3 * 4 + right)
    before = breton(x).numpy()
    assert before.shape == (1, 4, 9)
    assert french.get_layer("tdnn1.affine") is breton.get_layer("tdnn1.affine")
    french.get_layer("tdnn1.affine").bias.assign_add([1.0] * 16)
    assert np.abs(breton(x) - before).max() > 1e-3
    assert french.get_layer("fr").units == 5


def test_size_of_a_tdnn_by_hand():
    sizes = {"hidden_dim": 16, "window": 2, "offsets": (1, 2)}
    trunk, left, right = build_trunk("tdnn", sizes, 40)
    model = add_output(trunk, 100)
    assert (left, right) == (2 + 3 * 3, 2 + 3 * 3)
    first, hidden, last = 7 * 40 * 16, 3 * 16 * 16, 16 * 100
    batchnorms = 3 * 4 * 16
    assert size.num_params(model) == first + 16 + 2 * (hidden + 16) + last + 100 + batchnorms
    assert size.macs_per_second(model, 0.01) == round((first + 2 * hidden + last) * 100 / 3)
    # 5 output frames want 5 + 2 * 2 frames of the second layer and 5 + 2 * 3 of the first.
    assert size.macs(model, left + 3 * 5 + right) == 11 * first + 9 * hidden + 5 * (hidden + last)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_multiply_adds_are_those_that_the_graph_counts(arch):
    """TensorFlow counts two operations for each multiply-add, in the products of a graph."""
    model, left, right = build(arch)
    num_frames = left + 3 * 5 + right
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(
        tf.TensorSpec((1, num_frames, DIM), tf.float32)).graph
    counted = sum(_operations(op) for op in graph.get_operations()) / 2
    in_loops = 0
    for layer, _, output in size.calls(model):
        if isinstance(layer, recurrence.Recurrence):
            before, after, stride = size.contexts(model)[id(output)]
            in_loops += np.prod(layer.kernel.shape) * ((num_frames - before - after) // stride)
    assert size.macs(model, num_frames) == counted + in_loops
    assert (in_loops > 0) == (arch in RECURRENT)


def _operations(op):
    if op.type not in ("MatMul", "BatchMatMulV2", "Conv2D"):
        return 0
    from tensorflow.python.framework import ops
    return ops.get_stats_for_node_def(op.graph, op.node_def, "flops").value or 0


def test_layers_of_different_times_are_not_added():
    x = keras.Input((None, 4))
    y = keras.layers.Add(name="sum")([Splice((-1, 0))(x), keras.layers.Concatenate()(
        [Crop(0, 1)(x), Crop(0, 1)(x)])])
    with pytest.raises(ValueError, match="sum joins frames of different times"):
        size.contexts(keras.Model(x, y))


def test_default_sizes_can_be_compared():
    for arch in ARCHITECTURES:
        trunk, _, _ = build_trunk(arch, {}, 40)
        assert 1.0e6 < size.num_params(add_output(trunk, 1000)) < 1.6e6, arch


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
def test_constraint_makes_singular_values_equal(shape):
    weight = tf.constant(np.random.default_rng(4).standard_normal(shape, np.float32))
    step = tf.function(constrain, jit_compile=True)
    spreads = []
    for _ in range(40):
        weight = step(weight)
        values = np.linalg.svd(weight.numpy(), compute_uv=False)
        spreads.append(values.max() / values.min())
    assert spreads[0] > 1.5
    assert spreads[-1] < 1.001
    assert values.mean() > 0.3      # the length floats, it is not pulled to 0


def test_constraint_keeps_what_is_orthogonal():
    q, _ = np.linalg.qr(np.random.default_rng(5).standard_normal((30, 10)))
    weight = (2.5 * q).astype(np.float32)
    np.testing.assert_allclose(constrain(weight), weight, atol=1e-5)


def test_factored_matrices_are_found():
    trunk, _, _ = build_trunk("tdnnf", SMALL["tdnnf"], DIM)
    factors = semi_orthogonal(trunk)
    assert [tuple(w.shape) for w in factors] == [(32, 6), (32, 6)]
    factors[0].assign(constrain(factors[0]))
    assert semi_orthogonal(build_trunk("tdnn", SMALL["tdnn"], DIM)[0]) == []


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("kind", recurrence.CELLS)
def test_gradients_of_recurrence_are_those_of_the_unrolled_loop(kind, jit):
    cell, matrices, num_states = recurrence.CELLS[kind]
    rng = np.random.default_rng(6)
    x = rng.standard_normal((5, 2, 3 * matrices), np.float32)
    kernel = rng.standard_normal((3, 3 * matrices), np.float32)
    weight = rng.standard_normal((5, 2, 3), np.float32)

    def unrolled(x, kernel):
        states, out = (tf.zeros((2, 3)),) * num_states, []
        for frame in tf.unstack(x):
            states = cell(frame, states[0] @ kernel, *states)
            out.append(states[0])
        return tf.stack(out)

    def gradients(function, x, kernel):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            out = function(x, kernel)
            loss = tf.reduce_sum(out * weight)
        return [out, *tape.gradient(loss, [x, kernel])]

    run = tf.function(lambda x, kernel: gradients(
        lambda *a: recurrence.recur(kind, *a), x, kernel), jit_compile=jit)
    expected = gradients(unrolled, tf.constant(x), tf.constant(kernel))
    for value, right in zip(run(tf.constant(x), tf.constant(kernel)), expected, strict=True):
        np.testing.assert_allclose(value, right, atol=1e-5)


def test_lstm_and_rnn_are_those_of_keras():
    x = feats(9, 2)
    for kind, theirs in (("lstm", keras.layers.LSTM(5, return_sequences=True)),
                         ("rnn", keras.layers.SimpleRNN(5, return_sequences=True))):
        ours = recurrence.Recurrence(kind)
        expected = theirs(x)
        cell = theirs.cell
        bias = cell.bias.numpy()
        if kind == "lstm":
            bias[5:10] -= 1      # Keras learns the forget gates' offset of 1, we add it
        ours.build((None, None, len(bias)))
        ours.kernel.assign(cell.recurrent_kernel)
        got = ours(x @ cell.kernel.numpy() + bias)
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_unknown_names_are_the_users_mistakes():
    with pytest.raises(UserError, match="there is no transformer"):
        build_trunk("transformer", {}, 40)
    with pytest.raises(UserError, match="is no size of tdnn"):
        build_trunk("tdnn", {"bottleneck_dim": 40}, 40)
