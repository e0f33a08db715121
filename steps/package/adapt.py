"""The trainable form of a package's network: Keras weights as float16, half the bytes."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np

from steps.nnet.network import EPOCH, FILES, load_model, save_model
from utils.step import UserError

TRAINABLE, TRAINABLE_CONFIG = "adapt/final.keras", "adapt/config.json"
WEIGHTS = "model.weights.h5"


def write_half(source, target):
    """A .keras file with float32 weights to one with float16. Returns the bytes written.

    What lies outside float16's range, above 65504, becomes that; nothing trained has been seen to.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(source) as old, \
            zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name in sorted(old.namelist()):
            data = old.read(name)
            member = zipfile.ZipInfo(name, EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(member, _halved(data) if name == WEIGHTS else data)
    target.parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_bytes(packed.getvalue())
    return len(packed.getvalue())


def config_of(package):
    """Name of the config.json of a package's trainable form, which some have with the model's."""
    return TRAINABLE_CONFIG if TRAINABLE_CONFIG in package else "model/config.json"


def unpack_network(package, directory):
    """A package's network as steps/transfer and steps/nnet train it, in <directory>.

    raises UserError for a package without a trainable form
    """
    if TRAINABLE not in package:
        raise UserError(package.source, "was made with --no-adapt and cannot be trained on",
                        "make it again from the network, or ask who made it")
    directory = Path(directory)
    save_model(directory / "final.keras", load_model(package.path / TRAINABLE))
    for name in FILES[1:]:
        shutil.copyfile(package.path / (config_of(package) if name == "config.json" else
                                        f"model/{name}"), directory / name)


def _halved(data):
    """The bytes of an HDF5 file whose float32 arrays are float16."""
    import h5py
    with h5py.File(io.BytesIO(data)) as old:
        packed = io.BytesIO()
        with h5py.File(packed, "w") as new:
            new.attrs.update(old.attrs)

            def copy(name, item):
                if isinstance(item, h5py.Group):
                    made = new.require_group(name)
                elif item.dtype == np.float32:
                    limit = np.finfo(np.float16).max
                    made = new.create_dataset(
                        name, data=np.clip(item[()], -limit, limit).astype(np.float16))
                else:
                    made = new.create_dataset(name, data=item[()])
                made.attrs.update(item.attrs)
            old.visititems(copy)
    return packed.getvalue()
