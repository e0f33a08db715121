"""Praat's TextGrids, long and short."""

import pytest

from steps.hmm.textgrid import format_textgrid
from utils.data.textgrid import read_textgrid
from utils.step import UserError

SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
2
"IntervalTier"
"say ""what"""
0
2.5
2
0
1.25
"un, 2 <deux>"
1.25
2.5
""
"TextTier"
"clicks"
0
2.5
1
0.5
"x
y"
'''


def test_long_form_as_our_own_writer_has_it(tmp_path):
    path = tmp_path / "a.TextGrid"
    tiers = {"words": [("mano", 0.25, 0.75), ('with "quotes" 3', 1.0, 1.5)], "phones": []}
    path.write_text(format_textgrid(tiers, 2.0), "utf-8")
    words, phones = read_textgrid(path)
    assert (words.name, phones.name) == ("words", "phones")
    assert [(i.label, i.start, i.end) for i in words.intervals if i.label] == tiers["words"]
    line = path.read_text().splitlines()[words.intervals[1].line - 1]
    assert "mano" in line
    assert [(i.start, i.end, i.label) for i in phones.intervals] == [(0.0, 2.0, "")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_short_form_in_praats_encodings(tmp_path, encoding):
    path = tmp_path / "a.TextGrid"
    path.write_text(SHORT.replace("un,", "ñ,").replace("\n", "\r\n"), encoding, newline="")
    tier, points = read_textgrid(path)
    assert tier.name == 'say "what"'
    assert [i[:3] for i in tier.intervals] == [(0.0, 1.25, "ñ, 2 <deux>"), (1.25, 2.5, "")]
    assert [i[:3] for i in points.intervals] == [(0.5, 0.5, "x\ny")]


@pytest.mark.parametrize(("old", "new", "message"), [
    ('"clicks"\n', "", r":20: expected a text in quotes, got 0 \(open"),
    ('"x\ny"\n', "", ":2[56]: ends where a text in quotes is expected"),
    ('"x\ny"', '"x', ":2[56]: ends where a text in quotes"),
    ("1.25\n2.5\n", "1.25\n0.5\n", ":18: an interval from 1.25 s to 0.5 s"),
    ("1.25\n2.5\n", "1.25\n2.5.1\n", r":17: 2\.5\.1 is no number"),
    ("1.25\n2.5\n", "1.25\n1e999\n", ":17: 1e999 is no number"),
    ("<exists>\n2\n", "<exists>\n-2\n", ":7: expected a count, got -2"),
    ("<exists>\n2\n", "<exists>\n1e99\n", ":2[67]: ends where a text in quotes"),
    ("File type", "Fiel type", ":1: not a TextGrid"),
])
def test_a_file_that_is_not_whole_is_named_with_its_line(tmp_path, old, new, message):
    path = tmp_path / "a.TextGrid"
    assert old in SHORT
    path.write_text(SHORT.replace(old, new))
    with pytest.raises(UserError, match=message):
        read_textgrid(path)


def test_other_encodings_and_binary_files(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(SHORT.replace("un,", "ñ,").encode("latin-1"))
    with pytest.raises(UserError, match=r"a.TextGrid:15: not UTF-8 \(convert"):
        read_textgrid(path)
    path.write_bytes(b"ooBinaryFile\x08TextGrid")
    with pytest.raises(UserError, match="save it in Praat as a text file"):
        read_textgrid(path)
