from html.parser import HTMLParser

import pytest

from steps.report.markup import Html, el, join, table, text


def test_what_is_not_markup_is_escaped():
    made = el("p", "<b>", Html("<i>x</i>"), None, 3, class_="a\"b", hidden=True, title=None)
    assert made == '<p class="a&quot;b" hidden>&lt;b&gt;<i>x</i>3</p>'
    assert join(["<", Html("<br>")], " & ") == "&lt; &amp; <br>"
    assert el("meta", name="x", http_equiv="y") == '<meta name="x" http-equiv="y">'


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x85", "\ud800"])
def test_what_html_does_not_allow_is_replaced(character):
    assert text(f"a{character}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_letters_of_all_scripts_stay():
    persian = "می\N{ZERO WIDTH NON-JOINER}خواهم"
    assert text(f"né\tß\n{persian}") == f"né\tß\n{persian}"


def test_a_table_names_its_rows_and_columns():
    made = table(["system", "n"], [["<a>", 1]], "all", (1,))

    class Scopes(HTMLParser):
        found = ()

        def handle_starttag(self, tag, attributes):
            self.found += ((tag, dict(attributes).get("scope"), dict(attributes).get("class")),)

    parser = Scopes()
    parser.feed(made)
    assert [row for row in parser.found if row[0] in ("th", "td")] == [
        ("th", "col", None), ("th", "col", "n"), ("th", "row", None), ("td", None, "n")]
    assert "&lt;a&gt;" in made
