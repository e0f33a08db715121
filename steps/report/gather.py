"""What a recipe has scored: test sets, the systems on them, and which of these to look at.

Decode directories with the same references are of one test set. Directories that differ only in a
last part that is a number, as exp/tdnn/0 and exp/tdnn/1, are one system from several seeds. A set
whose references some other directory's LM weight was chosen on is a development set.
"""

import fnmatch
import os
from collections import Counter
from pathlib import Path

import numpy as np

from steps.score.bootstrap import interval
from steps.score.details import COLUMNS, read_utt_table
from steps.score.table import compare
from steps.score.wer import read_summary
from utils.step import UserError, read_done

FILES = ("summary.json", "utts.tsv", "ref.txt", "hyp.txt", "ops")   # of scoring/, in use here


class Decoding:
    """One scored decode directory. utts, spks: lists; counts: int64 (num_utts, 8)."""

    def __init__(self, path, base):
        self.path, self.base, self.dev = path, base, None
        try:
            self.summary = read_summary(path)
            self.utts, self.spks, self.counts = read_utt_table(path / "scoring/utts.tsv")
            self.refs = (path / "scoring/ref.txt").read_bytes()
            self.wer, self.chosen_on = self.summary["wer"]["percent"], self.summary["chosen_on"]
        except (OSError, ValueError, IndexError) as error:
            raise UserError(path / "scoring", f"cannot be read, {error}",
                            "run steps/score/score.py --force") from None
        self.done = read_done(path)
        scored = self.done.get("score") or self.done.get("combine", {})
        self.scored, self.options = scored.get("date", ""), scored.get("options", {})

    @property
    def data(self):
        """The data directory it was scored with; None if it is gone."""
        return resolve(self.options.get("data"), self.base)

    def errors(self):
        """int64 (num_utts, 2): words, word errors."""
        first = COLUMNS.index("words")
        return np.stack([self.counts[:, first], self.counts[:, first + 1:first + 4].sum(1)], 1)


class System:
    """Decodings of one system on one test set, a seed each. name; seeds; dev: its WER there."""

    def __init__(self, name, seeds, dev):
        self.name, self.seeds, self.dev = name, seeds, dev
        self.wer = float(np.mean([seed.wer for seed in seeds]))
        self.cer = float(np.mean([seed.summary["cer"]["percent"] for seed in seeds]))

    @property
    def looked_at(self):
        """The name of the decoding that is looked at closely, the first seed's."""
        many = len(self.seeds)
        return self.name + (f" (the first of {many} seeds)" if many > 1 else "")

    def interval(self):
        """95 % interval of the WER over utterances; of each, the errors of all seeds together."""
        if len(self.seeds) == 1:
            return tuple(self.seeds[0].summary["wer"]["interval"])
        words, errors = sum(seed.errors() for seed in self.seeds).T
        return interval(errors, words)

    def p(self, other):
        """The two-sided p of a difference between the two, by a paired bootstrap; None of one
        utterance."""
        return compare([[seed.path] for seed in self.seeds],
                       [[seed.path] for seed in other.seeds])[1]


class TestSet:
    """Systems that recognised the same utterances, in the order in which they were scored."""

    __test__ = False   # no test, whatever pytest thinks of its name

    def __init__(self, name, systems):
        self.name, self.systems = name, systems
        one = systems[0].seeds[0]
        self.num_utts, self.num_words = len(one.utts), int(one.errors()[:, 0].sum())
        self.num_spks = len(set(one.spks))
        self.by_dev = any(system.dev is not None for system in systems)
        self.best = min(systems, key=lambda s: (
            (s.dev if s.dev is not None else np.inf) if self.by_dev else s.wer, len(s.name)))


def resolve(path, base):
    """A path as a step was given it, from the recipe's directory or from here; None if gone."""
    for place in (Path(base) / path, Path(path)) if path else ():
        if place.exists():
            return place
    return None


def find(exp, name, skip=(), limit=None):
    """Paths named so below exp, sorted; hidden directories and skip's patterns are passed over."""
    found = []
    for top, folders, files in os.walk(exp):
        below = Path(top).relative_to(exp)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not any(
            fnmatch.fnmatch(str(below / f), pattern) for pattern in skip)
            and (limit is None or len(below.parts) < limit))
        found += [Path(top) / file for file in files if fnmatch.fnmatch(file, name)]
    return sorted(found)


def read_test_sets(exp, skip=()):
    """[TestSet] of everything scored below exp, in the order of their names."""
    base = exp.resolve().parent
    paths = [p.parent.parent for p in find(exp, "summary.json", skip) if p.parent.name == "scoring"]
    decodings = sorted((Decoding(path, base) for path in paths),
                       key=lambda d: (d.scored, str(d.path)))
    here = {d.path.resolve(): d for d in decodings}
    for one in decodings:
        where = resolve(one.chosen_on, base)
        dev = here.get(where.resolve()) if where else None
        one.dev = None if dev is one else dev
    dev_refs = {one.dev.refs for one in decodings if one.dev}
    groups = {}
    for one in decodings:
        groups.setdefault(one.refs, []).append(one)
    tested = {refs: g for refs, g in groups.items() if refs not in dev_refs} or groups
    names = _set_names([[d.options.get("data", d.path.name) for d in g] for g in tested.values()])
    # By name: what is scored side by side ends in any order.
    return [TestSet(name, _systems(group, name, exp))
            for name, group in sorted(
                zip(names, tested.values(), strict=True), key=lambda pair: pair[0])]


def inputs_of(sets):
    """The files of these test sets that a report is made from."""
    seeds = [seed for one in sets for system in one.systems for seed in system.seeds]
    scorings = [seed.path / "scoring" for seed in seeds]
    return [*(path for scoring in scorings
              for path in [*(scoring / name for name in FILES), *sorted(scoring.glob("by_*"))]),
            *(seed.dev.path / "scoring/summary.json" for seed in seeds if seed.dev)]


def _systems(group, set_name, exp):
    usual = Counter(d.path.name for d in group).most_common(1)[0][0]
    places, systems = {one.path.relative_to(exp).parent.parts for one in group}, {}
    for one in group:
        parts = one.path.relative_to(exp).parent.parts
        # A seed's, unless the directory above is a system itself.
        if len(parts) > 1 and parts[-1].isdigit() and parts[:-1] not in places:
            parts = parts[:-1]
        if len(parts) > 1 and parts[0] == set_name:
            parts = parts[1:]
        name = "/".join(parts) + ("" if one.path.name == usual else f" {one.path.name}")
        systems.setdefault(name or one.path.name, []).append(one)
    return [System(name, seeds, _mean_dev([seed.dev for seed in seeds]))
            for name, seeds in systems.items()]


def _mean_dev(devs):
    return float(np.mean([dev.wer for dev in devs])) if all(devs) else None


def _set_names(paths_of_sets):
    """A name for each set: its shortest data directory without what all of them share."""
    shortest = [list(Path(min(paths, key=len)).parts) for paths in paths_of_sets]
    if len(shortest) > 1:
        for end in (0, -1):
            while all(len(parts) > 1 for parts in shortest) \
                    and len({parts[end] for parts in shortest}) == 1:
                for parts in shortest:
                    parts.pop(end)
    else:
        shortest = [parts[-1:] for parts in shortest]
    names = ["/".join(parts) for parts in shortest]
    return [name if names.count(name) == 1 else f"{name} {i}" for i, name in enumerate(names, 1)]
