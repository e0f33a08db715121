"""Rules of normalisation, and the step that applies them to a data directory."""

import pytest

from utils.data.datadir import DataDir
from utils.data.normalise import normalise, parse_rules
from utils.data.normalise_text import main
from utils.step import UserError


def words(text, *rules):
    return normalise(text, parse_rules(rules, "n.tsv"))[0]


@pytest.mark.parametrize(("rule", "text", "expected"), [
    ("unicode\tNFC", "cafe\u0301", "caf\u00e9"),
    ("unicode\tNFD", "caf\u00e9", "cafe\u0301"),
    ("unicode\tNFKC", "ﬁn", "fin"),
    ("case\tlower", "ÀÉ İI", "àé i\u0307i"),
    ("case\tlower\ttr", "ISI İYİ", "ısı iyi"),
    ("case\tupper", "straße", "STRASSE"),
    ("case\tupper", "\u0390", "\u03aa\u0301"),        # composed it was, and is
    ("case\tupper", "a\u0301", "A\u0301"),
    ("map\t’\t'", "l’eau", "l'eau"),
    ("map\tMr.\tmister", "Mr. A", "mister A"),
    ("map\t#", "a # b", "a b"),
    ("regex\t\\[[^]]*\\]\t ", "a[noise]b [x] c", "a b c"),
    ("regex\t(\\w)\\1\t\\1", "aabb", "ab"),
    ("space\t-–", "a-b–c", "a b c"),
    ("remove\t.,", "a.b, c", "ab c"),
    ("edge\t'", "'tis 'a' rock'n'roll", "tis a rock'n'roll"),
    ("reject\t[0-9]", "room 12", ""),
    ("reject\t[0-9]", "room", "room"),
])
def test_each_rule(rule, text, expected):
    assert words(text, rule) == expected


def test_rules_go_from_top_to_bottom():
    text = "  Dr. M’Bo —12% "
    assert words(text, "# comment", "", "case\tlower", "map\tdr.\tdoctor", "map\t%\t per cent",
                 "map\t’\t'", "map\t12\ttwelve", "space\t—") == "doctor m'bo twelve per cent"
    rejected, rule = normalise("x 1", parse_rules(["case\tlower", "reject\t\\d"], "n.tsv"))
    assert rejected == "" and rule.where == "n.tsv:2"


@pytest.mark.parametrize(("line", "message"), [
    ("lower", r"n.tsv:2: no rule 'lower' \(one of unicode case map"),
    ("case lower", r"n.tsv:2: no rule 'case' .*tabs between"),
    ("case\tLower", "n.tsv:2: case with"),
    ("unicode\tNFX", "n.tsv:2: unicode with"),
    ("space", "n.tsv:2: space with"),
    ("map\ta\tb\tc", "n.tsv:2: map with"),
    ("regex\t[", r"n.tsv:2: \[ is no regular expression"),
    ("regex\ta\t\\2", "n.tsv:2: a is no regular expression, invalid group"),
])
def test_wrong_rules_are_named_with_their_line(line, message):
    with pytest.raises(UserError, match=message):
        parse_rules(["case\tlower", line], "n.tsv")


def test_a_data_directory(tiny_copy, tmp_path, capsys):
    source, rules = tiny_copy / "data/train", tmp_path / "normalise.tsv"
    lines = (source / "text").read_text().splitlines()
    lines[0], lines[1] = "ana-001 Fasi, MANO!", "ana-002 room 12"
    (source / "text").write_text("\n".join([*lines[:-1], lines[-1].split()[0]]) + "\n")
    rules.write_text("case\tlower\nspace\t,!\nreject\t\\d\n")
    assert main([rules, source, tmp_path / "all"]) == 0
    data = DataDir(tmp_path / "all")
    assert len(data.utts) == 38 and data.text["ana-001"] == "fasi mano"
    assert "ana-002" not in data.wav_scp
    left_out = (tmp_path / "all/left_out.tsv").read_text().splitlines()
    assert left_out == [f"ana-002\t{rules}:3 reject\troom 12", f"{lines[-1].split()[0]}\tempty\t"]
    table = [line.split("\t") for line in
             (tmp_path / "all/characters.tsv").read_text().splitlines()]
    letters = "".join(data.text.values()).replace(" ", "")
    assert {row[0]: int(row[1]) for row in table[1:]} == {c: letters.count(c) for c in set(letters)}
    rows = {row[0]: row[2:] for row in table}
    assert rows["m"] == ["U+006D", "LATIN SMALL LETTER M", next(
        utt for utt in data.utts if "m" in data.text[utt])]
    capsys.readouterr()
    main([rules, source, tmp_path / "all"])
    assert "up to date" in capsys.readouterr().err
    rules.write_text("remove\tabcdefghijklmnopqrstuvwxyzFAMNOI 12,!\n")
    with pytest.raises(UserError, match="leaves no word of any utterance"):
        main([rules, source, tmp_path / "all"])
    assert DataDir(tmp_path / "all").text["ana-001"] == "fasi mano"
    with pytest.raises(UserError, match="both source and destination"):
        main([rules, source, source])


def test_plain_text(tmp_path):
    (tmp_path / "n.tsv").write_text("case\tlower\nreject\t\\d\n")
    (tmp_path / "a.txt").write_text("One  Two\n3 four\n\nFive\n")
    assert main(["--plain-text", tmp_path / "n.tsv", tmp_path / "a.txt", tmp_path / "lm/b"]) == 0
    assert (tmp_path / "lm/b").read_text() == "one two\nfive\n"
