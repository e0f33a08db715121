"""Pictures of what a saving costs: word errors against size or speed, with the Pareto front."""

from steps.score.learning_curve import as_it_is


def front(points, larger_is_better=False):
    """Those points that no other is at least as good as in both ways, by the first number.

    points   [(x, y)], of which the lower y is the better, and the lower x unless said otherwise
    returns  indices into points
    """
    sign = -1 if larger_is_better else 1
    best, chosen = float("inf"), []
    for index in sorted(range(len(points)), key=lambda i: (sign * points[i][0], points[i][1])):
        if points[index][1] < best:
            best = points[index][1]
            chosen.append(index)
    return sorted(chosen, key=lambda i: points[i][0])


def draw(path, names, points, label, larger_is_better=False):
    """Write a picture of named points (x, WER in percent)."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axis = pyplot.subplots(figsize=(7.2, 4.8), layout="constrained")
    on_front = front(points, larger_is_better)
    axis.plot(*zip(*(points[i] for i in on_front), strict=True), color="#bbbbbb", zorder=1,
              label="Pareto front")
    for number, point in enumerate(points):
        color = "#cc3311" if number == 0 else "#4477aa"
        filled = color if number in on_front else "white"
        axis.scatter(*point, color=filled, edgecolors=color, zorder=2)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda x, _: f"{x:g}"))
    axis.xaxis.set_minor_formatter(matplotlib.ticker.FuncFormatter(
        lambda x, _: f"{x:g}" if f"{x:.0e}"[0] in "25" else ""))
    axis.margins(x=0.15, y=0.15)
    axis.set_xlabel(label)
    axis.set_ylabel("word error rate, %")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    figure.canvas.draw()
    write_names(axis, names, points)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    pyplot.close(figure)


def write_names(axis, names, points):
    """Write each name next to its point, where it lies on no other name and on no point.

    Where all places at hand are taken it goes further away, on a thin line; if there is none, it
    lies on the least.
    """
    places = [(x, y, far * dx, far * dy)
              for far in (1, 2.5, 4, 6) for dx, dy, x, y in (
                  (5, 5, "left", "bottom"), (5, -5, "left", "top"), (-5, 5, "right", "bottom"),
                  (-5, -5, "right", "top"), (0, 8, "center", "bottom"), (0, -8, "center", "top"))]
    pixels = axis.transData.transform(points)
    taken = []
    for name, point in zip(names, points, strict=True):
        tried = []
        for x, y, *offset in places:
            text = axis.annotate(as_it_is(name), point, offset, textcoords="offset points",
                                 fontsize=8, ha=x, va=y)
            box = text.get_window_extent()
            hits = box.count_contains(pixels) + box.count_overlaps(taken) + \
                4 - axis.bbox.count_contains(box.corners())
            tried.append((hits, len(tried), text, box))
            if not hits:
                break
        _, place, text, box = min(tried)
        taken.append(box)
        for _, _, other, _ in tried:
            if other is not text:
                other.remove()
        if place >= len(places) / 4:
            axis.annotate("", point, places[place][2:], textcoords="offset points", zorder=0,
                          arrowprops={"arrowstyle": "-", "color": "#bbbbbb"})
