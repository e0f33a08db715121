"""Pictures of what a saving costs: word errors against size or speed, with the Pareto front."""


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
    for number, (name, point) in enumerate(zip(names, points, strict=True)):
        color = "#cc3311" if number == 0 else "#4477aa"
        filled = color if number in on_front else "white"
        axis.scatter(*point, color=filled, edgecolors=color, zorder=2)
        # Names of neighbours would lie on each other.
        above = _rank(points, number) % 2 == 0
        axis.annotate(name, point, (4, 5 if above else -5), textcoords="offset points",
                      fontsize=8, va="bottom" if above else "top")
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
    figure.savefig(path, dpi=120, metadata={"Software": None})
    pyplot.close(figure)


def _rank(points, number):
    return sorted(range(len(points)), key=lambda i: points[i]).index(number)
