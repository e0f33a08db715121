"""Whole neurons and channels: which of a network's numbers belong to one, and how it is taken out.

    pruner = NeuronPruner(model, scope="layer")
    masks = pruner.masks(0.5)            # 0 at all that comes into or out of a pruned unit
    smaller = pruner.cut(model, masks)   # without them; says the same as the masked network

A unit is a place in the last axis of a tensor. Where tensors are added, as around a layer, their
units are one, which is kept or goes in all of them; so are the gates of a recurrent unit.
"""

import numpy as np

from steps.nnet.layers import Columns, Crop, HiddenScale, LookAhead, Scale, Splice
from steps.nnet.recurrence import CELLS, Recurrence
from steps.nnet.size import calls
from steps.nnet.tf import keras
from steps.transfer import graft
from utils.step import UserError

FIXED = 0      # the unit of what is not ours to cut: features and pdfs
EACH_BY_ITSELF = (keras.layers.ReLU, keras.layers.Activation, keras.layers.SpatialDropout1D,
                  Crop, Scale, LookAhead)


class NeuronPruner:
    """Masks of whole units, and the network without them.

    scope       "layer": the same share of each layer's units (of layers that are tied, together);
                "global": units are compared across layers, of which each keeps one at least
    .variables  what the masks are of
    """

    def __init__(self, model, scope):
        self.scope = scope
        self.units = Units(model)
        self.tables = [table for table in self.units.tables if table.masked]
        self.variables = [table.variable for table in self.tables]

    def masks(self, sparsity):
        """float32 arrays, one for each variable; sparsity: share of the units that go."""
        score, kept = importance(self.units), np.ones(self.units.count, bool)
        groups = self.units.groups()
        if self.scope == "layer":
            for group in groups.values():
                kept[_least(score, group, sparsity)] = False
        else:      # the best unit of each group stays
            for group in groups.values():
                score[group[np.argmax(score[group])]] = np.inf
            kept[_least(score, np.concatenate(list(groups.values())), sparsity,
                        stay=len(groups))] = False
        return [table.mask(kept) for table in self.tables]

    def kept(self, masks):
        """bool (num_units,): the units of which anything is kept."""
        kept = np.zeros(self.units.count, bool)
        kept[FIXED] = True
        for table, mask in zip(self.tables, masks, strict=True):
            for axis, units in table.axes.items():
                others = tuple(a for a in range(mask.ndim) if a != axis)
                kept[units[mask.max(others) > 0]] = True
        return kept

    def cut(self, model, masks):
        """The network without pruned units; {layers that are tied: [units left, of how many]}."""
        kept = self.kept(masks)
        tables = {id(table.variable): table for table in self.units.tables}

        def put(layer, tensor):
            if layer is None:
                return tensor
            values = [tables[id(v)].take(np.asarray(v), kept) if id(v) in tables
                      else np.asarray(v) for v in layer.weights]
            made = _resized(layer, tensor, values)
            output = made(tensor)
            if values:
                made.set_weights(values)
            return output

        left = {name: [int(kept[group].sum()), len(group)]
                for name, group in self.units.groups().items()}
        return graft.rewire(model, put), left


class Table:
    """Which units the numbers of a layer's variable belong to.

    axes      {axis: int (size of the axis,)}, numbers of units
    produces  the axis of units that come out of a matrix, or None;  consumes  that of those it sees
    masked    False for statistics, which are cut but not masked
    """

    def __init__(self, layer, variable, axes, produces=None, consumes=None, masked=True):
        self.layer, self.variable, self.axes = layer.name, variable, axes
        self.produces, self.consumes, self.masked = produces, consumes, masked

    def mask(self, kept):
        mask = np.ones(self.variable.shape, np.float32)
        for axis, units in self.axes.items():
            shape = [-1 if a == axis else 1 for a in range(mask.ndim)]
            mask = mask * kept[units].reshape(shape)
        return mask

    def take(self, value, kept):
        for axis, units in self.axes.items():
            value = np.compress(kept[units], value, axis)
        return value

    def energy(self, axis):
        """Squares of a matrix along an axis, as shares that add up to 1."""
        value = np.square(np.asarray(self.variable), dtype=np.float64)
        energy = value.sum(tuple(a for a in range(value.ndim) if a != axis))
        return energy / max(energy.sum(), np.finfo(float).tiny)


