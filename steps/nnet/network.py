"""A network directory: the model, what it was trained on, and how it scores speech.

    network = read_network("exp/tdnn")
    scores = network.log_likes(feats)      # float32 (num_frames, num_pdfs), for the decoder
    for block in network.log_like_blocks(feats):      # the same, half a minute at a time
"""

import io
import json
import re
import zipfile
from collections import Counter
from copy import copy
from pathlib import Path

import numpy as np

from utils.json_file import read_json
from utils.step import UserError, write_atomic

EPOCH = (1980, 1, 1, 0, 0, 0)      # the date in every .keras file, so that equal means equal
FILES = ("final.keras", "config.json", "front_end.json", "priors", "final.mdl", "tree",
         "phones.txt")
NEEDED = ("feat_dim", "num_pdfs", "subsampling", "left_context", "right_context")
LEAST = {"left_context": 0, "right_context": 0}      # of the others 1
PRIOR_FLOOR = 1e-7
BLOCK = 3000          # frames that are scored at once
MODELS = ("final.keras", "model.tflite")     # a network has one of them, the second without Keras
RECURRENT = {"rnn", "gru", "lstm", "blstm"}


def config_to_train(config):
    """config.json of a network that is trained further: its numbers will be on no grid any more, as
    those that steps/compress/quantize_aware.py makes are.
    """
    config = copy(config)      # a JsonObject still, that names what it lacks
    config.pop("quantized", None)
    return config


def is_network(directory):
    """True if a directory is a network's and not a GMM's."""
    return any((Path(directory) / name).is_file() for name in (*MODELS, "config.json"))


