"""The report's sections on words: error rates, where the errors are, and confusions."""

import re
from collections import Counter
from statistics import median, stdev

from steps.report.charts import interval_bar, length_bar
from steps.report.markup import breakable, el, join, table
from steps.score.bootstrap import sums_by

MAX_SETS = 8      # test sets that are shown in detail
MAX_SPEAKERS = 12
MAX_CONFUSIONS = 8
GROUP = re.compile(
    r"%WER (\S+) \[ \d+ / (\d+),.*\]  (?:95 % (\S+) to (\S+)  )?(.*), (\d+) utterances")
KINDS = {"substitution": "another word", "deletion": "missed", "insertion": "not said"}


def in_short(sets):
    """A card for each test set: its error rate with the system that was best before the test."""
    cards = []
    for one in sets:
        low, high = one.best.interval()
        cards.append(el(
            "li", el("strong", one.name), el("span", rate(one.best.wer), class_="big"),
            el("span", "of words wrong with ", one.best.name),
            el("span", f"95 % interval {low:.1f} to {high:.1f}", class_="soft")))
    return el("ul", *cards, class_="cards")


def word_errors(sets, tables):
    """All systems on all test sets.

    tables   [(title, rows of cells)] of steps/score/table.py
    """
    top = max(system.interval()[1] for one in sets for system in one.systems)
    parts = [how_to_read(sets)]
    if len(sets) > 1:
        parts += [el("h3", "By target"), by_target(sets)]
    parts += [join([el("h3", one.name), systems_table(one, top)]) for one in sets]
    for title, rows in tables:
        parts += [el("h3", title), table(rows[0], rows[1:], f"Comparison of {title}",
                                         range(1, len(rows[0])), wide=True)]
    return join(parts)


def how_to_read(sets):
    chosen = ("the best one on the development set" if all(one.by_dev for one in sets) else
              "the best one on the development set, or where there is none on the test set itself")
    return join([
        el("p", "WER, the word error rate, counts words that are wrong, missed or not said at all, "
           "in per cent of the words that were said: 0 is perfect, and 10 is an error in every "
           "tenth word."),
        el("details", el("summary", "What the other numbers mean"), el("dl", *(
            join([el("dt", name), el("dd", what)]) for name, what in (
                ("95 % interval", "where the WER would mostly lie on other utterances of the same "
                 "kind: the middle 95 % of 10,000 draws of as many utterances as there are "
                 "(bootstrap). Two systems whose intervals overlap may still differ clearly, "
                 "because both had the same utterances: for that there is p."),
                ("p", "how easily such draws would show no difference to the system that is "
                 "marked, or the opposite one (two-sided). Below 0.05, the one with the lower WER "
                 "is most likely better."),
                ("marked", f"{chosen}. The rest of this page looks at it."),
                ("CER", "the same as WER, counted in characters."),
                ("±", "the standard deviation of trainings from several random seeds; the WER is "
                 "then their mean."))))),
    ])


def by_target(sets):
    """Error rates of every system (a row) on every test set (a column)."""
    names = list(dict.fromkeys(system.name for one in sets for system in one.systems))
    found = [{system.name: system for system in one.systems} for one in sets]
    # What only one set has is in that set's own table.
    common = [name for name in names if sum(name in f for f in found) > 1] or names
    rows = []
    for name in common:
        rows.append([name, *(None if name not in f else
                             el("strong", f"{f[name].wer:.2f}") if f[name] is one.best
                             else f"{f[name].wer:.2f}"
                             for f, one in zip(found, sets, strict=True))])
    return table(["system", *(one.name for one in sets)], rows,
                 "WER in per cent; bold: the system marked in the tables below",
                 range(1, len(sets) + 1))


def systems_table(one, top):
    """The systems of a test set with their intervals on a scale from 0 to top."""
    rows = []
    for system in one.systems:
        low, high = system.interval()
        best, seeds = system is one.best, [seed.wer for seed in system.seeds]
        wer = f"{system.wer:.2f}" + (f" ± {stdev(seeds):.2f}" if len(seeds) > 1 else "")
        name = system.name + (f", {len(seeds)} seeds" if len(seeds) > 1 else "")
        rows.append([el("strong", breakable(name), "\N{NO-BREAK SPACE}◂") if best else name, wer,
                     interval_bar(system.wer, low, high, top, best), f"{low:.1f} to {high:.1f}",
                     "" if best else p_value(system.p(one.best)), f"{system.cer:.2f}"])
    return table(["system", "% WER", f"0 to {top:.0f} %", "95 % interval", "p", "% CER"], rows,
                 f"{one.name}: {one.num_utts} utterances, {one.num_words} words, "
                 f"{one.num_spks} {'speakers' if one.num_spks > 1 else 'speaker'}", (1, 3, 4, 5))


