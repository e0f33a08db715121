"""Which layer of a network is copied, mapped, reset or new, and how fast it learns.

    rows = make_plan(layers, parse_factors("tdnn*=0.1 output=1"), batchnorm="train")
    print(table(rows))
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from utils.step import UserError

HIDDEN_FACTOR = 1.0       # learning rate of copied layers, times that of new ones
SOURCE_OUTPUT = "source_output"      # how the source's own output layer is called, as a teacher's
ADAPTERS = ("lora", "lhuc", "lin")
COLUMNS = ("layer", "state", "shape", "factor", "trained")


@dataclass(frozen=True)
class Layer:
    """A layer with weights.

    state      "copied", "mapped", "reset" or "new"
    batchnorm  True if it keeps statistics of what passes
    lora       True if its kernel stays, and what is learnt beside it is a row of its own
    """

    name: str
    shapes: tuple
    state: str = "copied"
    batchnorm: bool = False
    lora: bool = False


@dataclass(frozen=True)
class Row:
    """A layer, the factor of its learning rate, and whether its statistics follow the data."""

    layer: Layer
    factor: float
    statistics: bool = False

    @property
    def trained(self):
        if self.layer.batchnorm and self.statistics and not self.factor:
            return "statistics"
        if self.layer.lora and self.factor:
            return "bias"
        return "yes" if self.factor else "no"

    def as_dict(self):
        return {"layer": self.layer.name, "state": self.layer.state,
                "shapes": self.layer.shapes, "factor": self.factor, "trained": self.trained}


def states_of(names, copy_to="", reset=()):
    """{hidden layer: "copied" or "reset"}.

    names    hidden layers with weights, from the input upwards
    copy_to  the last layer that is copied, or what its name begins with ("tdnn3"); "" for all
    reset    globs of layers that begin anew
    """
    last = len(names) - 1
    if copy_to:
        found = [i for i, name in enumerate(names) if _matches(name, copy_to)]
        if not found:
            raise UserError(f"--copy-to {copy_to}", "there is no such layer",
                            f"one of {', '.join(groups_of(names))}")
        last = found[-1]
    for pattern in reset:
        if not any(_matches(name, pattern) for name in names):
            raise UserError(f"--reset {pattern}", "no hidden layer is called so",
                            f"the layers are {', '.join(groups_of(names))}")
    return {name: "reset" if i > last or any(_matches(name, p) for p in reset) else "copied"
            for i, name in enumerate(names)}


def make_plan(layers, patterns=(), batchnorm="train", hidden=HIDDEN_FACTOR):
    """A Row for each Layer.

    patterns   (glob, factor) pairs, of which the last that matches counts
    batchnorm  of copied layers. "train": gamma, beta and statistics where the factor is not 0;
               "adapt": only the statistics, everywhere; "keep": nothing
    hidden     factor of copied layers that no glob matches; of all others it is 1
    """
    names = [layer.name for layer in layers]
    for pattern, _ in patterns:
        if not any(_matches(name, pattern) for name in names):
            raise UserError(f"--lr-factors {pattern}", "no layer is called so",
                            f"the layers are {', '.join(groups_of(names))}")
    rows = []
    for layer in layers:
        factor = hidden if layer.state == "copied" else 1.0
        factor = ([factor] + [f for p, f in patterns if _matches(layer.name, p)])[-1]
        mode = batchnorm if layer.state == "copied" else "train"
        if layer.batchnorm and mode != "train":
            factor = 0.0
        rows.append(Row(layer, factor, layer.batchnorm and (
            mode == "adapt" or (mode == "train" and factor > 0))))
    return rows


def parse_factors(text):
    """[(glob, factor)] of "tdnn*=0.25 output=1"."""
    pairs = []
    for item in text.split():
        pattern, equals, value = item.rpartition("=")
        try:
            factor = float(value)
        except ValueError:
            factor = -1
        if not equals or not pattern or not 0 <= factor < float("inf"):
            raise UserError(f"--lr-factors {item}", "is no factor", "such as 'tdnn*=0.25 output=1'")
        pairs.append((pattern, factor))
    return pairs


def parse_new_layers(text):
    """{"hidden_dim": 256, "num": 1} of "hidden_dim=256 num=1"; {} of ""."""
    sizes = {"hidden_dim": 256, "num": 1} if text else {}
    for item in text.split():
        name, _, value = item.partition("=")
        number = int(value) if value.isascii() and value.isdigit() else 0
        if name not in sizes or not number:
            raise UserError(f"--new-layers {item}", "is no size of new layers",
                            "such as 'hidden_dim=256 num=1'")
        sizes[name] = number
    return sizes


def parse_adapters(text):
    """{"lora": 8, "lhuc": 1, "lin": 1} of "lora=8 lhuc lin"."""
    kinds = {}
    for item in text.split():
        name, equals, value = item.partition("=")
        rank = int(value) if value.isascii() and value.isdigit() else 0
        if name not in ADAPTERS or (name == "lora" and not rank) or (name != "lora" and equals):
            raise UserError(f"--adapters {item}", "is no adapter",
                            "any of 'lora=RANK lhuc lin', such as 'lora=8 lhuc'")
        kinds[name] = rank or 1
    return kinds


def groups_of(names):
    """What layers' names begin with, each once: input, tdnn1, tdnn2, ... output."""
    return list(dict.fromkeys(name.split(".")[0] for name in names))


def thaw_order(rows):
    """{layer: how many layers of the network are unfrozen before it}, of what thaws by and by.

    Copied groups of hidden layers do, from the top; all else learns at once.
    """
    names = [row.layer.name for row in rows if row.layer.state == "copied" and row.factor
             and row.layer.name not in ("output", SOURCE_OUTPUT)]
    order = {group: i for i, group in enumerate(reversed(groups_of(names)))}
    return {name: order[name.split(".")[0]] for name in names}


def table(rows):
    """The plan as text, a line for each layer."""
    cells = [COLUMNS] + [
        (row.layer.name, row.layer.state, " ".join("x".join(map(str, s)) for s in row.layer.shapes),
         f"{row.factor:g}", row.trained) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
                     .rstrip() for line in cells)


def _matches(name, pattern):
    """A glob matches a layer's name or what it begins with: tdnn3 means tdnn3.affine too."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")