class Units:
    """The units of a network, numbered from 1; FIXED is all that may not be cut.

    .tables  Table of each variable;  .count  numbers of units, FIXED among them
    """

    def __init__(self, model):
        self.tables, self.made_by, self._parent = [], {}, [FIXED]
        found = {id(t): np.full(t.shape[2:], FIXED) for t in model.inputs}
        last = graft.output_of(model)
        for layer, inputs, output in calls(model):
            units = [found[id(tensor)] for tensor in inputs]
            found[id(output)] = self._through(layer, units, output, layer is last)
        roots = np.array([self._root(unit) for unit in range(len(self._parent))])
        self.count = len(roots)
        for table in self.tables:
            table.axes = {axis: roots[units] for axis, units in table.axes.items()}

    def groups(self):
        """{"layer+layer": int array of units} of the layers that make them, FIXED left out."""
        makers = {}
        for table in self.tables:
            if table.produces is not None:
                for unit in np.unique(table.axes[table.produces]):
                    makers.setdefault(int(unit), {})[table.layer] = None
        groups = {}
        for unit, names in sorted(makers.items()):
            if unit != FIXED:
                groups.setdefault("+".join(names), []).append(unit)
        return {name: np.array(group) for name, group in groups.items()}

    def _through(self, layer, units, output, is_last):
        """Units of a layer's output; notes the tables of its variables."""
        first = units[0]
        if isinstance(layer, EACH_BY_ITSELF):
            return first
        if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
            return self._matrix(layer, _channels(first), output, is_last)
        if isinstance(layer, Recurrence):
            gates = first.reshape(CELLS[layer.kind][1], -1)
            for gate in gates[1:]:
                self._tie(gates[0], gate)
            self.tables.append(Table(layer, layer.kernel, {0: gates[0], 1: first}, consumes=0))
            return gates[0]
        if isinstance(layer, keras.layers.BatchNormalization | HiddenScale):
            self.tables += [Table(layer, v, {0: _channels(first)}, masked=v.trainable)
                            for v in layer.weights]
            return first
        if isinstance(layer, Columns):
            return first[layer.first:layer.last or None]
        if isinstance(layer, Splice):
            return np.tile(first, len(layer.offsets))
        if isinstance(layer, keras.layers.Add):
            for other in units[1:]:
                self._tie(first, other)
            return first
        if isinstance(layer, keras.layers.Concatenate):
            return np.concatenate(units, -1)
        if isinstance(layer, keras.layers.Reshape):
            return first.reshape(output.shape[2:])
        if isinstance(layer, keras.layers.ZeroPadding2D):
            return np.pad(first, (layer.padding[1], (0, 0)), mode="edge")
        raise UserError("--structure neurons", f"cannot cut {layer.name}, a layer of kind "
                        f"{type(layer).__name__}", "--structure none can prune it")

    def _matrix(self, layer, seen, output, is_last):
        size, axis = layer.kernel.shape[-1], len(layer.kernel.shape) - 1
        made = np.full(size, FIXED)
        if not is_last:
            made = len(self._parent) + np.arange(size)
            self._parent += made.tolist()
        self.tables.append(Table(layer, layer.kernel, {axis - 1: seen, axis: made}, axis, axis - 1))
        if layer.use_bias:
            self.tables.append(Table(layer, layer.bias, {0: made}))
        return np.broadcast_to(made, output.shape[2:])

    def _root(self, unit):
        while self._parent[unit] != unit:
            unit = self._parent[unit]
        return unit

    def _tie(self, units, others):
        for one, other in zip(np.ravel(units), np.ravel(others), strict=True):
            low, high = sorted((self._root(one), self._root(other)))
            self._parent[high] = low


def importance(units):
    """What would be missing without a unit: how much it says, times how much that is heeded.

    It says what its batch norm scales it to, or without one what its inputs' weights do; it is
    heeded by the weights on it. Both as shares of the layer's squares, so that layers of any scale
    compare; 0 for what is masked.

    returns  float64 (num_units,)
    """
    scale, norm, heeded = (np.zeros(units.count) for _ in range(3))
    for table in units.tables:
        if table.produces is not None:
            np.add.at(scale, table.axes[table.produces], table.energy(table.produces))
        if table.consumes is not None:
            np.add.at(heeded, table.axes[table.consumes], table.energy(table.consumes))
        if table.variable.name == "gamma":
            np.add.at(norm, table.axes[0], table.energy(0))
    normed = np.zeros(units.count, bool)
    for table in units.tables:
        if table.variable.name == "gamma":
            normed[table.axes[0]] = True
    return np.where(normed, norm, scale) * heeded


def _least(score, group, sparsity, stay=1):
    """The units of a group that go, of which at least so many stay."""
    count = min(round(sparsity * len(group)), len(group) - stay)
    return group[np.argsort(score[group], kind="stable")[:count]]


def _channels(units):
    """Units along the last axis, which are the same at all places of the others."""
    return units.reshape(-1, units.shape[-1])[0] if units.ndim > 1 else units


def _resized(layer, tensor, values):
    """A layer like another, for weights and an input that may be smaller."""
    changed = {}
    if isinstance(layer, keras.layers.Dense):
        changed = {"units": values[0].shape[-1]}
    elif isinstance(layer, keras.layers.Conv2D):
        changed = {"filters": values[0].shape[-1]}
    elif isinstance(layer, keras.layers.Reshape) and len(layer.target_shape) == 2:
        changed = {"target_shape": (-1, int(np.prod(tensor.shape[2:])))}
    if not changed:
        return graft.clone(layer)
    return type(layer).from_config({**layer.get_config(), **changed})
