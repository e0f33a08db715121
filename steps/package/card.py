"""The card: what a package was made from, how well it hears, and what to be careful about."""

import time
from pathlib import Path

from steps.score.wer import read_summary
from utils.data.tables import read_lines
from utils.step import VERSION


def card_of(plan, made_of):
    """The dict of card.json.

    plan     contents.Plan;  made_of  {"bytes": {part: bytes}}
    """
    args, config = plan.args, plan.config
    card = {"name": args.name or Path(args.package).name, "language": args.language,
            "corpus": args.corpus, "licence": args.licence,
            "about": "\n".join(read_lines(args.about)) if args.about else "",
            "date": time.strftime("%Y-%m-%d"), "version": VERSION,
            "network": {k: config.get(k) for k in ("arch", "num_params", "macs_per_second",
                                                   "num_pdfs", "subsampling")},
            "features": {k: plan.front_end["feats"][k] for k in
                         ("kind", "feat_dim", "sample_rate", "frame_shift")},
            "cmvn": plan.front_end["cmvn"], "compressed": plan.compress,
            "search": {**plan.search, "wip": plan.wip}, **made_of,
            "adaptable": plan.trainable is not None,
            "wer": [row for decode in args.decode for row in wer_rows(decode)]}
    return {**card, "warnings": warnings(plan, card)}


def wer_rows(decode):
    """[{"set", "group", "wer", "words", "low", "high"}] of a scored decode directory.

    Groups are those of scoring/by_*, whose lines read `%WER 9.87 [ 76 / 770, ... ]  95 % 7.09 to
    12.96  accent fr, 120 utterances`; those without a word, or of one utterance, are left out.
    """
    scoring = Path(decode) / "scoring"
    whole = read_summary(decode)["wer"]
    low, high = whole["interval"]
    rows = [{"set": str(decode), "group": "all", "wer": round(whole["percent"], 2),
             "words": whole["words"], "low": round(low, 2), "high": round(high, 2)}]
    for path in sorted(scoring.glob("by_*")):
        for line in path.read_text("utf-8").splitlines():
            fields = line.split()
            if not {"]", "%"} <= set(fields) or fields[0] != "%WER" or fields[1] == "nan":
                continue
            at = fields.index("%")
            rows.append({"set": str(decode),
                         "group": " ".join(fields[at + 4:]).rsplit(",", 1)[0],
                         "wer": float(fields[1]), "words": int(fields[5].rstrip(",")),
                         "low": float(fields[at + 1]), "high": float(fields[at + 3])})
    return rows


def warnings(plan, card):
    """What a user must know, one sentence each."""
    found = [*_of_gates(plan.compress)]
    if not card["wer"]:
        found.append("No word error rate was given.")
    if not card["licence"]:
        found.append("No licence was given: ask who made the package before passing it on.")
    return found


def _of_gates(compress):
    """Warnings of what compressing cost, and of the steps before that made the network smaller."""
    for step in (*compress.get("earlier", []), compress):
        gate, last = step.get("gate") or {}, step is compress
        if gate.get("passed") is False:
            which = ("This network was kept although compressing it" if last else
                     f"What this network was made of was kept although {step['method']}.py")
            yield (f"{which} cost more than allowed: WER {gate['wer']:.2f} % on "
                   f"{gate.get('dev', 'its development set')}, {gate['baseline']:.2f} % before, "
                   f"{gate['allowed']:.2f} % allowed.")
        elif step and gate.get("passed") is None:
            which = "compressing this network" if last else f"{step['method']}.py, before,"
            yield f"Nobody has measured what {which} cost: the gate was not run."


def render(card):
    """README.md of a card."""
    lines = [f"# {card['name']}", "", "An offline speech recogniser, made by Graft "
             f"{card['version']} on {card['date']}.", ""]
    lines += [f"> **{warning}**\n" for warning in card["warnings"]]
    lines += [f"- {title}: {card[key]}" for title, key in
              (("Language", "language"), ("Corpus", "corpus"), ("Licence", "licence"))
              if card[key]]
    network = card["network"]
    lines += [f"- Network: {network['arch']}, {network['num_params']:,} parameters"
              if network["num_params"] else f"- Network: {network['arch']}",
              "- Bytes: " + ", ".join(f"{name} {size:,}" for name, size in card["bytes"].items()),
              "- Can be adapted to other languages and accents: "
              + ("yes, see steps/package/check_adaptable.py" if card["adaptable"] else "no")]
    if card.get("speed"):
        lines.append("- Speed: {times_real_time:g} times faster than real time on one core, "
                     "{memory_mb:g} MB, over {seconds:g} s of sound, start included".format(
                         **card["speed"]))
    if card["about"]:
        lines += ["", card["about"].strip()]
    if card["wer"]:
        lines += ["", "| set | group | WER % | 95 % interval | words |", "|---|---|---|---|---|"]
        lines += [f"| {r['set']} | {r['group']} | {r['wer']:.2f} | {r['low']:.2f} to "
                  f"{r['high']:.2f} | {r['words']} |" for r in card["wer"]]
        together = ", with CMVN over all that a speaker says" * (card["cmvn"] == "speaker")
        lines += ["", f"These are steps/decode's{together}. transcribe.py hears each file by "
                  "itself, with beam {beam:g} and {max_active} tokens at most, and may make some "
                  "more errors.".format(**card["search"])]
    lines += ["", "```bash", "steps/package/transcribe.py <this folder or its zip> talk.wav",
              "```"]
    return "\n".join(lines) + "\n"
