"""The page around the report's sections: head, contents, style."""

import base64
import hashlib
from pathlib import Path

from steps.report.markup import Html, el, join

CSS = Path(__file__).with_name("page.css")
# Nothing is fetched and nothing runs; the one style is known by its hash.
POLICY = ("default-src 'none'; img-src data:; media-src data:; style-src 'sha256-{}'; "
          "base-uri 'none'; form-action 'none'")


def page(title, lead, cards, sections, missing, made):
    """The whole document.

    lead      sentences under the title
    cards     markup, or None
    sections  [(id, heading, markup)];  missing  sentences on what is not there
    made      the last line
    """
    style = CSS.read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    if missing:
        sections = [*sections, ("missing", "Not in this report",
                                el("ul", *(el("li", sentence) for sentence in missing)))]
    contents = el("nav", el("ul", *(el("li", el("a", heading, href=f"#{name}"))
                                    for name, heading, _ in sections)), aria_label="Contents")
    head = el("head", el("meta", charset="utf-8"),
              el("meta", http_equiv="Content-Security-Policy", content=POLICY.format(digest)),
              el("meta", name="viewport", content="width=device-width, initial-scale=1"),
              el("meta", name="color-scheme", content="light dark"),
              # An icon of nothing, so that no browser asks a server for one.
              el("link", rel="icon", href="data:,"),
              el("title", title), el("style", Html(style)))
    body = el("body", el("header", el("h1", title), el("p", lead), cards, contents),
              el("main", join((el("section", el("h2", heading, id=f"{name}-title"), content,
                                  id=name, aria_labelledby=f"{name}-title")
                               for name, heading, content in sections), "\n")),
              el("footer", el("p", made)))
    return f"<!DOCTYPE html>\n{el('html', head, Html(chr(10)), body, lang='en')}\n"
