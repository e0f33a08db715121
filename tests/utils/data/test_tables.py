import pytest

from utils.data.tables import read_table, write_table
from utils.step import UserError


def test_reading_sorts_by_code_point_and_takes_tabs(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("\ufeffé x\r\nz\t y  y\nB b\na a\n".encode())
    assert list(read_table(path).items()) == [("B", "b"), ("a", "a"), ("z", "y  y"), ("é", "x")]


def test_write_then_read_is_the_same(tmp_path):
    write_table(tmp_path / "spk2utt", {"b": ["u3"], "a": ["u1", "u2"]})
    assert (tmp_path / "spk2utt").read_text() == "a u1 u2\nb u3\n"
    assert read_table(tmp_path / "spk2utt") == {"a": "u1 u2", "b": "u3"}


def test_a_line_end_in_a_row_is_not_written(tmp_path):
    """A folder may be called so, and the row after it would be a command that is run."""
    with pytest.raises(UserError, match=r"wav.scp: 'u1 /rec/a\\nu2 rm x |/b.wav' has a line end"):
        write_table(tmp_path / "wav.scp", {"u1": "/rec/a\nu2 rm x |/b.wav", "u3": "c.wav"})
    assert not (tmp_path / "wav.scp").exists()


@pytest.mark.parametrize(("data", "message"), [
    (b"a 1\n\nb 2\n", "text:2: empty line"),
    (b"a 1\nb\n", "text:2: b has no value"),
    (b"a 1\nb 2\na 1\n", "text:3: a is here twice"),
    ("a 1\né ".encode() + b"\xff\n", "text:2:4: byte 0xff is not UTF-8"),
])
def test_bad_lines_are_named(tmp_path, data, message):
    (tmp_path / "text").write_bytes(data)
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "text")


def test_a_directory_is_no_table(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_table(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        read_table(tmp_path / "text")
