"""Acoustic networks: from features to the hidden layer that outputs of any number share.

    trunk, left, right = build_trunk("tdnn", {"hidden_dim": 256}, feat_dim=40)
    model = add_output(trunk, num_pdfs)       # features -> log-posteriors

An architecture is a function from the input tensor to the hidden one; its keyword arguments are
its sizes. Layers are named ("tdnn3.affine"), which is how parts of a network are found again.
Where subsampling is 3, the first layer makes one frame of three and all others run at a third of
the cost (Pundak and Sainath 2016); offsets are then in frames of 30 ms.
"""

import inspect

from steps.nnet.layers import Columns, Crop, LookAhead, Scale, Splice
from steps.nnet.recurrence import CELLS, Recurrence
from steps.nnet.size import context, macs_per_second, num_params
from steps.nnet.tf import keras, tf
from utils.step import UserError

__all__ = ["ARCHITECTURES", "add_output", "build_trunk", "constrain", "macs_per_second",
           "num_params", "output_of", "semi_orthogonal", "sizes_of"]

Dense = keras.layers.Dense


def dnn(x, *, subsampling=3, hidden_dim=384, num_layers=4, window=12, dropout=0.1,
        batchnorm_momentum=0.95):
    """Feed-forward: y = f(xW + b) over one wide window of frames (Hinton et al. 2012)."""
    x = Splice(around(window, subsampling), subsampling, name="dnn1.splice")(x)
    for layer in range(1, num_layers + 1):
        x = affine_relu(x, f"dnn{layer}", hidden_dim, dropout, batchnorm_momentum)
    return x


def cnn(x, *, subsampling=3, channels=(32, 48, 64), hidden_dim=256, window=2,
        offsets=(1, 2, 3, 3), beside=0, dropout=0.1, batchnorm_momentum=0.95):
    """Convolutions over time and frequency, each halving frequency, then time delays.

    (Abdel-Hamid et al. 2014.) The first `beside` values of a frame are no bands of frequencies, as
    those of fMLLR: they go past the convolutions and join what these make of the others.
    """
    if beside >= x.shape[-1]:
        raise UserError("--sizes", f"beside={beside} leaves no bands of {x.shape[-1]} values",
                        "it is how many of them are no log mel energies")
    past = None
    if beside:
        past = Columns(0, beside, name="beside.columns")(x)
        past = Splice(around(window, subsampling), subsampling, name="beside.splice")(past)
        past = Crop(len(channels) - 1, len(channels) - 1, name="beside.crop")(past)
        x = Columns(beside, name="cnn.columns")(x)
    feat_dim = x.shape[-1]
    x = keras.layers.Reshape((-1, feat_dim, 1), name="cnn.image")(x)
    for number, dim in enumerate(channels, 1):
        name = f"cnn{number}"
        time, stride = (subsampling + 2 * window, subsampling) if number == 1 else (3, 1)
        # Features have mean 0 by now: zeros beyond the lowest and the highest are no edge.
        x = keras.layers.ZeroPadding2D(((0, 0), (1, 1)), name=f"{name}.pad")(x)
        x = keras.layers.Conv2D(dim, (time, 3), (stride, 2), name=f"{name}.conv")(x)
        x = keras.layers.ReLU(name=f"{name}.relu")(x)
        x = batchnorm(x, name, batchnorm_momentum)
    x = keras.layers.Reshape((-1, x.shape[2] * x.shape[3]), name="cnn.flat")(x)
    if beside:
        x = keras.layers.Concatenate(name="beside.concat")([past, x])
    x = affine_relu(x, "input", hidden_dim, dropout, batchnorm_momentum)
    for number, offset in enumerate(offsets, 1):
        x = tdnn_layer(x, f"tdnn{number}", offset, hidden_dim, dropout, batchnorm_momentum)
    return x


def tdnn(x, *, subsampling=3, hidden_dim=256, window=2, offsets=(1, 1, 2, 2, 3, 3), dropout=0.1,
         batchnorm_momentum=0.95):
    """Time delays: each layer sees its input at (-offset, 0, offset) (Peddinti et al. 2015)."""
    x = Splice(around(window, subsampling), subsampling, name="input.splice")(x)
    x = affine_relu(x, "input", hidden_dim, dropout, batchnorm_momentum)
    for number, offset in enumerate(offsets, 1):
        x = tdnn_layer(x, f"tdnn{number}", offset, hidden_dim, dropout, batchnorm_momentum)
    return x


