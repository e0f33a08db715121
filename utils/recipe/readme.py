"""A new recipe's README.md: what was found, and what was chosen."""

from collections import Counter

from utils.recipe.sizes import amount

KINDS = 12         # of suspicious things that are counted in the README


def readme(name, recordings, text, sound, suspects, plan, rules):
    """text, sound: the surveys; rules: the lines of normalise.tsv that are no comments"""
    return "\n".join([
        f"# {name}", "",
        f"{amount(sum(plan.hours.values()))} of speech in sets, from {recordings}. Made by "
        "utils/new_recipe.py; conf/ holds all that it chose, to be changed.", "",
        "```", "./run.sh                    # everything: " + str(plan.cost),
        "./run.sh --stop-stage 3     # up to monophones, to see that all is well", "```", "",
        "## Data", "", *data_lines(sound, text), "",
        "| set | utterances | speakers | speech |", "|---|---|---|---|",
        *(f"| {s} | {plan.counts[s]} | {plan.speakers[s]} | {amount(plan.hours[s])} |"
          for s in plan.hours), "", *split_lines(plan), "",
        "## What looks wrong", "", *suspect_lines(suspects), "",
        "## Words", "", *word_lines(text, plan, rules), "",
        "## Systems", "", *system_lines(plan), "",
        *(["## To decide", "", *(f"- {note}" for note in plan.notes), ""] if plan.notes else []),
        "| file | |", "|---|---|",
        "| `conf/corpus.conf` | where the transcripts are, and which column is what |",
        "| `conf/normalise.tsv` | how transcripts become words |",
        "| `conf/dev`, `conf/test`, `conf/exclude` | utterances of these sets; those left out |",
        "| `conf/suspicious.tsv` | what looks wrong, a line each |",
        "| `conf/corpus.json` | the numbers of this page, and all characters |",
        "| `conf/*.conf` | options of each step, sizes for this much speech |",
        "| `local/prepare_lang.sh` | lexicon, lang directories and language model |", ""])


def counted(number, what):
    return f"{number} {what}" + ("" if number == 1 else "s")


def data_lines(sound, text):
    rates = ", ".join(f"{rate} Hz {hours:.2f} hours" for rate, hours in sound["rates"].items())
    yield f"- {sound['recordings']} recordings, {sound['hours']:.2f} hours: {rates}; channels: " \
        + ", ".join(f"{n} with {c}" for c, n in sound["channels"].items())
    yield f"- {text['utterances']} utterances, {counted(text['speakers'], 'speaker')}, " \
          f"{text['sentences']} different sentences, {text['words']} words, " \
          f"{text['different_words']} different"
    yield f"- levels, of {sound['levels_of']} recordings: speech {sound['level_db']:g} dB, " \
          f"background {sound['noise_db']:g} dB; silence {sound['silence']:.0%}; " \
          f"clipped {sound['clipped']}"
    yield f"- {text['letters_a_second']:g} letters a second"


def split_lines(plan):
    yield f"Proposed split: {plan.how_split}."
    if plan.counts[None]:
        yield f"In no set, so that no sentence is in two: {plan.counts[None]}."
    yield "LM weights are chosen on dev, results are those of test."


def suspect_lines(suspects):
    if not suspects:
        return ["Nothing."]
    kinds = Counter(s.do for s in suspects)
    example = {}
    for s in suspects:
        example.setdefault(s.do, s)
    lines = [f"- {count}: {example[do].utt}: {example[do].what} ({do})"
             + (f", and {count - 1} more" if count > 1 else "")
             for do, count in kinds.most_common(KINDS)]
    cannot = sum(s.impossible for s in suspects)
    return [*lines, "", f"All {len(suspects)} are in `conf/suspicious.tsv`; {cannot} "
                        "cannot be used and are left out, the others are in."]


def word_lines(text, plan, rules):
    characters = "".join(text["characters"])
    yield "Transcripts become words by `conf/normalise.tsv`: " \
          + ", ".join(dict.fromkeys(rule.split("\t")[0] for rule in rules)) + "."
    yield f"The characters left, the most frequent first: `{characters[:150]}`"
    rare = [c for c, n in text["characters"].items() if n <= 2]
    if rare:
        yield f"Once or twice in all: `{' '.join(rare)}`"
    yield ""
    yield {"graphemes": "Phones are letters (`lexicon=graphemes`).",
           "subwords": "Phones are letters, and subwords are decoded (`lexicon=subwords`)."}.get(
        plan.lexicon, f"Pronunciations: {plan.lexicon}.") \
        + f" {plan.unknown:.1%} of the words of dev and test are not in train."


def system_lines(plan):
    tri, epochs = plan.edits["tri.conf"], plan.edits["nnet.conf"]["num-epochs"]
    mono = plan.edits["mono.conf"]["total-gaussians"]
    yield f"At {plan.rate} Hz: mono, {mono} Gaussians; tri1, tri2b and tri3b, at most " \
          f"{tri['num-leaves']} leaves and {tri['total-gaussians']} Gaussians; networks, " \
          f"{epochs} epochs."
    if plan.source:
        yield f"The network is trained from scratch, and on the layers of {plan.source}."
    else:
        yield "There is no source, so the network is trained from scratch. With a network of " \
              "another language little speech goes further: train one, such as egs/english, then " \
              "`utils/new_recipe.py --source egs/english/exp/nnet/0 ...`, or " \
              "`./run.sh --source ../english/exp/nnet/0` if its features are those of " \
              "conf/nnet_feats.conf."
