import random

import pytest

from utils.lang.word_align import align_words

SIL = 1
LEXICON = {0: [(SIL,)], 10: [(5, 6), (5,)], 11: [(6, 7), (7,)], 12: [(SIL,)], 13: [(8, 8, 8)]}


@pytest.mark.parametrize(("phones", "words", "expected"), [
    ([], [], []),
    ([SIL], [], [(0, 0, 1)]),
    ([5, 6, 7], [10, 11], [(10, 0, 1), (11, 1, 3)]),   # or 5 6 + 7: the longer last word
    ([SIL, 5, SIL, 6, 7, SIL], [10, 11],
     [(0, 0, 1), (10, 1, 2), (0, 2, 3), (11, 3, 5), (0, 5, 6)]),
    ([5, 6, 6, 7], [10, 11], [(10, 0, 2), (11, 2, 4)]),
    ([5, 6, SIL], [10, 0, 12], [(10, 0, 2), (12, 2, 3)]),
    ([5, 7], [10, 10], None),
    ([5, 6, 7, 7], [10, 11], None),
    ([8, SIL, 8, 8], [13], None),
    ([5], [99], None),
])
def test_hand_made(phones, words, expected):
    assert align_words(phones, words, LEXICON, SIL) == expected


def test_a_greedy_cut_would_fail():
    # 10 must give up its longer pronunciation for 11 to fit.
    assert align_words([5, 6, 7], [10, 11], {10: [(5, 6), (5,)], 11: [(6, 7)]}, SIL) == \
        [(10, 0, 1), (11, 1, 3)]


def test_random_utterances_come_back():
    rng = random.Random(0)
    lexicon = {w: [tuple(rng.choices(range(2, 6), k=rng.randint(1, 3))) for _ in range(2)]
               for w in range(1, 20)}
    for _ in range(200):
        words = rng.choices(range(1, 20), k=rng.randint(1, 30))
        phones = []
        for word in words:
            phones += [SIL] * rng.randint(0, 1) + list(rng.choice(lexicon[word]))
        found = align_words(phones, words, lexicon, SIL)
        assert [w for w, _, _ in found if w] == words
        assert [first for _, first, _ in found] == [0, *[last for _, _, last in found[:-1]]]
        assert found[-1][2] == len(phones)
        for word, first, last in found:
            assert tuple(phones[first:last]) in ([(SIL,)] if word == 0 else lexicon[word])


def test_long_utterances_take_linear_time():
    # 200,000 phones; quadratic time would not come back.
    words = [10, 11, 13] * 25000
    phones = [5, 6, 7, SIL, 8, 8, 8, SIL] * 25000
    found = align_words(phones, words, LEXICON, SIL)
    assert len(found) == 125000
