import pytest

from utils.data.datadir import DataDir
from utils.data.split_data import main
from utils.data.validate_data_dir import main as validate
from utils.step import UserError


@pytest.fixture
def source(tiny_copy):
    return tiny_copy / "data" / "train"


@pytest.mark.parametrize(("options", "directory", "count"), [
    ([], "split3", 3), (["--per-utt"], "split7utt", 7)])
def test_into_equal_parts(source, options, directory, count):
    assert main([*options, source, count]) == 0
    parts = [DataDir(source / directory / str(number)) for number in range(1, count + 1)]
    assert sorted(utt for part in parts for utt in part.utts) == DataDir(source).utts
    assert max(len(part.utts) for part in parts) <= 16
    for part in parts:
        assert validate(["--no-feats", part.path]) == 0
    if not options:
        assert sum(len(part.spk2utt) for part in parts) == 5


def test_named_parts_share_no_speaker(source, tmp_path, capsys):
    arguments = ["--parts", "train=0.6,dev=0.2,test=0.2", source, tmp_path / "out"]
    assert main(arguments) == 0
    parts = {name: DataDir(tmp_path / "out" / name) for name in ["train", "dev", "test"]}
    assert [len(part.spk2utt) for part in parts.values()] == [3, 1, 1]
    assert sorted(utt for part in parts.values() for utt in part.utts) == DataDir(source).utts
    assert main(arguments) == 0
    assert "up to date" in capsys.readouterr().err
    others = set()
    for seed in [1, 2, 3]:
        assert main(["--seed", seed, *arguments]) == 0
        others |= set(DataDir(tmp_path / "out" / "dev").spk2utt)
    assert len(others) > 1


@pytest.mark.parametrize(("options", "message"), [
    (["--parts", "a=0.5,b=0.4", "{}", "out"], "the shares sum to 0.9"),
    (["--parts", "a=0.5,../b=0.5", "{}", "out"], "is no part"),
    (["--parts", "a=1,b", "{}", "out"], "is no part"),
    (["--parts", "a=0.5,b=0.3,b=0.5", "{}", "out"], "b is there twice"),
    (["--parts", "a=.1,b=.1,c=.1,d=.1,e=.1,f=.5", "{}", "out"], "has 5 speakers for 6 parts"),
    (["{}", "6"], "has 5 speakers, not enough for 6 parts"),
    (["{}", "0"], "is no number of parts"),
    (["--parts", "train=0.5,test=0.5", "{}", "{}/.."], "both source and destination"),
])
def test_bad_options_are_named(source, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        main([option.replace("{}", str(source)) for option in options])
