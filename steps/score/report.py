"""What a scoring says of the setting chosen: <decode>/scoring and the lines best_wer, best_cer."""

import json

from steps.score import details
from steps.score.bootstrap import interval, sums_by
from steps.score.hypotheses import read_groups
from steps.score.wer import SCLITE, count_all, error_line, operations, percent, total


class Scored:
    """Counts at one setting. texts {utt: words}; words, chars {utt: Counts}."""

    def __init__(self, setting, texts, words, chars):
        self.setting, self.texts, self.words, self.chars = setting, texts, words, chars

    def counts(self, name):
        return total((self.words if name == "wer" else self.chars).values())


def choose(errors):
    """The setting with the fewest errors; of several the middle one, by penalty and LM weight.

    errors   {(LM weight, penalty): errors}
    """
    fewest = min(errors.values())
    equals = sorted((float(wip), lmwt, wip) for (lmwt, wip), n in errors.items() if n == fewest)
    _, lmwt, wip = equals[(len(equals) - 1) // 2]
    return lmwt, wip


def best_lines(scored, name, decode, on_dev, dev):
    """Lines of best_wer or best_cer and the settings they are of, the one to go by first.

    scored   {setting: Scored}
    name     "wer" or "cer"
    on_dev   {setting: errors} on the decode directory dev; {} without one
    """
    choices = [(choose(on_dev), f"chosen on {dev}")] if on_dev else []
    choices.append((choose({s: scored[s].counts(name).errors for s in scored}),
                    "chosen on the scored set itself, as Kaldi's scripts do"))
    lines = [f"{error_line(scored[s].counts(name), name.upper())} {decode}/{name}_{s[0]}_{s[1]}"
             f"  LM weight {s[0]}, insertion penalty {s[1]}: {why}\n" for s, why in choices]
    return lines, [s for s, _ in choices]


def summarise(scored, refs, utt2spk, seed):
    """The numbers of summary.json that no setting is needed for: counts and intervals of a Scored.
    """
    summary = {"utts": len(refs), "missing": len(refs.keys() - scored.texts.keys()),
               "spks": len({utt2spk[utt] for utt in refs}),
               "sents_wrong": sum(c.errors > 0 for c in scored.words.values()),
               "sclite": total(count_all(refs, scored.texts, SCLITE).values())._asdict()}
    spks = [utt2spk[utt] for utt in refs]
    for name, counts in (("wer", scored.words), ("cer", scored.chars)):
        rows = [(c.errors, c.words) for c in counts.values()]
        by_spk = sums_by(spks, rows)[1]
        summary[name] = {
            **total(counts.values())._asdict(), "percent": float(percent(*_rate(counts))),
            "interval": interval(*zip(*rows, strict=True), seed=seed),
            "interval_over_speakers": interval(by_spk[:, 0], by_spk[:, 1], seed=seed)}
    return summary


def setting_of(scored, kaldi, chosen_on):
    """What summary.json says of the setting chosen.

    scored, kaldi   Scored at that setting, and at the one chosen on the scored set itself
    chosen_on       decode directory
    """
    return {"lmwt": scored.setting[0], "wip": scored.setting[1], "chosen_on": str(chosen_on),
            "kaldi": {"lmwt": kaldi.setting[0], "wip": kaldi.setting[1],
                      "wer": float(percent(*_rate(kaldi.words)))}}


def report_text(summary, scored, decode, best):
    """report.txt: the lines, their intervals, and sclite's total.

    best   lines of best_wer
    """
    lines = [*best]
    for name in ["wer", "cer"]:
        of_units = ((summary[name]["interval"], summary["utts"], "utterances"),
                    (summary[name]["interval_over_speakers"], summary["spks"], "speakers"))
        spreads = [f"{low:.2f} to {high:.2f} over {count} {units}"
                   for (low, high), count, units in of_units if count > 1]
        line = error_line(scored.counts(name), name.upper())
        lines.append(f"{line}  95 % interval {', '.join(spreads)}\n" if spreads else f"{line}\n")
    wrong, utts = summary["sents_wrong"], summary["utts"]
    lines.append(f"%SER {percent(wrong, utts):.2f} [ {wrong} / {utts} ], "
                 f"{summary['missing']} without a lattice\n")
    counts = type(scored.counts("wer"))(**summary["sclite"])
    lines.append(f"{error_line(counts)}  with sclite's alignment costs (4, 3, 3); "
                 f"sclite's own numbers for {decode}/scoring/*.trn\n")
    return "".join(lines)


def write_scoring(out, data, refs, utt2spk, scored, summary, report, groups, seed):
    """Write everything of <decode>/scoring into the directory out.

    scored   Scored at the setting chosen
    groups   names of data's utt2* and spk2* tables
    seed     of the bootstrap of each group
    """
    out.mkdir()
    files = {"report.txt": report, "summary.json": json.dumps(summary, indent=1) + "\n",
             "ref.txt": details.kaldi_text(refs, refs),
             "hyp.txt": details.kaldi_text(scored.texts, refs),
             "ref.trn": details.trn(refs, refs), "hyp.trn": details.trn(scored.texts, refs),
             "per_utt": details.per_utt(refs, scored.texts),
             "per_spk": details.per_spk(scored.words, utt2spk),
             "ops": details.operations_table(operations(refs, scored.texts)),
             "utts.tsv": details.utt_table(scored.words, scored.chars, utt2spk)}
    for table in groups:
        name = table.partition("2")[2]
        files[f"by_{name}"] = details.per_group(
            scored.words, read_groups(data, table, utt2spk), name, seed)
    for name, text in files.items():
        (out / name).write_text(text, "utf-8")


def _rate(counts):
    both = total(counts.values())
    return both.errors, both.words
