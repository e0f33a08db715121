import itertools

import pytest

from steps.hmm.textgrid import covering, format_textgrid, without_overlap


def parse(text):
    """{tier: [(label, start, end)]} and the length: an independent reading of the long form."""
    lines = [line.strip() for line in text.splitlines()]
    assert lines[:3] == ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    assert lines[5:6] == ["tiers? <exists>"]

    def value(line, key):
        name, _, rest = line.partition(" = ")
        assert name == key, line
        if rest.startswith('"'):
            assert rest.endswith('"')
            assert rest[1:-1].replace('""', "").count('"') == 0
            return rest[1:-1].replace('""', '"')
        return float(rest)

    length, at = value(lines[4], "xmax"), 8
    assert value(lines[3], "xmin") == 0
    assert lines[7] == "item []:"
    tiers = {}
    for number in range(1, int(value(lines[6], "size")) + 1):
        assert lines[at] == f"item [{number}]:"
        assert value(lines[at + 1], "class") == "IntervalTier"
        name = value(lines[at + 2], "name")
        assert value(lines[at + 3], "xmin") == 0
        assert value(lines[at + 4], "xmax") == length
        count = int(value(lines[at + 5], "intervals: size"))
        at += 6
        tiers[name] = []
        for place in range(1, count + 1):
            assert lines[at] == f"intervals [{place}]:"
            tiers[name].append((value(lines[at + 3], "text"), value(lines[at + 1], "xmin"),
                                value(lines[at + 2], "xmax")))
            at += 4
    assert at == len(lines)
    for intervals in tiers.values():
        assert intervals[0][1] == 0
        assert intervals[-1][2] == length
        assert all(a[2] == b[1] for a, b in itertools.pairwise(intervals))
        assert all(start < end for _, start, end in intervals)
    return tiers, length


def test_is_read_back():
    words = [("say", 0.21, 0.5), ('"so"', 0.5, 0.75), ("naïve—한국", 0.8, 1.0)]
    tiers, length = parse(format_textgrid({"words": words, 'p"': [("a", 0.0, 1.2)]}, 1.2))
    assert length == 1.2
    assert list(tiers) == ["words", 'p"']
    assert tiers["words"] == [("", 0, 0.21), ("say", 0.21, 0.5), ('"so"', 0.5, 0.75),
                              ("", 0.75, 0.8), ("naïve—한국", 0.8, 1.0), ("", 1.0, 1.2)]
    assert tiers['p"'] == [("a", 0, 1.2)]


def test_a_tier_without_intervals_is_one_empty_interval():
    assert parse(format_textgrid({"words": []}, 2))[0] == {"words": [("", 0, 2)]}


def test_no_slivers_from_rounding():
    assert covering([("a", 0.0, 0.1 + 0.2), ("b", 0.3, 0.7)], 0.7000000001) == [
        ("a", 0.0, 0.1 + 0.2), ("b", 0.3, 0.7)]


@pytest.mark.parametrize("given,kept,lost", [
    ([("a", 0, 1), ("b", 1, 2)], [("a", 0, 1), ("b", 1, 2)], 0),
    ([("a", 0, 1), ("b", 0.5, 2)], [("a", 0, 1), ("b", 1, 2)], 0),
    ([("a", 0, 3), ("b", 1, 2), ("c", 2, 4)], [("a", 0, 3), ("c", 3, 4)], 1)])
def test_without_overlap(given, kept, lost):
    assert without_overlap(given) == (kept, lost)
