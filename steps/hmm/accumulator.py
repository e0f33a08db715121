"""Sufficient statistics that are sums: added over jobs, kept in .npz files."""

from dataclasses import fields
from functools import reduce
from pathlib import Path

import numpy as np


class Accumulator:
    """Base of dataclasses whose fields are float64 arrays (or floats), all of them sums.

        total = Stats.sum(Stats.read(f"{work}/lda.{job}.npz") for job in range(1, num_jobs + 1))
    """

    def __add__(self, other):
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @classmethod
    def sum(cls, parts):
        return reduce(cls.__add__, parts)

    def write(self, path):
        with Path(path).open("wb") as file:   # a name given to np.savez might get .npz appended
            np.savez(file, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def read(cls, path):
        with np.load(path) as arrays:
            return cls(**{f.name: arrays[f.name] for f in fields(cls)})
