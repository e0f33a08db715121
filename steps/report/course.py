"""The report's sections on how it came about: training, learning curves, size, stages and steps."""

from steps.report.charts import length_bar, line_chart, ticks
from steps.report.markup import el, figure, join, table
from steps.report.runs import by_kind

MAX_NETWORKS = 24
MAX_KINDS = 12
MAX_COMMANDS = 300


def training(logs):
    """Loss over the epochs of each network; a line for each of its seeds.

    logs   of steps.report.runs.read_training_logs
    """
    figures = []
    for name, seeds in list(logs.items())[:MAX_NETWORKS]:
        series = [("training", [_point(row, "loss") for row in rows]) for rows in seeds]
        held_out = [[_point(row, "valid_loss") for row in rows if row["valid_loss"] is not None]
                    for rows in seeds]
        series += [("held-out speakers", curve) for curve in held_out if curve]
        last = seeds[0][-1]
        caption = [el("strong", name), f": {last['epoch']:g} epochs, "
                   f"{duration(sum(row['seconds'] for rows in seeds for row in rows))}"
                   + (f" for {len(seeds)} seeds" if len(seeds) > 1 else "")]
        if last["valid_accuracy"] is not None:
            caption.append(f"; at the end {100 * last['valid_accuracy']:.1f} % of held-out frames "
                           "are right")
        last_epoch = max(row["epoch"] for rows in seeds for row in rows)
        figures.append(figure(
            line_chart(series, "epoch", "loss, nats a frame", f"Loss of {name} over its epochs",
                       x_ticks=[x for x in ticks(0, last_epoch, 6) if 1 <= x <= last_epoch
                                and x == int(x)]), join(caption)))
    more = len(logs) - len(figures)
    return join([
        el("p", "A network learns by making its loss smaller, epoch after epoch. On speakers held "
           "out from training the loss should fall too: where it rises again while that of "
           "training falls, the network learns by heart. Training's own loss is measured on sound "
           "that was made harder, so it may lie above."),
        el("div", *figures, class_="grid"),
        el("p", f"{more} more networks are not drawn.", class_="soft") if more else None])


def _point(row, key):
    return row["epoch"], row[key], row[key], row[key]


def learning_curves(curves):
    """curves: [(title, unit, {system: [(amount, WER, low, high)]})]"""
    figures = []
    for title, unit, systems in curves:
        amounts = sorted({point[0] for curve in systems.values() for point in curve})
        figures.append(figure(
            line_chart(list(systems.items()), f"{unit} of speech to train on", "% WER",
                       f"WER against {unit} of training speech", log_x=len(amounts) > 1,
                       x_ticks=amounts), el("strong", title)))
    return join([el("p", "How many words are wrong after training on how much speech; bars go from "
                    "the best to the worst seed."), el("div", *figures, class_="grid")])


def what_ran(stages, steps):
    """Times of stages and of steps, and the commands."""
    parts = []
    if stages:
        top = max(stage.seconds for stage in stages)
        parts += [el("p", f"Stages of run.sh, {duration(sum(s.seconds for s in stages))} in all; "
                     "of a stage that ran several times, the sum."),
                  table(["stage", "what", "time", "", "runs"],
                        [[s.number, s.title, duration(s.seconds), length_bar(s.seconds, top),
                          s.runs] for s in stages], "Time of each stage", (2, 4))]
    if steps:
        kinds = by_kind(steps)
        top = kinds[0][2]
        shown = kinds[:MAX_KINDS]
        parts += [el("p", f"{len(steps)} steps made what is there now, in "
                     f"{duration(sum(ran.seconds for ran in steps))}."),
                  table(["step", "times", "time", ""],
                        [[name, number, duration(seconds), length_bar(seconds, top)]
                         for name, number, seconds in shown],
                        "Time by step" + (f", the longest {len(shown)} of {len(kinds)}"
                                          if len(kinds) > len(shown) else ""), (1, 2)),
                  _commands(steps)]
    return join(parts)


def _commands(steps):
    lines = [f"{ran.date}  {ran.seconds:8.1f} s  {ran.command}" for ran in steps[:MAX_COMMANDS]]
    if len(steps) > MAX_COMMANDS:
        lines.append(f"and {len(steps) - MAX_COMMANDS} more")
    return el("details", el("summary", "Every step's command"),
              el("pre", "\n".join(lines), tabindex="0", role="region",
                 aria_label="Commands of all steps"))


def duration(seconds):
    """850 ms as 1 s; 75 s as 1 min 15 s; 4000 s as 1 h 7 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{max(seconds, 0)} s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
