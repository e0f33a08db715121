"""Charts as SVG whose colours are the page's, so that they follow light and dark.

A chart is 360 units wide, as a phone is: letters stay legible there, and elsewhere it grows.
Series differ in colour and in the form of their points.
"""

import math

from steps.report.markup import el, join

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 40
NUM_COLOURS = 6


def line_chart(series, x_label, y_label, description, log_x=False, x_ticks=None):
    """Curves, with bars where points have a range, and a legend below.

    series   [(name, [(x, y, low, high)])]; series of the same name look alike
    """
    points = [point for _, curve in series for point in curve]
    xs = [math.log(x) if log_x else x for x, *_ in points]
    low_y, high_y = min(p[2] for p in points), max(p[3] for p in points)
    y_ticks = ticks(0 if low_y < 0.5 * high_y and low_y >= 0 else low_y, high_y)
    ends = min(x for x, *_ in points), max(x for x, *_ in points)
    x_ticks = x_ticks or [x for x in ticks(*ends, 6) if ends[0] <= x <= ends[1]]
    to_x = scale(min(xs), max(xs), LEFT + 4, WIDTH - RIGHT - 4)
    to_y = scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    place = (lambda x: to_x(math.log(x))) if log_x else to_x
    parts = [_axes(x_ticks, y_ticks, place, to_y, x_label, y_label)]
    names = list(dict.fromkeys(name for name, _ in series))
    for name, curve in series:
        look = names.index(name) % NUM_COLOURS
        at = [(place(x), to_y(y), to_y(low), to_y(high)) for x, y, low, high in curve]
        parts.append(el("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y, *_ in at),
                        class_=f"line c{look}"))
        parts += [el("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=f"{a:.1f}", y2=f"{b:.1f}",
                     class_=f"bar c{look}") for x, _, a, b in at if abs(a - b) > 0.5]
        if len(at) <= 40:
            parts += [marker(x, y, look) for x, y, *_ in at]
    picture = el("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img",
                 aria_label=description, class_="chart")
    return join([picture, legend(names) if len(names) > 1 else None])


def legend(names):
    """The names of series with their colours and points."""
    return el("ul", *(el("li", el("svg", el("line", x1=0, x2=22, y1=7, y2=7,
                                            class_=f"line c{i % NUM_COLOURS}"),
                                  marker(11, 7, i % NUM_COLOURS), viewBox="0 0 22 14",
                                  aria_hidden="true"), name)
                      for i, name in enumerate(names)), class_="legend")


def interval_bar(value, low, high, top, best=False):
    """A value and its interval on a scale from 0 to top, to stand in a table's cell."""
    to_x = scale(0, top, 4, 156)
    at = [f"{to_x(min(v, top)):.1f}" for v in (value, low, high)]
    look = "c0" if best else "c5"
    return el("svg", el("line", x1=4, x2=156, y1=10, y2=10, class_="grid"),
              el("line", x1=at[1], x2=at[2], y1=10, y2=10, class_=f"range {look}"),
              el("circle", cx=at[0], cy=10, r=4.5, class_=f"dot {look}"),
              viewBox="0 0 160 20", class_="interval", aria_hidden="true")


def length_bar(value, top):
    """A bar whose length says how large a value is, to stand in a table's cell."""
    return el("svg", el("rect", x=0, y=3, width=f"{max(1, 120 * value / (top or 1)):.1f}",
                        height=10, rx=2, class_="dot c0"),
              viewBox="0 0 120 16", class_="length", aria_hidden="true")


def marker(x, y, look):
    """A series' point: circle, square, triangle, diamond, its reverse or cross."""
    if look == 0:
        return el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3.2, class_="dot c0")
    forms = {1: "-3 -3 6 0 0 6 -6 0", 2: "0 -4 4 7 -8 0", 3: "0 -4 4 4 -4 4 -4 -4",
             4: "0 4 4 -7 -8 0", 5: "-4 -1 3 0 0 -3 2 0 0 3 3 0 0 2 -3 0 0 3 -2 0 0 -3 -3 0"}
    dx, dy, *rest = forms[look].split()
    moves = " ".join(f"l{a} {b}" for a, b in zip(rest[::2], rest[1::2], strict=True))
    return el("path", d=f"M{x + float(dx):.1f} {y + float(dy):.1f} {moves}z",
              class_=f"dot c{look}")


def ticks(low, high, count=5):
    """Round numbers from at most low to at least high, about count of them."""
    span = (high - low) or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(span / count))
    step *= next((f for f in (1, 2, 5) if span / (step * f) <= count), 10)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


def scale(low, high, start, end):
    """The function that takes low to start and high to end, straight."""
    span = (high - low) or 1.0
    return lambda value: start + (end - start) * (value - low) / span


def _axes(x_ticks, y_ticks, place, to_y, x_label, y_label):
    parts = []
    for value in y_ticks:
        y = f"{to_y(value):.1f}"
        parts += [el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"),
                  el("text", f"{value:g}", x=LEFT - 6, y=y, class_="tick y")]
    last = -math.inf
    for value in x_ticks:
        x = place(value)
        if x - last >= 26:   # a number's width
            parts.append(el("text", f"{value:g}", x=f"{x:.1f}", y=HEIGHT - BOTTOM + 15,
                            class_="tick x"))
            last = x
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return join([*parts, el("text", x_label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6,
                            class_="label"),
                 el("text", y_label, x=11, y=middle, transform=f"rotate(-90 11 {middle})",
                    class_="label")])
