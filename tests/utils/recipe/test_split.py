"""Proposals of train, dev and test."""

import random

import pytest

from utils.recipe.split import MAX_LOST, Utterance, propose


def corpus(speakers, each, sentences=None, seed=0, seconds=4.0):
    rng = random.Random(seed)
    return {f"s{s}-{i}": Utterance(f"s{s}", f"sentence {rng.randrange(sentences)}" if sentences
                                   else f"sentence {s} {i}", seconds)
            for s in range(speakers) for i in range(each)}


def parts(utts, sets, apart=True):
    """{set: [Utterance]} as split_sets.py makes them, train without dev's and test's sentences."""
    held_out = {utts[u].sentence for u, name in sets.items() if name}
    result = {"train": [], "dev": [], "test": []}
    for utt, u in utts.items():
        name = sets.get(utt, "train")
        if name and not (name == "train" and apart and u.sentence in held_out):
            result[name].append(u)
    return result


def no_overlap(sets, what):
    seen = [{getattr(u, what) for u in part} for part in sets.values()]
    return not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


@pytest.mark.parametrize("sentences", [None, 2000, 400])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_many_speakers_and_sentences_are_both_apart(sentences, seed):
    utts = corpus(30, 20, sentences, seed)
    sets, rule, why = propose(utts)
    found = parts(utts, sets)
    assert rule == "apart" and "speakers that train has not" in why
    assert no_overlap(found, "speaker") and no_overlap(found, "sentence")
    total = sum(map(len, found.values()))
    assert total >= (1 - MAX_LOST) * len(utts)
    assert all(0.04 * len(utts) <= len(found[name]) <= 0.2 * len(utts) for name in ("dev", "test"))


def test_everybody_reads_the_same_sentences():
    utts = {f"s{s}-{i}": Utterance(f"s{s}", f"prompt {i}", 4.0) for s in range(20)
            for i in range(100)}
    sets, rule, why = propose(utts)
    assert no_overlap(parts(utts, sets, rule == "apart"), "speaker")
    if rule == "apart":
        assert no_overlap(parts(utts, sets), "sentence")
    else:
        assert "it would cost" in why


def test_few_speakers_are_in_all_sets_and_sentences_apart():
    utts = corpus(3, 200, 300)
    sets, rule, why = propose(utts)
    found = parts(utts, sets)
    assert rule == "apart" and "too few speakers" in why and no_overlap(found, "sentence")
    assert 0.08 * 600 <= len(found["dev"]) <= 0.12 * 600
    assert sum(map(len, found.values())) == 600     # whole groups, so nothing is lost


def test_ten_words_cannot_be_apart():
    utts = corpus(2, 100, 10)
    sets, rule, why = propose(utts)
    assert rule == "any" and "only 10 sentences" in why
    assert {15, 25} & {len(p) for p in parts(utts, sets, False).values()} or \
        10 <= len(parts(utts, sets, False)["dev"]) <= 30
    many = corpus(12, 50, 10)
    sets, rule, _ = propose(many)
    assert rule == "any" and no_overlap(parts(many, sets, False), "speaker")


def test_one_speaker_has_most_of_it():
    utts = corpus(8, 5) | {f"big-{i}": Utterance("big", f"b {i}", 4.0) for i in range(400)}
    sets, _, _ = propose(utts)
    found = parts(utts, sets)
    assert len(found["train"]) >= 300 and found["dev"] and found["test"]


def test_the_same_again_and_large_corpora_hold_out_an_hour():
    utts = corpus(300, 60)
    sets, _, _ = propose(utts)
    assert sets == propose(dict(reversed(list(utts.items()))))[0]
    for name in ("dev", "test"):
        assert 2400 <= sum(utts[u].seconds for u, own in sets.items() if own == name) <= 4800
