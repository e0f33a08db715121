"""Networks side by side in one, their contexts made equal."""

from string import ascii_lowercase

from steps.nnet.architectures import macs_per_second, num_params
from steps.nnet.layers import Crop, MapPosteriors, MixPosteriors
from steps.nnet.network import RECURRENT
from steps.nnet.size import calls, context
from steps.nnet.tf import keras
from steps.transfer.graft import clone


def mixture(sources, weights, form, kernel=None):
    """The network of a mixture and its config.json.

    sources  initial.Sources;  weights  of each;  form  "linear" or "loglinear"
    kernel   float32 (num_pdfs of the first, num_pdfs of the others) of MapPosteriors, or None
    """
    base = sources[-1].config
    left, right = (max(s.config[key] for s in sources) for key in ("left_context", "right_context"))
    feats = keras.Input((None, base["feat_dim"]), name="feats")
    parts = []
    for number, source in enumerate(sources):
        name = ascii_lowercase[number] if len(sources) <= len(ascii_lowercase) else f"n{number}"
        crop = Crop(left - source.config["left_context"], right - source.config["right_context"],
                    name=f"{name}.crop_feats")
        parts.append(beside(source.model(), crop(feats), f"{name}."))
    if kernel is not None:
        mapping = MapPosteriors(kernel.shape[1], name="a.map")
        parts[0] = mapping(parts[0])
        mapping.set_weights([kernel])
    mixed = MixPosteriors(weights, form, name="mix")(parts)
    model = keras.Model(feats, mixed, name="mixture")
    # One that needs utterances whole makes the mixture need them.
    arch = next((s.config["arch"] for s in sources if s.config["arch"] in RECURRENT), base["arch"])
    shift = base.get("frame_shift", 0.01)
    left, right, _ = context(model)
    return model, {**base, "arch": arch, "left_context": left, "right_context": right,
                   "num_params": num_params(model),
                   "macs_per_second": macs_per_second(model, shift),
                   "mixture": {"networks": [str(s.path) for s in sources], "weights": weights,
                               "form": form}}


def beside(model, x, prefix):
    """The output tensor of a copy of a network, its layers named with a prefix, on another input.
    """
    tensors = {id(model.inputs[0]): x}
    for layer, inputs, output in calls(model):
        twin = clone(layer, f"{prefix}{layer.name}")
        new = [tensors[id(tensor)] for tensor in inputs]
        tensors[id(output)] = twin(new[0] if len(new) == 1 else new)
        twin.set_weights(layer.get_weights())
    return tensors[id(model.outputs[0])]