def tdnnf(x, *, subsampling=3, hidden_dim=384, bottleneck_dim=80, window=2,
          offsets=(1, 1, 2, 2, 3, 3), bypass_scale=0.66, dropout=0.1, batchnorm_momentum=0.95):
    """Factored time delays: a semi-orthogonal bottleneck in each layer (Povey et al. 2018)."""
    x = Splice(around(window, subsampling), subsampling, name="input.splice")(x)
    x = affine_relu(x, "input", hidden_dim, dropout, batchnorm_momentum)
    for number, offset in enumerate(offsets, 1):
        name = f"tdnnf{number}"
        y = Splice((-offset, 0), name=f"{name}.splice_before")(x)
        y = Dense(bottleneck_dim, use_bias=False, name=f"{name}.linear")(y)
        y = Splice((0, offset), name=f"{name}.splice_after")(y)
        y = affine_relu(y, name, hidden_dim, dropout, batchnorm_momentum)
        x = bypass(x, y, name, offset, bypass_scale)
    return x


def rnn(x, *, subsampling=3, hidden_dim=384, num_layers=3, window=2, warm_up=12, look_ahead=5,
        dropout=0.1):
    """Simple recurrent layers with tanh."""
    return recurrent(x, "rnn", subsampling, hidden_dim, num_layers, window, warm_up, look_ahead,
                     dropout)


def gru(x, *, subsampling=3, hidden_dim=288, num_layers=2, window=2, warm_up=12, look_ahead=5,
        dropout=0.1):
    """Gated recurrent units."""
    return recurrent(x, "gru", subsampling, hidden_dim, num_layers, window, warm_up, look_ahead,
                     dropout)


def lstm(x, *, subsampling=3, hidden_dim=256, num_layers=2, window=2, warm_up=12, look_ahead=5,
         dropout=0.1):
    """Long short-term memory from left to right."""
    return recurrent(x, "lstm", subsampling, hidden_dim, num_layers, window, warm_up, look_ahead,
                     dropout)


def blstm(x, *, subsampling=3, hidden_dim=144, num_layers=2, window=2, warm_up=12, dropout=0.1):
    """Long short-term memory in both directions, hidden_dim each (Graves and Schmidhuber 2005)."""
    x = Splice(around(window, subsampling), subsampling, name="input.splice")(x)
    for number in range(1, num_layers + 1):
        name = f"blstm{number}"
        sides = [recurrent_layer(x, f"{name}.{side}", "lstm", hidden_dim, side == "backward")
                 for side in ("forward", "backward")]
        x = keras.layers.Concatenate(name=f"{name}.concat")(sides)
        x = drop(x, name, dropout)
    return Crop(warm_up, warm_up, name="warm_up")(x)


ARCHITECTURES = {"dnn": dnn, "cnn": cnn, "rnn": rnn, "gru": gru, "lstm": lstm, "blstm": blstm,
                 "tdnn": tdnn, "tdnnf": tdnnf}


# parts of architectures

def around(window, subsampling):
    """Offsets of `window` frames on each side of the frames that become one."""
    return range(-window, subsampling + window)


def affine_relu(x, name, dim, dropout, momentum):
    """Affine, relu, batch norm, dropout."""
    x = Dense(dim, name=f"{name}.affine")(x)
    x = keras.layers.ReLU(name=f"{name}.relu")(x)
    return drop(batchnorm(x, name, momentum), name, dropout)


def batchnorm(x, name, momentum):
    """Mean 0 and variance 1, then a learnt scale and offset; momentum is of the running mean."""
    return keras.layers.BatchNormalization(momentum=momentum, name=f"{name}.batchnorm")(x)


def drop(x, name, dropout):
    """Dropout takes a dimension out of a whole chunk, as in Kaldi's TDNN-F.

    Neighbouring frames are so alike that they would make up for single numbers left out.
    """
    if not dropout:
        return x
    return keras.layers.SpatialDropout1D(dropout, name=f"{name}.dropout")(x)


def tdnn_layer(x, name, offset, dim, dropout, momentum):
    """A time-delay layer and the way around it."""
    y = Splice((-offset, 0, offset), name=f"{name}.splice")(x)
    y = affine_relu(y, name, dim, dropout, momentum)
    return bypass(x, y, name, offset)