class Network:
    """A trained acoustic network.

    model       keras.Model, (batch, num_frames, feat_dim) -> log-posteriors
    config      dict of config.json
    log_priors  float32 (num_pdfs,)
    """

    def __init__(self, model, config, log_priors):
        self.model, self.config, self.log_priors = model, config, log_priors
        self.subsampling = config["subsampling"]
        self.context = config["left_context"], config["right_context"]
        self.recurrent = config.get("arch") in RECURRENT
        self._run = None

    def log_posteriors(self, feats):
        """One utterance, its edges padded by repeating the first and the last frame.

        feats    float32 (num_frames, feat_dim)
        returns  float32 (ceil(num_frames / subsampling), num_pdfs)
        """
        return np.concatenate(list(self.log_posterior_blocks(feats)))

    def log_likes(self, feats):
        """Scaled log-likelihoods at every frame: posterior over prior (Bourlard & Morgan 1994).

        feats    float32 (num_frames, feat_dim)
        returns  float32 (num_frames, num_pdfs), each output repeated `subsampling` times
        """
        return np.concatenate(list(self.log_like_blocks(feats)))

    def log_posterior_blocks(self, feats):
        """log_posteriors, some frames after the other, so that memory is bounded by BLOCK.

        Each block is scored with its whole context, so the cuts change nothing, or, in a cnn of
        int8 or int4 whose ranges are of a block, little. Only a recurrent network, which remembers
        more than its context, is given an utterance whole.
        """
        left, right = self.context
        step = self.subsampling
        padded = pad(np.asarray(feats, np.float32), left, right, step)
        num_out = -(-len(feats) // step)
        size = num_out if self.recurrent else max(1, BLOCK // step)
        for start in range(0, num_out, max(1, size)):
            end = min(start + size, num_out)
            yield self._forward(padded[start * step:left + end * step + right])

    def log_like_blocks(self, feats):
        """log_likes, some frames after the other."""
        left = len(feats)
        for block in self.log_posterior_blocks(feats):
            block = np.repeat(block - self.log_priors, self.subsampling, axis=0)[:left]
            left -= len(block)
            yield block

    def _forward(self, padded):
        """float32 (left + n * subsampling + right, feat_dim) -> log-posteriors (n, num_pdfs)."""
        if self._run is None:
            from steps.nnet.tf import tf
            # One trace serves every length: the time axis is unknown, and XLA, which would
            # compile for each length, is off.
            self._run = tf.function(
                lambda x: self.model(x, training=False), autograph=False,
                input_signature=[tf.TensorSpec((1, None, self.config["feat_dim"]), tf.float32)])
        return self._run(padded[None]).numpy()[0]


def pad(feats, left, right, subsampling):
    """An utterance with the context that the network needs, float32 (left + n sub + right, dim)."""
    right += -len(feats) % subsampling
    return np.pad(feats, ((left, right), (0, 0)), mode="edge")


def read_network(directory):
    """The Network of a directory."""
    directory = Path(directory)
    config = read_config(directory)
    log_priors = log_of_priors(priors_of(directory, config))
    if is_compiled(directory):
        from steps.nnet.litert import LiteRtNetwork, read_litert_model
        return LiteRtNetwork(read_litert_model(directory / "model.tflite"), config, log_priors)
    return Network(read_model(directory), config, log_priors)


def read_keras_network(directory):
    """The Network of a directory; UserError if it is a LiteRT model, which has no layers."""
    if is_compiled(directory):
        raise UserError(directory, "is a LiteRT model, which has no layers to learn or to show",
                        "take the network it was made of")
    return read_network(directory)


def log_of_priors(priors):
    """float32 (num_pdfs,) of what read_priors() gives, from a floor on."""
    return np.log(np.maximum(priors, PRIOR_FLOOR)).astype(np.float32)


def is_compiled(directory):
    """True if a network directory has a LiteRT model, which cannot be trained, and no Keras one."""
    keras_file, litert_file = (Path(directory) / name for name in MODELS)
    return litert_file.is_file() and not keras_file.is_file()


def read_config(directory):
    """The dict of a network directory's config.json, whose other files must be there too."""
    directory = Path(directory)
    for name in (MODELS[is_compiled(directory)], "config.json", "priors"):
        if not (directory / name).is_file():
            raise UserError(directory / name, "no such file", "train a network with steps/nnet")
    config = read_json(directory / "config.json", "train the network again")
    for name in NEEDED:
        if not (isinstance(config[name], int) and config[name] >= LEAST.get(name, 1)):
            raise UserError(directory / "config.json", f"{name} is no number of frames or values",
                            "train the network again")
    return config


def read_model(directory):
    """The keras.Model of a directory; UserError unless config.json tells of it."""
    from steps.nnet.size import context
    directory, config = Path(directory), read_config(directory)
    model = load_model(directory / "final.keras")
    found = dict(zip(("left_context", "right_context", "subsampling"), context(model), strict=True))
    found |= {"feat_dim": model.input_shape[-1], "num_pdfs": model.output_shape[-1]}
    for name, value in found.items():
        if config[name] != value:
            raise UserError(directory / "config.json", f"{name} is {config[name]}, final.keras has "
                            f"{value}", "the files are of different networks")
    return model


def priors_of(directory, config):
    """What read_priors() gives; UserError unless there is one for each pdf of config.json."""
    priors = read_priors(Path(directory) / "priors")
    if len(priors) != config["num_pdfs"]:
        raise UserError(f"{directory}/priors", f"has {len(priors)} values, config.json "
                        f"{config['num_pdfs']} pdfs", "train the network again")
    return priors


def load_model(path):
    """The keras.Model of a .keras file; nothing in the file can run code."""
    import steps.nnet.architectures  # noqa: F401  registers the layers
    from steps.nnet.tf import keras
    if Path(path).is_file() and not zipfile.is_zipfile(path):      # Keras: "File not found"
        raise UserError(path, "cannot be read (it is cut off, or no .keras file)",
                        "train the network again")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise UserError(path, f"cannot be read ({str(error).splitlines()[0]})",
                        "train the network again") from None


def save_model(path, model):
    """Write a .keras file: the same network gives the same bytes, whatever the date."""
    scratch = Path(path).with_suffix(".tmp.keras")
    model.save(scratch)
    packed = io.BytesIO()
    with zipfile.ZipFile(scratch) as old, zipfile.ZipFile(packed, "w") as new:
        for name in sorted(old.namelist()):
            data = old.read(name)
            if name == "metadata.json":
                data = json.dumps({**json.loads(data), "date_saved": ""}).encode()
            elif name == "config.json":
                data = _number_objects(data.decode()).encode()
            new.writestr(zipfile.ZipInfo(name, EPOCH), data)
    scratch.unlink()
    write_atomic(path, packed.getvalue())


def _number_objects(config):
    """Keras names objects that layers share by their addresses: 1, 2, ... in their place.

    An id that stands in one place only names what was shared with another network; it is left out.
    """
    seen = Counter(re.findall(r'"shared_object_id": (\d+)', config))
    numbers = {}

    def renumber(value):
        if isinstance(value, list):
            return [renumber(item) for item in value]
        if not isinstance(value, dict):
            return value
        value = {key: renumber(item) for key, item in value.items()}
        name = value.pop("shared_object_id", None)
        if name is not None and seen[str(name)] > 1:
            value["shared_object_id"] = numbers.setdefault(name, len(numbers) + 1)
        return value

    return json.dumps(renumber(json.loads(config)))


def write_network(out, model, config, priors):
    """Write final.keras, config.json and priors; the rest of a network directory are copies.

    priors  float (num_pdfs,), mean posteriors
    """
    out = Path(out)
    save_model(out / "final.keras", model)
    write_atomic(out / "config.json", json.dumps(config, indent=1) + "\n")
    write_priors(out / "priors", priors)


def write_priors(path, priors):
    """A vector in Kaldi's text form."""
    write_atomic(path, " [ " + " ".join(f"{p:.8g}" for p in np.asarray(priors)) + " ]\n")


def read_priors(path):
    """float64 (num_pdfs,) of a vector in Kaldi's text form."""
    try:
        words = Path(path).read_text("utf-8").split()
        if words[0] != "[" or words[-1] != "]":
            raise ValueError("no brackets")
        priors = np.array(words[1:-1], float)
        if not (priors >= 0).all() or not np.isfinite(priors).all():
            raise ValueError("not all are probabilities")
    except OSError as error:
        raise UserError(path, f"cannot be read, {error.strerror.lower()}",
                        "train the network again") from None
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}:1", f"is no vector ({error})", "train the network again") from None
    return priors
