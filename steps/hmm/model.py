"""final.mdl: transition model and Gaussian mixtures in one .npz file, JSON inside, no pickle.

A network directory's final.mdl holds the transition model alone. Beside it, phones.txt.
"""

import io
import json
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from steps.hmm.transitions import make_transitions
from utils.lang.langdir import read_symbols
from utils.step import UserError, write_atomic

FORMAT = "graft-gmm-1"
TRANSITIONS_FORMAT = "graft-transitions-1"
TRANSITION_ARRAYS = ("tuples", "log_probs")


def write_model(path, transitions, mixtures):
    """Write final.mdl, whole or not at all."""
    _write(path, FORMAT, transitions, mixtures.to_arrays())


def write_transitions(path, transitions):
    """Write the final.mdl of a network directory, whole or not at all."""
    _write(path, TRANSITIONS_FORMAT, transitions, {})


def read_model(path):
    """(TransitionModel, Gmm) of a final.mdl."""
    from steps.hmm import gmm  # compiled code, which transitions alone do without
    header, arrays = _read(path, (FORMAT,))
    transitions = _transitions(header, arrays, path)
    with _damage(path):
        mixtures = gmm.from_arrays(arrays)
        if mixtures.num_pdfs != transitions.num_pdfs:
            raise ValueError(f"mixtures of {mixtures.num_pdfs} pdfs, not {transitions.num_pdfs}")
    return transitions, mixtures


def read_transitions(path):
    """TransitionModel of a final.mdl, be it of a GMM or of a network directory."""
    return _transitions(*_read(path, (FORMAT, TRANSITIONS_FORMAT), TRANSITION_ARRAYS), path)


def check_phones(source, lang):
    """UserError unless a model directory's phones are those of a LangDir, with the same ids."""
    trained, found = read_symbols(Path(source) / "phones.txt"), lang.phones
    for phone in sorted(set(trained) | set(found)):
        if not phone.startswith("#") and trained.get(phone) != found.get(phone):
            raise UserError(
                lang.path / "phones.txt", f"{phone} is {found.get(phone, 'not there')}, in "
                f"{source}/phones.txt it is {trained.get(phone, 'not there')}",
                "use the lang directory that the model was trained with, or make one with "
                "prepare_lang.py --phone-symbol-table")


def _write(path, kind, transitions, arrays):
    header = {"format": kind, "num_pdfs": transitions.num_pdfs,
              "topo": transitions.topo.to_json()}
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array(json.dumps(header)), **transitions.to_arrays(), **arrays)
    write_atomic(path, buffer.getvalue())


def _read(path, kinds, names=None):
    """The header and the arrays (all, or those named) of a model of one of the kinds."""
    path = Path(path)
    if not path.is_file():
        raise UserError(path, "no such model", "train it first")
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            if header["format"] not in kinds:
                raise ValueError(header["format"])
            return header, {name: file[name] for name in names or file.files}
    except (ValueError, TypeError, LookupError, OSError, EOFError, MemoryError, RuntimeError,
            zipfile.BadZipFile, zlib.error) as error:
        raise UserError(path, f"is not a {' or '.join(kinds)} model ({error})",
                        "train it with steps/hmm; Kaldi's own binary models cannot be read") \
            from None


def _transitions(header, arrays, path):
    with _damage(path):
        made = make_transitions(header["topo"], arrays["tuples"], header["num_pdfs"],
                                arrays["log_probs"])
        if made.log_probs.shape != (made.num_tids + 1,):
            raise ValueError(f"{made.num_tids} transition-ids, {made.log_probs.shape} of log_probs")
        if made.tuples.size and not 0 <= made.tuples[:, 2:].min() <= made.tuples[:, 2:].max() \
                < made.num_pdfs:
            raise ValueError(f"pdfs beyond {made.num_pdfs}")
    return made


@contextmanager
def _damage(path):
    """Of what is wrong with a model's contents, one line."""
    try:
        yield
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise UserError(path, f"is damaged ({error})", "train it again") from None
