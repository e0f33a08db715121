import pytest

from egs.english.local import merge_lexica
from utils.step import UserError


def test_pronunciations_of_both_each_once(tmp_path):
    (tmp_path / "a").write_text("ONE\tW AH N\nTWO  T UW\n")
    (tmp_path / "b").write_text("TWO T UW\nTWO T AH\nZEBRA Z\n")
    merge_lexica.main([tmp_path / "data/lexicon.txt", tmp_path / "a", tmp_path / "b"])
    assert (tmp_path / "data/lexicon.txt").read_text().splitlines() == [
        "ONE W AH N", "TWO T UW", "TWO T AH", "ZEBRA Z"]


def test_a_lexicon_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="b: no such file"):
        merge_lexica.main([tmp_path / "lexicon.txt", tmp_path / "b"])
    assert not (tmp_path / "lexicon.txt").exists()
