"""Modified Kneser-Ney straight from Chen and Goodman (1998), section 3, slowly and with dicts."""

import random
from collections import Counter, defaultdict


def made_text(num_sentences, seed=0, num_words=300):
    """Sentences of a small made-up language with rare words and stock phrases, the same for a
    seed: list of lists of words."""
    rng = random.Random(seed)

    def sentence():
        ranks = [int(rng.random() ** 2.5 * num_words)]
        while len(ranks) < 12 and rng.random() < 0.85:
            step = int(rng.expovariate(0.5)) if rng.random() < 0.6 else rng.random() * num_words
            ranks.append(int((ranks[-1] * 7 + step) % num_words * rng.random()))
        return [f"w{rank}" for rank in ranks]

    stock_rng, rng = rng, random.Random(1000)
    stock = [sentence() for _ in range(400)]
    rng = stock_rng
    return [sentence() if rng.random() < 0.6 else stock[int(rng.random() ** 3 * 400)]
            for _ in range(num_sentences)]


class KneserNey:
    """prob(history, word) of the interpolated model of the highest order."""

    def __init__(self, sentences, order, unk="<unk>"):
        self.order = order
        self.vocab = {"</s>", unk} | {word for sentence in sentences for word in sentence}
        raw = [Counter() for _ in range(order + 1)]
        left = [defaultdict(set) for _ in range(order + 1)]
        for sentence in sentences:
            padded = ["<s>", *sentence, "</s>"]
            for n in range(1, order + 1):
                for i in range(len(padded) - n + 1):
                    ngram = tuple(padded[i:i + n])
                    raw[n][ngram] += 1
                    if i:
                        left[n][ngram].add(padded[i - 1])
        self.counts = [{}]
        for n in range(1, order + 1):
            self.counts.append({g: c if n == order or g[0] == "<s>" else len(left[n][g])
                                for g, c in raw[n].items()})
        self.counts[1].pop(("<s>",))
        self.discounts = [None] + [self._discounts(c) for c in self.counts[1:]]

    @staticmethod
    def _discounts(counts):
        n = Counter(counts.values())
        y = n[1] / (n[1] + 2 * n[2])
        return [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]

    def prob(self, history, word):
        history = tuple(history)[max(0, len(history) - self.order + 1):]
        n = len(history) + 1
        lower = self.prob(history[1:], word) if history else 1 / len(self.vocab)
        follow = {g[-1]: c for g, c in self.counts[n].items() if g[:-1] == history}
        if not follow:
            return lower
        d = self.discounts[n]
        total = sum(follow.values())
        gamma = sum(d[min(c, 3)] for c in follow.values()) / total
        count = follow.get(word, 0)
        return (count - d[min(count, 3)]) / total + gamma * lower
