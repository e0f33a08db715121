"""Whether what is in a package can be used, looked at before compiled code relies on it.

    config, front_end, search = check_whole(package)     # its files, and numbers of those of JSON
    check_graph("graph/HCLG.fst", transitions.num_tids, len(lang.word_symbols))

Hashes say that a package is as it was made, not who made it: an index out of bounds in a graph
would be memory of other things to the decoder, which looks at none.
"""

import math
import struct
from pathlib import Path

import numpy as np

from utils.step import UserError

AGAIN = "make the package again, or ask who made it"
FILES = ("model/final.mdl", "model/model.tflite", "model/priors", "model/phones.txt",
         "graph/HCLG.fst", "graph/words.txt", "graph/phones.txt", "graph/phones/align_lexicon.int",
         "graph/phones/optional_silence.int")
# Least and most; where the least is written with a point the value need not be whole.
CONFIG = {"feat_dim": (1, 1e5), "num_pdfs": (1, 1e6), "subsampling": (1, 100),
          "left_context": (0, 1e4), "right_context": (0, 1e4)}
FEATS = {"feat_dim": (1, 1e4), "sample_rate": (1000, 1e6), "frame_shift": (0.001, 1.0),
         "frame_length": (0.001, 1.0)}
BOUNDED = {"num_mel_bins": (1, 1000), "fft_length": (0, 1 << 16)}    # of the features, if there
SEARCH = {"acwt": (1e-6, 100.0), "beam": (0.0, 1e4), "max_active": (2, 2**31 - 1),
          "min_active": (0, 2**31 - 1)}
MAGIC, CONST, ARCS = 2125659606, b"const", b"standard"     # of OpenFst's files
HEADER = struct.Struct("<iiQqqq")      # version, flags, properties, start, numbers of states, arcs
HAS_SYMBOLS, IS_ALIGNED, ALIGNED_VERSION = 3, 4, 1
STATE = np.dtype([("weight", "<f4"), ("first_arc", "<u4"), ("num_arcs", "<u4"),
                  ("niepsilons", "<u4"), ("noepsilons", "<u4")])
ARC = np.dtype([("ilabel", "<i4"), ("olabel", "<i4"), ("weight", "<f4"), ("nextstate", "<i4")])


def check_whole(package):
    """(config.json, front_end.json, search of recogniser.json) as dicts that have what is needed.

    raises UserError unless they do and all other files are there
    """
    for name in FILES:
        if name not in package:
            raise UserError(package.source, f"has no {name}", AGAIN)
    config, front_end = package.json("model/config.json"), check_front_end(package)
    _check_numbers(package, "model/config.json", config, CONFIG)
    search = package.json("recogniser.json").get("search")
    _check_numbers(package, "recogniser.json", search, SEARCH)
    if set(search) - set(SEARCH):
        raise UserError(package.source, f"recogniser.json: {min(set(search) - set(SEARCH))} is not "
                        "known", "use the version that made the package")
    return config, front_end, search


def check_front_end(package):
    """The dict of model/front_end.json."""
    front_end = package.json("model/front_end.json")
    feats = front_end.get("feats")
    _check_numbers(package, "model/front_end.json", feats, FEATS)
    _check_numbers(package, "model/front_end.json", feats,
                   {name: limits for name, limits in BOUNDED.items() if name in feats})
    splice = front_end.get("splice")
    wrong = feats.get("kind") not in ("mfcc", "fbank") or front_end.get("cmvn") not in (
        "speaker", "utterance", "sliding", "none") or front_end.get("deltas") not in (0, 1, 2, None)
    if wrong or (splice and not (isinstance(splice, list) and len(splice) == 2 and all(
            type(n) is int and 0 <= n <= CONFIG["left_context"][1] for n in splice))):
        raise UserError(package.source, "model/front_end.json has features that are not known",
                        AGAIN)
    return front_end


def _check_numbers(package, name, values, limits):
    for key, (least, most) in limits.items():
        value = values.get(key) if isinstance(values, dict) else None
        kinds = (int,) if isinstance(least, int) else (int, float)
        if type(value) not in kinds or not math.isfinite(value) or not least <= value <= most:
            raise UserError(package.source, f"{name}: {key} is {str(value)[:40]}, expected "
                            f"{least:g} to {most:g}", AGAIN)


def check_graph(path, num_tids, num_words):
    """UserError unless an OpenFst file is a const FST whose every index is within bounds."""
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(200)
    try:
        at, kinds = 4, []
        if struct.unpack_from("<i", head)[0] != MAGIC:
            raise UserError(path, "is no graph of OpenFst's", AGAIN)
        for _ in range(2):
            size, = struct.unpack_from("<i", head, at)
            kinds.append(head[at + 4:at + 4 + max(0, size)])
            at += 4 + max(0, size)
        version, flags, _, start, num_states, num_arcs = HEADER.unpack_from(head, at)
    except struct.error:
        raise UserError(path, "is cut short", AGAIN) from None
    if kinds != [CONST, ARCS] or flags & HAS_SYMBOLS:
        raise UserError(path, "is no graph of const type without symbols", AGAIN)
    align = 16 if flags & IS_ALIGNED or version == ALIGNED_VERSION else 1
    first = -(-(at + HEADER.size) // align) * align
    then = -(-(first + STATE.itemsize * max(0, num_states)) // align) * align
    if num_states < 1 or num_arcs < 1 or path.stat().st_size < then + ARC.itemsize * num_arcs:
        raise UserError(path, f"is cut short: {num_states} states and {num_arcs} arcs were "
                        "promised", AGAIN)
    states = np.memmap(path, STATE, "r", first, (num_states,))
    arcs = np.memmap(path, ARC, "r", then, (num_arcs,))
    ends = states["first_arc"].astype(np.int64) + states["num_arcs"]
    whole = 0 <= start < num_states and ends.max() <= num_arcs \
        and (states["niepsilons"] <= states["num_arcs"]).all() \
        and (states["noepsilons"] <= states["num_arcs"]).all()
    for name, end in (("ilabel", num_tids + 1), ("olabel", num_words), ("nextstate", num_states)):
        whole = whole and arcs[name].min() >= 0 and arcs[name].max() < end
    if not whole or np.isnan(arcs["weight"]).any():
        raise UserError(path, "is damaged, or of another model", AGAIN)
