"""The report's section on networks made small: what steps/compress/benchmark.py measured."""

from steps.report.gather import find
from steps.report.listen import data_uri
from steps.report.markup import el, figure, join, table
from steps.report.runs import read_aligned

PICTURES = {"size.png": "Error against size: small and good is at the lower left.",
            "speed.png": "Error against speed: fast and good is at the lower right."}
MAX_BYTES = 500_000   # of a picture that goes into the page


def find_benchmarks(exp, skip=()):
    """Paths of benchmark.json, and of the table and the pictures beside them."""
    jsons = find(exp, "benchmark.json", skip)
    beside = [path.with_name(name) for path in jsons for name in ("benchmark.txt", *PICTURES)]
    return jsons, [path for path in beside if path.is_file()]


def benchmarks(exp, jsons):
    """Tables and pictures of each benchmark; None if there is none."""
    parts = []
    for path in jsons:
        name = str(path.parent.relative_to(exp))
        if len(jsons) > 1:
            parts.append(el("h3", name))
        if path.with_suffix(".txt").is_file():
            parts.append(_table(path.with_suffix(".txt"), f"Sizes, speeds and errors, {name}"))
        figures = []
        for picture, caption in PICTURES.items():
            file = path.with_name(picture)
            if file.is_file() and file.stat().st_size <= MAX_BYTES:
                figures.append(figure(el("img", src=data_uri(file.read_bytes(), "image/png"),
                                         alt=f"{caption[:-1]}, {name}. The numbers stand in the "
                                         "table above."), caption))
        parts.append(el("div", *figures, class_="grid"))
    if not parts:
        return None
    return join([el("p", "The same network in smaller forms, measured in one run: what is saved, "
                    "and what it costs in errors. x counts seconds of speech that are done in a "
                    "second: by the network alone on one core and on all, and with the search. MB "
                    "is the memory it needs; relative (in per cent) and p compare with the first "
                    "one."), *parts])


def _table(path, caption):
    """The table of a file; its lines as they are where they do not stand in columns."""
    head, *rows = read_aligned(path)
    if len(head) > 1 and not any("  " in cell for row in rows for cell in row):
        return table(head, rows, caption, range(1, len(head)), wide=True)
    return el("pre", path.read_text("utf-8"), tabindex="0", role="region", aria_label=caption)