def p_value(p):
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def rate(wer):
    return f"{wer:.1f} %"


def read_groups(decoding):
    """{what the groups are: [(group, WER, low, high, words, utterances)]} where there are some.

    Those without a word to recognise are left out; of one utterance, low and high are the WER.
    """
    found = {}
    for path in sorted((decoding.path / "scoring").glob("by_*")):
        kind = path.name.removeprefix("by_")
        rows = [GROUP.fullmatch(line) for line in path.read_text("utf-8").splitlines()]
        rows = [row for row in rows if not row or int(row[2])]
        if len(rows) > 1 and all(rows):
            found[kind] = [(m[5].removeprefix(f"{kind} "), float(m[1]), float(m[3] or m[1]),
                            float(m[4] or m[1]), int(m[2]), int(m[6])) for m in rows]
    return found


def who(sets):
    """Error rates by group and by speaker; None where every test set has one speaker."""
    parts = []
    for one in sets[:MAX_SETS]:
        decoding = one.best.seeds[0]
        for kind, rows in read_groups(decoding).items():
            top = max(row[3] for row in rows)
            parts.append(table(
                [kind, "% WER", f"0 to {top:.0f} %", "95 % interval", "words"],
                [[group, f"{wer:.2f}", interval_bar(wer, low, high, top, best=True),
                  f"{low:.1f} to {high:.1f}" if utts > 1 else "", words]
                 for group, wer, low, high, words, utts in rows],
                f"{one.name}: by {kind}, with {one.best.looked_at}", (1, 3, 4)))
        if one.num_spks > 1:
            parts.append(_by_speaker(one, decoding))
    return el("div", *parts, class_="tables") if parts else None


def _by_speaker(one, decoding):
    names, sums = sums_by(decoding.spks, decoding.errors())
    rows = sorted(((100 * errors / max(1, words), name, words, errors)
                   for name, (words, errors) in zip(names, sums.tolist(), strict=True)),
                  key=lambda row: (-row[0], row[1]))
    shown, top = rows[:MAX_SPEAKERS], rows[0][0]
    caption = f"{one.name}: by speaker, with {one.best.looked_at}; the hardest first"
    if len(rows) > len(shown):
        caption += (f"; {len(shown)} of {len(rows)}, whose median is "
                    f"{median(row[0] for row in rows):.2f} %")
    return table(["speaker", "% WER", f"0 to {top:.0f} %", "errors", "words"],
                 [[name, f"{wer:.2f}", length_bar(wer, top), errors, words]
                  for wer, name, words, errors in shown], caption, (1, 3, 4))


def read_confusions(decoding):
    """{kind: Counter of (said, heard)} of <decode>/scoring/ops."""
    found = {kind: Counter() for kind in KINDS}
    for line in (decoding.path / "scoring/ops").read_text("utf-8").splitlines():
        row = line.split("\t")
        if len(row) == 4 and row[0] in found and row[3].isdecimal():
            found[row[0]][row[1], row[2]] += int(row[3])
    return found


def confusions(sets):
    """The most frequent substitutions, deletions and insertions of each test set."""
    parts = []
    for one in sets[:MAX_SETS]:
        found = read_confusions(one.best.seeds[0])
        total = sum(map(Counter.total, found.values()))
        parts += [el("h3", one.name), el("p", (
            f"{total} errors of {one.best.looked_at} in {one.num_words} words: "
            f"{found['substitution'].total()} taken for another word, "
            f"{found['deletion'].total()} missed, {found['insertion'].total()} not said.")
            if total else f"{one.best.looked_at} makes no error.")]
        parts.append(el("div", *(_confusion_list(kind, counts) for kind, counts in found.items()
                                 if counts), class_="columns"))
    return join(parts)


def _confusion_list(kind, counts):
    items = []
    for (said, heard), number in counts.most_common(MAX_CONFUSIONS):
        words = {"substitution": [el("bdi", said), el("span", " → ", aria_label="heard as"),
                                  el("bdi", heard)],
                 "deletion": [el("bdi", said)], "insertion": [el("bdi", heard)]}[kind]
        items.append(el("li", el("span", *words), el("span", f"{number} ×", class_="soft")))
    return el("div", el("h4", KINDS[kind].capitalize(), class_=kind[:3]),
              el("ol", *items, class_="counts"))
