import pytest

from egs.accent.local import prepare_data
from egs.an4.local import prepare_data as an4
from egs.speechocean762.local import prepare_data as speechocean762
from tests.an4_layout import make_an4
from tests.speechocean762_layout import make_speechocean762
from utils.data.tables import read_table
from utils.data.validate_data_dir import main as validate
from utils.step import UserError


@pytest.fixture
def corpora(tiny, tmp_path):
    """What the recipes of the corpora prepare; speakers held out: a woman of 25, a man of 12."""
    an4.main(["--hold-out", "2", make_an4(tmp_path / "an4", tiny), tmp_path / "corpora/an4"])
    speechocean762.main(["--hold-out", "2", make_speechocean762(tmp_path / "so", tiny),
                         tmp_path / "corpora/speechocean762"])
    return tmp_path / "corpora"


def test_sides_of_a_transfer(corpora, tmp_path, capsys):
    for name in ("an4", "speechocean762"):
        side = tmp_path / "data" / name
        assert prepare_data.main([corpora / name, side]) == 0
        for part, source in (("train", "tune/train"), ("dev", "tune/test"), ("test", "test")):
            assert validate(["--no-feats", side / part]) == 0
            assert read_table(side / part / "text") == read_table(corpora / name / source / "text")
    groups = read_table(tmp_path / "data/an4/train/spk2agegroup")
    assert set(groups) == set(read_table(tmp_path / "data/an4/train/spk2utt"))
    assert set(groups.values()) == {"unknown"}
    capsys.readouterr()
    prepare_data.main([corpora / "speechocean762", tmp_path / "data/speechocean762"])
    assert "up to date" in capsys.readouterr().err


@pytest.mark.parametrize(("group", "spks"), [
    ("adult", {"train": ["ben"], "dev": ["dua"], "test": ["gus"]}),
    ("child", {"train": ["ana", "cem"], "dev": ["eli"], "test": ["fay"]})])
def test_adults_and_children(corpora, tmp_path, group, spks):
    prepare_data.main(["--age-group", group, corpora / "speechocean762", tmp_path / group])
    for part, expected in spks.items():
        assert validate(["--no-feats", tmp_path / group / part]) == 0
        assert list(read_table(tmp_path / group / part / "spk2utt")) == expected
        assert set(read_table(tmp_path / group / part / "spk2agegroup").values()) == {group}


def test_bad_input_names_the_file(corpora, tmp_path):
    with pytest.raises(UserError, match="an4/tune/train: nobody here is of --age-group child"):
        prepare_data.main(["--age-group", "child", corpora / "an4", tmp_path / "data"])
    assert not (tmp_path / "data/train").exists()
    with pytest.raises(UserError, match="nowhere/tune/train: no such data directory"):
        prepare_data.main([tmp_path / "nowhere", tmp_path / "data"])
