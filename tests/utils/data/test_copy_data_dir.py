import os
import shutil
import subprocess
import sys

import pytest

from steps.features.archive import MatrixReader
from utils.data.audio import read_audio
from utils.data.copy_data_dir import main
from utils.data.datadir import DataDir
from utils.data.tables import write_table
from utils.data.validate_data_dir import main as validate
from utils.step import ROOT, UserError


def test_copy_with_prefixes_and_suffixes(tiny, tmp_path):
    options = ["--utt-prefix", "fr-", "--spk-prefix", "fr-", "--utt-suffix", "_b"]
    assert main([*options, tiny / "data" / "test", tmp_path / "fr"]) == 0
    assert validate(["--no-feats", tmp_path / "fr"]) == 0
    data, source = DataDir(tmp_path / "fr"), DataDir(tiny / "data" / "test")
    assert list(data.spk2utt) == ["fr-fay", "fr-gus"] == list(data.spk2gender)
    assert data.utts == [f"fr-{utt}_b" for utt in source.utts]
    assert data.wav_scp["fr-fay-001_b"] == source.wav_scp["fay-001"]
    assert data.text["fr-fay-001_b"] == source.text["fay-001"]


def test_copy_of_segments_leaves_recordings(tiny_copy, tmp_path):
    source = tiny_copy / "data" / "test"
    (source / "segments").write_text("".join(
        f"{utt} fay-001 0 0.5\n" for utt in DataDir(source).utts))
    (source / "utt2dur").unlink()
    assert main(["--utt-prefix", "x", "--spk-prefix", "x", source, tmp_path / "x"]) == 0
    data = DataDir(tmp_path / "x")
    assert data.segments["xgus-002"] == ("fay-001", 0, 0.5)
    assert "fay-001" in data.wav_scp


def test_speaker_as_prefix_makes_the_order_right(tiny_copy, tmp_path):
    source = tiny_copy / "data" / "test"
    for name in ["text", "utt2spk", "wav.scp", "utt2accent", "utt2dur"]:
        lines = [line.replace("fay-", "", 1).replace("gus-", "a", 1)
                 if name != "wav.scp" else line[4:] if line.startswith("fay") else "a" + line[4:]
                 for line in (source / name).read_text().splitlines()]
        (source / name).write_text("\n".join(lines) + "\n")
    (source / "utt2spk").write_text(
        (source / "utt2spk").read_text().replace("001 fay", "001 zoe"))
    (source / "spk2gender").unlink()
    with pytest.raises(UserError):
        validate(["--no-feats", source])
    assert main(["--spk-as-prefix", source, tmp_path / "x"]) == 0
    assert validate(["--no-feats", tmp_path / "x"]) == 0
    assert {"fay-002", "zoe-001", "gus-a003"} < set(DataDir(tmp_path / "x").utts)


def test_originals_of_copies_get_their_new_names(tiny_copy, tmp_path):
    source = tiny_copy / "data" / "test"
    (source / "utt2uniq").write_text("fay-001 fay-001\nfay-002 fay-001\ngus-001 elsewhere-1\n")
    assert main(["--utt-prefix", "x", "--spk-prefix", "x", source, tmp_path / "x"]) == 0
    assert DataDir(tmp_path / "x").table("utt2uniq") == {
        "xfay-001": "xfay-001", "xfay-002": "xfay-001", "xgus-001": "elsewhere-1"}


def test_a_space_in_a_prefix_is_refused(tiny, tmp_path):
    with pytest.raises(UserError, match="--utt-prefix: there is a space in it"):
        main(["--utt-prefix", "a b", tiny / "data" / "test", tmp_path / "x"])
    assert not (tmp_path / "x").exists()


def test_data_of_another_recipe(tiny_copy, tmp_path, monkeypatch):
    """Its scp files name what is in that recipe's folder, as it is seen from here."""
    other = tmp_path / "egs/other"
    shutil.copytree(tiny_copy / "data/test", other / "data/test")
    (other / "wav").mkdir()
    table = {utt: f"wav/{utt}.wav" for utt in DataDir(other / "data/test").utts}
    for utt, path in DataDir(other / "data/test").wav_scp.items():
        shutil.copy(path, other / table[utt])
    table["gus-002"] = f"cat {table['gus-002']} |"
    write_table(other / "data/test/wav.scp", table)
    for name in ("steps", "utils"):
        (other / name).symlink_to(ROOT / name)
    for command in ["steps/features/make_mfcc.py data/test",
                    "steps/features/compute_cmvn.py data/test",
                    "utils/data/perturb_speed.py 0.9,1.0 data/test data/sp"]:
        subprocess.run([sys.executable, *command.split()], cwd=other, check=True,
                       env={**os.environ, "PYTHONPATH": str(ROOT)})
    here = tmp_path / "egs/here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in ("test", "sp"):
        assert main(["--paths-from", "../other", f"../other/data/{name}", f"data/{name}"]) == 0
    data = DataDir("data/test")
    reader = MatrixReader()
    for path in [*data.feats_scp.values(), *data.cmvn_scp.values()]:
        assert path.startswith("../other/data/test/feats/") and reader.read(path).shape
    for path in [*data.wav_scp.values(), *DataDir("data/sp").wav_scp.values()]:
        assert len(read_audio(path)[0])
    with pytest.raises(UserError, match=r"\.\./no: no such directory .--paths-from is"):
        main(["--paths-from", "../no", "../other/data/test", "data/again"])
