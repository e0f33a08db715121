"""A small network, trained in a second or two on alignments of the tiny corpus."""

import json
import shutil

import numpy as np

from steps.features.pipeline import FeaturePipeline, make_front_end
from steps.hmm.ali import read_ali
from steps.hmm.model import read_transitions, write_transitions
from steps.nnet.network import pad, write_network
from utils.data.datadir import DataDir

SIZES = {"subsampling": 3, "hidden_dim": 64, "num_layers": 2, "window": 5, "dropout": 0.0}


def make_network(path, data, alidir, arch="dnn", sizes=SIZES):
    """A network directory: one target for each window of the data's utterances."""
    from steps.nnet.architectures import add_output, build_trunk
    from steps.nnet.tf import keras, seed

    transitions = read_transitions(alidir / "final.mdl")
    front_end = make_front_end(data, norm_vars=True, deltas=0)
    pipeline, alignments = FeaturePipeline(DataDir(data), front_end), read_ali(alidir)
    seed(0)
    trunk, left, right = build_trunk(arch, sizes, pipeline.dim)
    step = sizes["subsampling"]
    windows, labels = [], []
    for utt, tids in sorted(alignments.items()):
        padded = pad(pipeline.load(utt), left, right, 1)
        for start in range(0, len(tids) - step + 1):
            windows.append(padded[start:start + left + step + right])
            labels.append(transitions.tid2pdf[tids[start + step // 2]])
    model = add_output(trunk, transitions.num_pdfs)
    learner = keras.Model(model.inputs, model.outputs)      # the model itself stays uncompiled
    learner.compile(keras.optimizers.Adam(3e-3),
                    lambda y, log_p: -keras.ops.take_along_axis(log_p, y[..., None], -1))
    windows, labels = np.array(windows), np.array(labels, np.int32)[:, None]
    learner.fit(windows, labels, batch_size=64, epochs=4, verbose=0)
    priors = np.exp(model.predict(windows, batch_size=512, verbose=0)).mean((0, 1))
    path.mkdir()
    write_network(path, model, {
        "arch": arch, "sizes": sizes, "feat_dim": pipeline.dim, "frame_shift": 0.01,
        "subsampling": step, "left_context": left, "right_context": right,
        "num_pdfs": transitions.num_pdfs}, priors)
    write_transitions(path / "final.mdl", transitions)
    (path / "front_end.json").write_text(json.dumps(front_end))
    for name in ("tree", "phones.txt"):
        shutil.copyfile(alidir / name, path / name)
    return path
