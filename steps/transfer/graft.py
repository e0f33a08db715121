"""Surgery on networks: cut the output off, put others on, begin layers anew, rebuild the graph."""

import numpy as np

from steps.nnet import architectures
from steps.nnet.architectures import output_of
from steps.nnet.size import calls
from steps.nnet.tf import keras

BATCHNORM_MOMENTUM = 0.95
DROPOUT = 0.1


def graft(source, num_pdfs, new_layers=None):
    """The hidden layers of a network below a new output layer.

    source      keras.Model, whose layers (not copies of them) go into the result
    new_layers  {"hidden_dim", "num"} of affine layers in between, or None
    returns     keras.Model; the name of the first layer that the source does not have
    """
    hidden = output_of(source).input
    taken = {layer.name.split(".")[0] for layer in source.layers}
    first = ""
    for _ in range((new_layers or {}).get("num", 0)):
        name = unique("new", taken)
        taken.add(name)
        first = first or f"{name}.affine"
        hidden = architectures.affine_relu(hidden, name, new_layers["hidden_dim"], DROPOUT,
                                           BATCHNORM_MOMENTUM)
    trunk = keras.Model(source.inputs[0], hidden, name=source.name.split("_output")[0])
    return architectures.add_output(trunk, num_pdfs), first or "output"


def with_output(model, joint, output):
    """A network of the layers below `joint` and another output layer, a copy of `output`.

    joint    name of the layer that the hidden layers end before
    returns  keras.Model; the copy
    """
    trunk = keras.Model(model.inputs[0], model.get_layer(joint).input, name=model.name)
    copied = architectures.add_output(trunk, output.units, output.name)
    layer = copied.get_layer(output.name)
    layer.set_weights([np.asarray(output.kernel), np.asarray(output.bias)])
    return copied, layer


def hidden_layers(model, where="network"):
    """Layers with weights below the output layer, from the input upwards; where: as output_of."""
    output, found = output_of(model, where), []
    for layer, _, _ in calls(model):
        if layer.weights and layer is not output:
            found.append(layer)
    return found


def is_batchnorm(layer):
    return isinstance(layer, keras.layers.BatchNormalization)


def reset(layer):
    """Give a layer the random weights that it would begin with."""
    fresh = clone(layer)
    fresh.build(layer.input.shape)
    layer.set_weights(fresh.get_weights())


def clone(layer, name=None):
    """A layer like another, not built, perhaps of another name; without the other's LoRA."""
    config = {key: value for key, value in layer.get_config().items()
              if key not in ("lora_rank", "lora_alpha")}
    return type(layer).from_config({**config, "name": name or layer.name})


def rewire(model, put):
    """A network with other layers in place of a model's.

    put      called with a layer and its new input tensor (or a list of them); returns the output
             tensor. The model's input comes as the layer None.
    """
    begin = keras.Input(model.inputs[0].shape[1:], name=model.inputs[0].name)
    tensors = {id(model.inputs[0]): put(None, begin)}
    for layer, inputs, output in calls(model):
        new = [tensors[id(tensor)] for tensor in inputs]
        tensors[id(output)] = put(layer, new[0] if len(new) == 1 else new)
    return keras.Model(begin, tensors[id(model.outputs[0])], name=model.name)


def reseed(model, seed):
    """Make dropout's random numbers those of a seed, whatever was drawn before."""
    for number, layer in enumerate(model.layers):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            draw = np.random.default_rng([seed, number]).integers(2 ** 31)
            generator.state.assign(np.array([draw, 0], "uint32"))


def free(model):
    """Undo what a plan froze, so that the network can be trained again once it is read."""
    for layer in model.layers:
        layer.trainable = True


def unique(name, taken):
    """name1, name2, ...: the first that is not taken."""
    number = 1
    while f"{name}{number}" in taken:
        number += 1
    return f"{name}{number}"
