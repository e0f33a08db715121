"""A network that hears more than it was trained on: features beside those that it knows.

Their weights are 0 to begin with, so that it says what it said, and learns from there what the new
ones are worth: a source on log mel energies can go on with features adapted to the speaker beside
them, or with MFCC and pitch.
"""

import numpy as np

from steps.nnet import training
from utils.step import UserError


def place_in(known, found, directory):
    """Where the features that a network knows are among pasted ones.

    known, found  feats.json of the network's training data and of <directory>
    returns       number of values before them, number of all
    """
    where, parts = f"{directory}/feats.json", found.get("parts")
    fingerprint, dim = known.get("fingerprint"), known.get("feat_dim")
    if not fingerprint:
        raise UserError("--new-inputs", "the source does not tell what features it knows, as it "
                        "was trained on Kaldi's", "train it on features of steps/features")
    if fingerprint == found.get("fingerprint"):
        raise UserError(where, "is of what the source knows, and nothing is new",
                        "leave out --new-inputs")
    if not parts:
        raise UserError(where, "names no parts", "--new-inputs is for features that "
                        "steps/features/paste_feats.py put beside the source's; if an older one "
                        "did, run it again with --force")
    if not isinstance(parts, list) or not all(
            isinstance(part, dict) and type(part.get("feat_dim")) is int
            and part["feat_dim"] > 0 for part in parts) or found.get("feat_dim") != sum(
            part["feat_dim"] for part in parts):
        raise UserError(where, "is damaged, its parts do not make up its values",
                        "run steps/features/paste_feats.py again with --force")
    first = 0
    for part in parts:
        if part.get("fingerprint") == fingerprint and part["feat_dim"] == dim:
            return first, found["feat_dim"]
        first += part["feat_dim"]
    has = ", ".join(f"{part.get('kind')} {part.get('fingerprint')}" for part in parts)
    raise UserError(where, f"is of {has}, and the source knows {known.get('kind')} {fingerprint}",
                    "make features with the conf file of its data, and paste these")


def widened_config(config, first, feat_dim, where):
    """config.json of a network whose own values begin at `first` of feat_dim.

    UserError, naming the network, where there can be none
    """
    if not isinstance(config.get("sizes"), dict):
        raise UserError(f"{where}/config.json", "is damaged, it has no sizes",
                        "train the network again")
    if config["arch"] != "cnn":
        return {**config, "feat_dim": feat_dim}
    if first + config["feat_dim"] != feat_dim:   # they go past the convolutions, and stand first
        raise UserError("--new-inputs", f"stand after the bands of frequencies of {where}, a cnn",
                        "name its features last for steps/features/paste_feats.py")
    sizes = {**config["sizes"], "beside": config["sizes"].get("beside", 0) + first}
    return {**config, "feat_dim": feat_dim, "sizes": sizes}


def widen(model, config, first, feat_dim, where):
    """A network on more features, that says what it said whatever the new ones are.

    model     keras.Model of float32 (batch, num_frames, config["feat_dim"])
    first     where these values are among the feat_dim of a frame
    where     its directory, for messages
    returns   keras.Model; names of the layers that hear what is new
    """
    from steps.nnet.architectures import add_output, output_of
    wide_config = widened_config(config, first, feat_dim, where)
    try:
        trunk, _, _ = training.trunk_of(config["arch"], wide_config["sizes"], feat_dim)
    except (UserError, TypeError, AttributeError) as error:
        raise UserError(f"{where}/config.json", f"is of no network that can be made: {error}",
                        "train the network again") from None
    output = output_of(model, where)
    wide = add_output(trunk, output.units, output.name)
    # What is spliced, of one frame: all values, or those that go past convolutions.
    dims = config["feat_dim"], feat_dim
    if config["arch"] == "cnn":
        dims = tuple(c["sizes"].get("beside", 0) for c in (config, wide_config))
    weights = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    if weights.keys() != {layer.name for layer in wide.layers if layer.weights}:
        raise _other_layers(where)
    hearing = []
    for layer in wide.layers:
        if layer.weights:
            old = weights[layer.name]
            if layer.name.endswith(".affine") and old[0].shape != layer.kernel.shape:
                hearing.append(layer.name)
                old = [_with_rows(old[0], layer.kernel.shape, dims, first), *old[1:]]
            if [w.shape for w in old] != [tuple(w.shape) for w in layer.weights]:
                raise _other_layers(where)
            layer.set_weights(old)
    return wide, hearing


def _with_rows(kernel, shape, dims, first):
    """A kernel of this shape, with zeros for what is new of each frame that it sees."""
    old_dim, dim = dims
    frames = (shape[0] - len(kernel)) // (dim - old_dim)
    split = frames * old_dim     # below: what convolutions have made of the others
    if frames < 1 or shape[0] - len(kernel) != frames * (dim - old_dim) or split > len(kernel) \
            or kernel.shape[1] != shape[1]:
        return kernel
    rows = np.zeros((frames, dim, shape[1]), np.float32)
    rows[:, first:first + old_dim] = kernel[:split].reshape(frames, old_dim, shape[1])
    return np.concatenate([rows.reshape(frames * dim, -1), kernel[split:]])


def _other_layers(where):
    return UserError(where, "has layers of other sizes than its config.json says",
                     "--new-inputs is for networks as steps/nnet makes them, without new layers "
                     "and adapters, and with all their neurons")