def recurrent(x, kind, subsampling, hidden_dim, num_layers, window, warm_up, look_ahead, dropout):
    """Recurrent layers that answer `look_ahead` frames later than they hear.

    The first `warm_up` frames of a chunk only bring the states from zero to where they would be.
    Both are in frames after subsampling.
    """
    x = Splice(around(window, subsampling), subsampling, name="input.splice")(x)
    for number in range(1, num_layers + 1):
        x = recurrent_layer(x, f"{kind}{number}", kind, hidden_dim)
        x = drop(x, f"{kind}{number}", dropout)
    x = LookAhead(look_ahead, name="look_ahead")(x)
    return Crop(warm_up, name="warm_up")(x)


def recurrent_layer(x, name, kind, dim, backward=False):
    """What the gates get from the input, then what they get from their own past."""
    x = Dense(CELLS[kind][1] * dim, name=f"{name}.affine")(x)
    return Recurrence(kind, backward, name=f"{name}.recurrence")(x)


def bypass(x, y, name, offset, scale=1.0):
    """y + scale * x, of which y has lost `offset` frames on each side."""
    x = Crop(offset, offset, name=f"{name}.crop")(x)
    if scale != 1:
        x = Scale(scale, name=f"{name}.scale")(x)
    return keras.layers.Add(name=f"{name}.add")([x, y])


# networks

def sizes_of(arch):
    """{name: default} of an architecture's sizes."""
    return {name: parameter.default
            for name, parameter in inspect.signature(_architecture(arch)).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY}


def build_trunk(arch, sizes, feat_dim):
    """The network without its output layer.

    sizes    dict; what is missing has its default
    returns  keras.Model, float32 (batch, left + subsampling * num_out + right, feat_dim) ->
             (batch, num_out, hidden_dim); left and right context in input frames
    """
    known = sizes_of(arch)
    for name in sizes:
        if name not in known:
            raise UserError(f"--{name.replace('_', '-')}", f"is no size of {arch}",
                            f"there are {', '.join(known)}")
    feats = keras.Input((None, feat_dim), name="feats")
    trunk = keras.Model(feats, _architecture(arch)(feats, **sizes), name=arch)
    left, right, _ = context(trunk)
    return trunk, left, right


def _architecture(arch):
    if arch not in ARCHITECTURES:
        raise UserError("--arch", f"there is no {arch}", f"take one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[arch]


def add_output(trunk, num_pdfs, name="output"):
    """An output layer on a trunk: features -> log-posteriors (batch, num_out, num_pdfs).

    The layers are the trunk's own, so that several outputs can share and train them.
    """
    logits = Dense(num_pdfs, name=name)(trunk.outputs[0])
    log_posteriors = keras.layers.Activation("log_softmax", name="log_posteriors")(logits)
    return keras.Model(trunk.inputs[0], log_posteriors, name=f"{trunk.name}_{name}")


def output_of(model, where="network"):
    """The Dense layer of a network's logits; UserError if it has none (such as a mixture)."""
    layer = model.layers[-1]
    if isinstance(layer, keras.layers.Activation):
        layer = layer.input._keras_history[0]
    if not isinstance(layer, keras.layers.Dense) or model.layers[-1] is layer:
        raise UserError(where, "has no output layer of its own", "take a network of steps/nnet")
    return layer


def semi_orthogonal(model):
    """The factored matrices of a model, kernels (in, bottleneck) of its *.linear layers."""
    return [layer.kernel for layer in model.layers if layer.name.endswith(".linear")]


def constrain(weight):
    """One step of a matrix towards orthogonal columns of one length (Povey et al. 2018, 2.3).

    The length floats: W <- W - 4 v / a^2 W (P - a^2 I), P = W'W, a^2 = tr(PP) / tr(P). As in
    Kaldi, v is 1/8, and less far from the goal, where the step could diverge.

    weight   float32 (in, out); rows instead of columns if out > in
    returns  float32 (in, out)
    """
    weight = tf.convert_to_tensor(weight)
    if weight.shape[0] < weight.shape[1]:
        return tf.transpose(constrain(tf.transpose(weight)))
    dim = weight.shape[1]
    product = tf.matmul(weight, weight, transpose_a=True)
    trace, trace_of_square = tf.linalg.trace(product), tf.reduce_sum(product * product)
    scale = trace_of_square / trace
    ratio = trace_of_square * dim / (trace * trace)      # 1 where all singular values are equal
    speed = tf.where(ratio > 1.1, 0.03125, tf.where(ratio > 1.02, 0.0625, 0.125))
    return weight - 4 * speed / scale * tf.matmul(weight, product - scale * tf.eye(dim))
