"""final.mdl: transition model and Gaussian mixtures in one .npz file, JSON inside, no pickle."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np

from steps.hmm import gmm
from steps.hmm.transitions import make_transitions
from utils.step import UserError, write_atomic

FORMAT = "graft-gmm-1"


def write_model(path, transitions, mixtures):
    """Write final.mdl, whole or not at all."""
    header = {"format": FORMAT, "num_pdfs": transitions.num_pdfs,
              "topo": transitions.topo.to_json()}
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array(json.dumps(header)), **transitions.to_arrays(),
             **mixtures.to_arrays())
    write_atomic(path, buffer.getvalue())


def read_model(path):
    """(TransitionModel, Gmm) of a final.mdl."""
    path = Path(path)
    if not path.is_file():
        raise UserError(path, "no such model", "train it first")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays["header"]))
        if header["format"] != FORMAT:
            raise ValueError(header["format"])
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(path, f"is not a {FORMAT} model ({error})",
                        "train it with steps/hmm; Kaldi's own binary models cannot be read") \
            from None
    transitions = make_transitions(header["topo"], arrays["tuples"], header["num_pdfs"],
                                   arrays["log_probs"])
    return transitions, gmm.from_arrays(arrays)
