"""Checkpoints of a training: values of variables in .npz files, the rest as JSON inside."""

import io
import json
import zipfile

import numpy as np

from utils.step import UserError, log, write_atomic

DAMAGE = (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile)


def write_weights(path, variables):
    """The values of variables in their order."""
    write_state(path, variables, {})


def write_state(path, variables, state):
    """Values of variables and a dict; the file is there whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, state=np.array(json.dumps(state)),
             **{f"v{i}": np.asarray(v) for i, v in enumerate(variables)})
    write_atomic(path, buffer.getvalue())


def read_state(path, variables, key):
    """Assign the values of a checkpoint and return its dict.

    None, and nothing is assigned, if there is no checkpoint, it is of another training, or the
    variables were others when it was written
    """
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            state = json.loads(str(file["state"]))
            if state.get("key") != key:
                log(f"{path}: of other options or data, training starts anew")
                return None
            values = _values(file)
    except DAMAGE as error:
        log(f"{path}: damaged ({error}), training starts anew")
        return None
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        log(f"{path}: of another network, training starts anew")
        return None
    assign(variables, values)
    return state


def mean_weights(paths):
    """Mean over checkpoints of each variable, in float64; those of whole numbers from the first.

    raises UserError if one is not there or is damaged
    """
    total, count = None, len(paths)
    for path in paths:
        try:
            with np.load(path, allow_pickle=False) as file:
                values = _values(file)
        except DAMAGE as error:
            raise UserError(path, f"of an epoch that is to be averaged, cannot be read ({error})",
                            "--force begins the training anew") from None
        if total is None:
            total = [v.astype(np.float64) if v.dtype.kind == "f" else v for v in values]
        else:
            total = [t + v if v.dtype.kind == "f" else t
                     for t, v in zip(total, values, strict=True)]
    return [t / count if t.dtype.kind == "f" else t for t in total]


def assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value.astype(variable.dtype))


def _values(file):
    return [file[f"v{i}"] for i in range(len(file.files) - 1)]
