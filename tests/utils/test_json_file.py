import json
import pickle

import pytest

from utils.json_file import read_json
from utils.step import UserError


def test_an_object(tmp_path):
    (tmp_path / "a.json").write_text('{"name": "é"}', "utf-8")
    assert read_json(tmp_path / "a.json") == {"name": "é"}


@pytest.mark.parametrize(("content", "told"), [
    (b"{", "is damaged, no JSON ("), (b"\x80\xff", "is damaged, no JSON ("),
    (b"[1]", "is damaged, no JSON object"), (b"", "is damaged, no JSON (")])
def test_damage_is_one_line(tmp_path, content, told):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as ended:
        read_json(path, "fetch it again")
    assert str(ended.value).split(": ", 1)[1].startswith(f"{path}: {told}")
    assert str(ended.value).endswith("(fetch it again)") and "\n" not in str(ended.value)


@pytest.mark.parametrize(("content", "lacking"), [
    ("{}", "wer"), ('{"wer": {"errors": 1}}', "words"), ('{"wer": {"Words": 3}}', "words")])
def test_what_lacks_a_key_is_damaged(tmp_path, content, lacking):
    path = tmp_path / "a.json"
    path.write_text('{"wer": {"words": 3}}')
    assert read_json(path)["wer"]["words"] == 3
    path.write_text(content)
    found = read_json(path, "score")
    assert found.get(lacking) is None and lacking not in found
    with pytest.raises(UserError, match=rf"a\.json: is damaged, it has no {lacking} \(score\)"):
        assert found["wer"]["words"]


def test_an_object_can_be_copied_and_written(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"wer": {"words": 3}}')
    copy = pickle.loads(pickle.dumps(read_json(path)))
    assert json.loads(json.dumps(copy)) == {"wer": {"words": 3}}


def test_what_is_not_there_or_no_file(tmp_path):
    with pytest.raises(UserError, match=r"a\.json: not scored yet \(score it\)"):
        read_json(tmp_path / "a.json", "score it", "not scored yet")
    with pytest.raises(UserError, match="cannot be read, is a directory"):
        read_json(tmp_path)
