"""What a new recipe is to be: everything that is written into its conf/, run.sh and README.md."""

from collections import Counter
from dataclasses import dataclass, field

from utils.recipe import sizes, source, split
from utils.recipe.estimate import estimate
from utils.step import UserError

RATES = (16000, 8000)
FEW_HOURS = 0.05          # of training, with which nothing can be learnt
MANY_UNKNOWN = 0.1        # share of dev's and test's words that train has not
SET_NAMES = {"train": "train", "training": "train", "dev": "dev", "valid": "dev", "val": "dev",
             "validation": "dev", "development": "dev", "test": "test", "eval": "test"}


@dataclass
class Plan:
    """hours: {set: hours}; sets: {utt: dev, test or None}; exclude: {utt: why}; edits: {conf file:
    {option: value}}; nnet_feats: the source's conf file; notes: what the user is to decide"""
    sets: dict
    sentences: str
    how_split: str
    exclude: dict
    hours: dict = field(default_factory=dict)
    counts: dict = field(default_factory=dict)
    speakers: dict = field(default_factory=dict)
    unknown: float = 0.0
    lexicon: str = "graphemes"
    source: str = ""
    feats: str = "fbank"
    nnet_feats: str = ""
    rate: int = 16000
    edits: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    cost: object = None


def make_plan(tables, text, seconds, sound, suspects, options):
    """text: {utt: normalised}; sound: survey_sound's; options: lexicon, source (as find_network()
    has it), nj"""
    utt2spk = tables["utt2spk"]
    bad_sound = {s.utt: s.what for s in suspects if s.impossible}
    recordings = {utt: tables["segments"][utt].split()[0] for utt in utt2spk} \
        if "segments" in tables else {}
    exclude = {utt: bad_sound.get(utt) or bad_sound[recordings[utt]] for utt in utt2spk
               if utt in bad_sound or recordings.get(utt) in bad_sound}
    utt2set = tables.get("utt2set", {})
    if _names_all_sets(utt2set[utt] for utt in text if utt in utt2set):
        # Such as invalidated: they are in none of the sets, so not in train either.
        exclude |= {utt: f"set: {name}" for utt, name in utt2set.items()
                    if utt not in exclude and name.lower() not in SET_NAMES}
    utts = {utt: split.Utterance(utt2spk[utt], words, seconds[utt])
            for utt, words in text.items() if utt not in exclude}
    if len(utts) < 10:
        lost = [s for s in suspects if s.impossible]
        why = f"; {len(lost)} cannot be used, such as {lost[0].utt}: {lost[0].what}" if lost else ""
        raise UserError("new_recipe.py", f"{len(utts)} utterances are left, of {len(utt2spk)}{why}",
                        "ten are the least" + (f"; {lost[0].do}" if lost else ""))
    given = _given_sets(utt2set, utts)
    plan = Plan(*(given or split.propose(utts)), exclude)
    _count(plan, utts)
    if len(set(utt2spk.values())) == 1 and len(tables["wav.scp"]) > 1:
        plan.notes.append("all recordings count as one speaker's. Systems adapt to speakers, and "
                          "test should have others than train: if there are several, say "
                          "--speaker-column, or --speaker-from folder, name or recording")
    if len(set(utt2spk.values())) == len(utt2spk):
        plan.notes.append("each utterance has a speaker of its own. If that is not so, say "
                          "--speaker-column, or --speaker-from folder, name or recording")
    plan.lexicon = options.lexicon
    _features(plan, sound, options.source)
    _channels(plan, sound, "reco2file_and_channel" in tables)
    words = len({w for u in utts.values() for w in u.sentence.split()})
    for name, edits in sizes.conf_edits(plan.hours["train"], words).items():
        plan.edits.setdefault(name, {}).update(edits)
    if any(c.isdigit() for u in utts.values() for c in u.sentence):
        plan.edits["dict.conf"] = {"keep": "".join(sorted(
            {c for u in utts.values() for c in u.sentence if c.isdigit()}))}
    networks = 2 if plan.source else 1
    plan.cost = estimate(plan.hours["train"], plan.hours["dev"] + plan.hours["test"],
                         sizes.epochs(plan.hours["train"]), networks, options.nj, options.nj)
    return plan


def _names_all_sets(names):
    return {"train", "dev", "test"} <= {SET_NAMES.get(name.lower()) for name in names}


