"""Praat's TextGrid, long text form (Praat manual, "TextGrid file formats")."""


def format_textgrid(tiers, length):
    """The file's text.

    tiers   {name: [(label, start s, end s)]}, intervals in order and without overlap; what they
            leave open becomes empty intervals
    length  seconds
    """
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0",
             f"xmax = {_seconds(length)}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers.items(), 1):
        intervals = covering(intervals, length)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"',
                  f"        name = {_quoted(name)}", "        xmin = 0",
                  f"        xmax = {_seconds(length)}",
                  f"        intervals: size = {len(intervals)}"]
        for place, (label, start, end) in enumerate(intervals, 1):
            lines += [f"        intervals [{place}]:", f"            xmin = {_seconds(start)}",
                      f"            xmax = {_seconds(end)}",
                      f"            text = {_quoted(label)}"]
    return "\n".join(lines) + "\n"


def covering(intervals, length):
    """The intervals with empty ones between them, from 0 to length without a gap."""
    result, at = [], 0.0
    for label, start, end in [*intervals, (None, length, length)]:
        if _seconds(start) != _seconds(at):
            result.append(("", at, start))
        if label is not None:
            result.append((label, start, end))
            at = end
    return result


def without_overlap(intervals):
    """Intervals in order, each begun no earlier than the one before ends; and how many are lost."""
    result, at, lost = [], 0.0, 0
    for label, start, end in intervals:
        start = max(start, at)
        if end - start < 1e-6:
            lost += 1
            continue
        result.append((label, start, end))
        at = end
    return result, lost


def _seconds(value):
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _quoted(text):
    return '"' + text.replace('"', '""') + '"'
