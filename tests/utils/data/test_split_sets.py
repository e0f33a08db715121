"""Train, dev and test by lists."""

import pytest

from utils.data.datadir import DataDir
from utils.data.split_sets import main
from utils.data.validate_data_dir import main as validate
from utils.step import UserError


@pytest.fixture
def lists(tmp_path):
    (tmp_path / "dev").write_text("# of dev\nana-001 why\nana-002\nana-009 gone\n")
    (tmp_path / "test").write_text("ben-001\nben-002\n")
    (tmp_path / "exclude").write_text("cem-001 cut short\nben-002 too\n")
    return tmp_path


def test_what_is_listed_and_what_is_not(tiny_copy, lists, capsys):
    text = tiny_copy / "data/train/text"
    said = DataDir(text.parent).text
    text.write_text(text.read_text().replace(f"dua-003 {said['dua-003']}\n",
                                             f"dua-003 {said['ana-001']}\n"))
    source = DataDir(tiny_copy / "data/train")
    assert main(["--exclude", lists / "exclude", lists / "dev", lists / "test", source.path,
                 lists / "data"]) == 0
    train, dev, test = (DataDir(lists / "data" / name) for name in ("train", "dev", "test"))
    for data in (train, dev, test):
        assert validate(["--no-feats", data.path]) == 0
    assert (dev.utts, test.utts) == (["ana-001", "ana-002"], ["ben-001"])
    held_out = {source.text[utt] for utt in (*dev.utts, *test.utts)}
    expected = [u for u in source.utts if source.text[u] not in held_out
                and u not in ("cem-001", "ben-002")]
    assert train.utts == expected
    told = capsys.readouterr().err
    assert "dev:4 ana-009" in told and "2 speakers of dev or test are in train as well" in told
    apart = {line.split("\t")[0] for line in (lists / "data/apart.tsv").read_text().splitlines()}
    assert apart == {u for u in source.utts if source.text[u] in held_out} - {
        "ana-001", "ana-002", "ben-001", "ben-002", "cem-001"}
    assert "dua-003" in apart
    main(["--exclude", lists / "exclude", lists / "dev", lists / "test", source.path,
          lists / "data"])
    assert "up to date" in capsys.readouterr().err
    main(["--sentences", "any", lists / "dev", lists / "test", source.path, lists / "data"])
    assert len(DataDir(lists / "data/train").utts) == len(source.utts) - 4


def test_mistakes(tiny, lists):
    (lists / "test").write_text("ana-001\n")
    with pytest.raises(UserError, match=r"ana-001 is in .*dev as well"):
        main([lists / "dev", lists / "test", tiny / "data/train", lists / "data"])
    (lists / "test").write_text("# nobody\n")
    with pytest.raises(UserError, match="no utterance is left for test"):
        main([lists / "dev", lists / "test", tiny / "data/train", lists / "data"])
    assert not (lists / "data/train").exists()


def test_a_set_made_by_hand_is_not_written_over(tiny_copy, lists):
    (lists / "data/train").mkdir(parents=True)
    (lists / "data/train/utt2spk").write_text("a a\n")
    with pytest.raises(UserError, match="is there, and not made by split_sets"):
        main([lists / "dev", lists / "test", tiny_copy / "data/train", lists / "data"])
    assert (lists / "data/train/utt2spk").read_text() == "a a\n"