def _given_sets(utt2set, utts):
    """As split.propose, from the table's own column; None if it does not name dev and test."""
    if not _names_all_sets(name for utt, name in utt2set.items() if utt in utts):
        return None
    sets = {utt: SET_NAMES.get(name.lower()) for utt, name in utt2set.items() if utt in utts}
    held_out = {utts[utt].sentence for utt, name in sets.items() if name in ("dev", "test")}
    train = {utts[utt].sentence for utt, name in sets.items() if name == "train"}
    share = sum(u.sentence in held_out & train for u in utts.values()) / len(utts)
    return {utt: name for utt, name in sets.items() if name in ("dev", "test")}, \
        "apart" if share < 0.1 else "any", "as a column of the table says"


def _count(plan, utts):
    held_out = {utts[utt].sentence for utt, name in plan.sets.items() if name}
    hours, counts, speakers, words = Counter(), Counter(), {}, {}
    for utt, u in utts.items():
        name = plan.sets.get(utt, "train")
        if name == "train" and plan.sentences == "apart" and u.sentence in held_out:
            name = None
        if utt in plan.sets and name is None and u.sentence not in held_out:
            plan.exclude[utt] = "of a speaker of dev or test, its sentence is in train"
        counts[name] += 1
        hours[name] += u.seconds / 3600
        speakers.setdefault(name, set()).add(u.speaker)
        words.setdefault(name, Counter()).update(u.sentence.split())
    for name in ("train", "dev", "test"):
        if not counts[name]:
            raise UserError("new_recipe.py", f"no utterance for {name}",
                            "there is too little speech, or one sentence only")
    plan.hours = {name: hours[name] for name in ("train", "dev", "test")}
    plan.counts = {name: counts[name] for name in ("train", "dev", "test", None)}
    plan.speakers = {name: len(speakers[name]) for name in plan.hours}
    known, asked = words["train"], words["dev"] + words["test"]
    plan.unknown = sum(n for w, n in asked.items() if w not in known) / asked.total()
    if plan.unknown > MANY_UNKNOWN:
        plan.notes.append(
            f"{plan.unknown:.0%} of the words of dev and test are not in train"
            + ("" if plan.lexicon == "subwords" else ", and cannot be recognised as words: try "
               "./run.sh --lexicon subwords (letters as phones), or more text with --lm-text"))
    if plan.hours["train"] < FEW_HOURS:
        plan.notes.append(f"{plan.hours['train'] * 60:.1f} minutes to train on teach little but "
                          "that everything runs")


def _features(plan, sound, given):
    """Rate and network features: the source's, else what most of the recordings hold."""
    rates = {int(rate): hours for rate, hours in sound["rates"].items()}
    low = sum(hours for rate, hours in rates.items() if rate < RATES[0] * 0.9)
    plan.rate = RATES[1] if low > 0.5 * sum(rates.values()) else RATES[0]
    if given:
        plan.source = given
        plan.feats, options, plan.rate = source.features_of(plan.source)
        plan.nnet_feats = "# as the source network's, which is to hear the same\n" \
            + "".join(f"--{name}={value}\n" for name, value in options.items())
    if 0 < low < sum(rates.values()) and plan.rate == RATES[0]:
        plan.notes.append("recordings of several sampling rates: "
                          + ", ".join(f"{r} Hz {h:.2f} h" for r, h in rates.items())
                          + f"; all become {plan.rate} Hz, the lower ones have nothing up there")
    elif low and plan.rate == RATES[0]:
        plan.notes.append(f"the source has {plan.rate} Hz, the recordings less: a source that "
                          "was trained at 8000 Hz suits them better")
    if sound["narrow"] > 0.2 * sound["levels_of"]:
        plan.notes.append(f"{sound['narrow']} of {sound['levels_of']} recordings have nothing "
                          "above 4 kHz, as if they came over a telephone: --sample-rate=8000 in "
                          "conf/mfcc.conf and conf/nnet_feats.conf may be better")
    if plan.rate != RATES[0]:
        half = {"sample-rate": plan.rate, "fft-length": 512}
        plan.edits["mfcc.conf"] = dict(half)
        if not plan.source:
            plan.edits["nnet_feats.conf"] = {**half, "high-freq": -200}


def _channels(plan, sound, told):
    if set(sound["channels"]) == {"1"} or told:
        return
    for name in ("mfcc.conf", "nnet_feats.conf"):
        plan.edits.setdefault(name, {})["channel"] = "mix"
    if sound["alike_channels"] < sound["levels_of"]:
        plan.notes.append("recordings have several channels that differ: their mean is taken. If "
                          "each has a speaker of its own, say which: --channel=0 in conf/mfcc.conf "
                          "and conf/nnet_feats.conf, or a column with --channel-column")
