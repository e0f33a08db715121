"""Packages whose hashes are right and whose contents are not: one line, and nothing is computed."""

import json
import shutil

import numpy as np
import pytest

from steps.hmm.model import read_transitions
from steps.package import check_adaptable, transcribe
from steps.package.archive import write_manifest
from steps.package.whole import check_graph
from utils.lang.langdir import LangDir
from utils.step import UserError


@pytest.fixture
def folder(packed, tmp_path):
    shutil.copytree(packed.folder, tmp_path / "p")
    return tmp_path / "p"


def refused(folder, packed, match):
    write_manifest(folder, {})
    with pytest.raises(UserError, match=match):
        transcribe.main([folder, next(iter(packed.wavs.values()))])


def change(path, *keys, value):
    whole = part = json.loads(path.read_text())
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(json.dumps(whole))


@pytest.mark.parametrize(("name", "keys", "value", "message"), [
    ("recogniser.json", ["search"], None, "acwt is None, expected"),
    ("recogniser.json", ["search", "beam"], float("nan"), "beam is nan, expected"),
    ("recogniser.json", ["search", "max_active"], "5", "max_active is 5, expected 2 to"),
    ("recogniser.json", ["search", "new"], 1, "new is not known"),
    ("model/config.json", ["subsampling"], 0, "subsampling is 0, expected 1 to"),
    ("model/config.json", ["left_context"], 10 ** 9, "left_context is 1000000000, expected"),
    ("model/config.json", ["left_context"], 0, "do not go together"),
    ("model/front_end.json", ["feats"], [], "feat_dim is None, expected"),
    ("model/front_end.json", ["feats", "frame_shift"], 0, "frame_shift is 0, expected"),
    ("model/front_end.json", ["feats", "num_mel_bins"], 10 ** 9, "num_mel_bins is 1000000000"),
    ("model/front_end.json", ["deltas"], 1, "do not go together"),
    ("model/config.json", ["feat_dim"], 7, "do not go together"),
    ("model/front_end.json", ["feats", "window_type"], "x", "do not go together"),
    ("model/front_end.json", ["cmvn"], "x", "features that are not known"),
    ("model/front_end.json", ["splice"], [1, -1], "features that are not known"),
])
def test_numbers_out_of_bounds(folder, packed, name, keys, value, message):
    change(folder / name, *keys, value=value)
    refused(folder, packed, message)
    if name == "model/front_end.json" and "together" not in message:
        with pytest.raises(UserError, match=message):
            check_adaptable.main([folder])


@pytest.mark.parametrize("name", ["model/priors", "model/model.tflite", "graph/HCLG.fst",
                                  "graph/phones/optional_silence.int"])
def test_files_that_are_missing_or_empty(folder, packed, name):
    (folder / name).write_bytes(b"")
    refused(folder, packed, "p/")
    (folder / name).unlink()
    refused(folder, packed, f"has no {name}")


def test_phones_that_are_not_the_models(folder, packed):
    (folder / "graph/phones.txt").write_text("<eps> 0\nSIL 1\n")
    refused(folder, packed, r"graph/phones\.txt: has no phone \d+, final\.mdl has")


def test_no_index_of_a_graph_is_out_of_bounds(packed, tmp_path):
    """Numbers of its header, first state and last arc damaged in turn, and the file cut short."""
    whole = (packed.folder / "graph/HCLG.fst").read_bytes()
    num_tids = read_transitions(packed.folder / "model/final.mdl").num_tids
    num_words = len(LangDir(packed.folder / "graph").word_symbols)
    path = tmp_path / "HCLG.fst"
    path.write_bytes(whole)
    check_graph(path, num_tids, num_words)
    for tids, words in ((1, num_words), (num_tids, 1)):
        with pytest.raises(UserError, match="damaged, or of another model"):
            check_graph(path, tids, words)
    for at in (*range(0, 65, 4), 69, 73, len(whole) - 16, len(whole) - 12, len(whole) - 4):
        path.write_bytes(whole[:at] + b"\xf0\xff\xff\x7f" + whole[at + 4:])
        if at in (32, 36):     # properties, of which nothing depends
            continue
        with pytest.raises(UserError, match=r"graph|damaged|cut short"):
            check_graph(path, num_tids, num_words)
    for size in np.linspace(0, len(whole) - 1, 50).astype(int):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"graph|cut short"):
            check_graph(path, num_tids, num_words)


def test_few_active_tokens(packed, capsys):
    """Fewer than the package's min_active."""
    assert transcribe.main(["--max-active", "20", packed.folder,
                            next(iter(packed.wavs.values()))]) == 0
