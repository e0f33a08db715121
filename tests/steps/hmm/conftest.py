"""A small data directory to break, cut from the tiny corpus."""

import json
import shutil

import pytest

from steps.features import compute_cmvn
from steps.features.archive import MatrixReader, MatrixWriter
from utils.data.datadir import DataDir
from utils.data.tables import write_table


@pytest.fixture
def few(speech, tmp_path):
    """Path of a data directory of this test's own: 3 speakers of 4, 4 and 1 utterances."""
    data = DataDir(speech.train)
    speakers = list(data.spk2utt)[:3]
    utts = [utt for spk, count in zip(speakers, (4, 4, 1), strict=True)
            for utt in data.spk2utt[spk][:count]]
    keep(data, utts, tmp_path / "few")
    return tmp_path / "few"


def keep(data, utts, directory):
    """Write the part of a DataDir that is about these utterances."""
    directory.mkdir()
    for name in ("text", "utt2spk", "feats.scp", "utt2dur"):
        write_table(directory / name, {utt: data.table(name)[utt] for utt in utts})
    speakers = {data.utt2spk[utt] for utt in utts}
    write_table(directory / "cmvn.scp", {spk: data.cmvn_scp[spk] for spk in speakers})
    shutil.copyfile(data.path / "feats.json", directory / "feats.json")


def change_feats(directory, function):
    """Replace the features of a data directory by what a function makes of each matrix."""
    data = DataDir(directory)
    with MatrixWriter(directory / "changed.ark") as archive:
        for utt in data.utts:
            archive.write(utt, function(MatrixReader().read(data.feats_scp[utt])))
    write_table(directory / "feats.scp", archive.index)
    compute_cmvn.main(["--force", directory])


@pytest.fixture
def narrow(few, mono_ali, tmp_path):
    """Paths of features with 12 values a frame and no feats.json, as Kaldi makes them; and of
    mono_ali as if it had been trained on such with 13."""
    model = tmp_path / "of_kaldi"
    change_feats(few, lambda feats: feats[:, :12])
    (few / "feats.json").unlink()
    shutil.copytree(mono_ali, model)
    front_end = json.loads((model / "front_end.json").read_text())
    (model / "front_end.json").write_text(json.dumps({**front_end, "feats": {}}))
    return few, model


@pytest.fixture
def change():
    """A function(path, {key: new value, or None to remove the line}) that edits a table."""
    def edit(path, changes):
        from utils.data.tables import read_table
        table = {**read_table(path, empty_ok=True), **changes}
        write_table(path, {key: value for key, value in table.items() if value is not None})
    return edit
