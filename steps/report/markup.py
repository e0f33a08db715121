"""HTML and SVG as text that is safe to put together: what is not markup yet is escaped.

    el("p", "a < b", class_="note")   <p class="note">a &lt; b</p>
"""

import re
from html import escape

_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")   # not allowed in HTML
VOID = {"br", "hr", "img", "link", "meta", "wbr"}


class Html(str):
    """Text that is markup already."""


def text(value):
    """A value as markup: escaped, unless it is Html; None is nothing."""
    if value is None:
        return Html("")
    if isinstance(value, Html):
        return value
    return Html(escape(_NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", str(value))))


def join(values, between=""):
    """Values one after the other, as markup."""
    return Html(text(between).join(text(value) for value in values))


def el(tag, /, *children, **attributes):
    """An element. Attributes: class_ is class, aria_label is aria-label, None is left out."""
    start = tag
    for key, value in attributes.items():
        if value is not None and value is not False:
            key = key.rstrip("_").replace("_", "-")
            start += f' {key}="{text(value)}"' if value is not True else f" {key}"
    return Html(f"<{start}>" if tag in VOID else f"<{start}>{join(children)}</{tag}>")


def table(head, rows, caption, numeric=(), wide=False):
    """A table in a region that scrolls on its own where the page is narrow.

    head      names of the columns;  rows  lists of cells, the first one naming its row
    numeric   indices of the columns of numbers
    """
    def cells(row, first, other):
        return join(el(first if i == 0 else other, breakable(cell) if i == 0 else cell,
                       scope=("row" if other == "td" else "col") if i == 0 or other == "th"
                       else None, class_="n" if i in numeric else None)
                    for i, cell in enumerate(row))

    made = el("table", el("thead", el("tr", cells(head, "th", "th"))),
              el("tbody", join((el("tr", cells(row, "th", "td")) for row in rows), "\n")),
              class_="wide" if wide else None, aria_label=caption)
    # The caption stands before what scrolls, or it would be as wide as the table.
    return el("div", el("p", caption, class_="caption"),
              el("div", made, class_="scroll", role="region", tabindex="0", aria_label=caption))


def breakable(name):
    """A path that may go on in the next line after a slash."""
    return name if isinstance(name, Html) else join(str(name).split("/"), Html("/<wbr>"))


def figure(picture, caption):
    """A picture with what it shows."""
    return el("figure", picture, el("figcaption", caption))
