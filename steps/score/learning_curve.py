#!/usr/bin/env python3
"""Draw word error rates against how much there was to train on.

in   NAME:AMOUNT=<decode>[,<decode>...]   decode directories of one system trained on AMOUNT of
                                          speech, a seed each, scored by steps/score/score.py
out  <picture>          WER against the amount's logarithm; a line for each system, its mean over
                        seeds, with bars from the best to the worst seed
     <picture>.txt      the same numbers, and how much speech the other systems need for each WER,
                        straight between measured points

e.g. steps/score/learning_curve.py exp/learning_curve.png gmm:5=exp/5/tri3b/decode_test \\
       gmm:30=exp/30/tri3b/decode_test transfer:5=exp/5/tr/0/decode_test,exp/5/tr/1/decode_test
"""

import io
from pathlib import Path
from statistics import mean

import numpy as np

from steps.score.table import aligned
from steps.score.wer import read_summary
from utils.step import Step, UserError, write_atomic

COLORS = ("#4477aa", "#cc3311", "#228833", "#aa3377", "#ccbb44", "#66ccee", "#ee7733",
          "#777777")
MARKERS = "osD^vP*X"


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--unit", default="minutes", help="of the amounts (default minutes)")
    step.add("--title", default="")
    step.add("picture", help="PNG file to write")
    step.add("points", nargs="+", metavar="NAME:AMOUNT=DECODE,...")
    args = step.parse(argv)
    if not args.picture.lower().endswith(".png"):
        raise UserError(args.picture, "is no name of a picture", "name <picture>.png, then the "
                        "points")
    curves = read_curves(args.points)
    text = aligned(rows_of(curves, args.unit))
    print(text, end="")
    write_atomic(args.picture, picture(curves, args.unit, args.title))
    write_atomic(f"{args.picture}.txt", text)
    return step.finish(f"{args.picture}: {len(curves)} systems, {len(args.points)} points")


def read_curves(points):
    """{system: {amount: WERs of its seeds}}, amounts in order."""
    curves = {}
    for point in points:
        name, colon, rest = point.partition(":")
        amount, equals, decodes = rest.partition("=")
        try:
            amount = float(amount)
        except ValueError:
            amount = 0.0
        if not (name and colon and equals and decodes and 0 < amount < np.inf):
            raise UserError(point, "is no point", "expected NAME:AMOUNT=DECODE,DECODE")
        curve = curves.setdefault(name, {})
        if amount in curve:
            raise UserError(point, f"is the second point of {name} at {amount:g}",
                            "seeds of one point have commas between them")
        curve[amount] = [_wer(Path(d)) for d in decodes.split(",")]
    return {name: dict(sorted(curve.items())) for name, curve in curves.items()}


def rows_of(curves, unit):
    """Cells of the table: system, amount, mean WER, the seeds', and what the others need for it."""
    head = ["system", unit, "%WER", "seeds", *(f"{unit} {name} needs" for name in curves)]
    rows = [head]
    for name, curve in curves.items():
        for amount, wers in curve.items():
            needs = ["" if other == name else _shown(amount_for(mean(wers), curves[other]))
                     for other in curves]
            seeds = " ".join(f"{wer:.2f}" for wer in wers) if len(wers) > 1 else ""
            rows.append([name, f"{amount:g}", f"{mean(wers):.2f}", seeds, *needs])
    return rows


def amount_for(wer, curve):
    """(sign, amount) at which a curve first reaches a WER, straight between its points.

    Amounts are taken by their logarithms. Sign is "<" where the curve is there from the beginning,
    ">" where it never comes there: then the amount is the end of the curve.
    """
    amounts, wers = list(curve), [mean(values) for values in curve.values()]
    if wers[0] <= wer:
        return "<", amounts[0]
    for (a, high), (b, low) in zip(zip(amounts, wers, strict=True),
                                   zip(amounts[1:], wers[1:], strict=True), strict=False):
        if low <= wer:
            share = (high - wer) / (high - low)
            return "", float(np.exp(np.log(a) + share * np.log(b / a)))
    return ">", amounts[-1]


def picture(curves, unit, title):
    """The bytes of a PNG."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axis = pyplot.subplots(figsize=(6.4, 4.4), layout="constrained")
    for number, (name, curve) in enumerate(curves.items()):
        means = np.array([mean(wers) for wers in curve.values()])
        bars = [means - [min(wers) for wers in curve.values()],
                [max(wers) for wers in curve.values()] - means]
        axis.errorbar(list(curve), means, yerr=bars, label=as_it_is(name), capsize=3,
                      color=COLORS[number % len(COLORS)], marker=MARKERS[number % len(MARKERS)])
    amounts = sorted({amount for curve in curves.values() for amount in curve})
    if len(amounts) > 1:
        axis.set_xscale("log")
    axis.set_xticks(amounts, [f"{amount:g}" for amount in amounts])
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
    axis.set_xlabel(as_it_is(f"{unit} of speech to train on"))
    axis.set_ylabel("word error rate, %")
    axis.set_title(as_it_is(title))
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=120, metadata={"Software": None})
    pyplot.close(figure)
    return png.getvalue()


def as_it_is(text):
    """A text for matplotlib, to which what stands between dollars is a formula."""
    return text.replace("$", r"\$")


def _shown(needed):
    sign, amount = needed
    return f"{sign}{amount:.3g}"


def _wer(decode):
    return read_summary(decode)["wer"]["percent"]


if __name__ == "__main__":
    raise SystemExit(main())
