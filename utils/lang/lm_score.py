"""Score texts with n-gram models."""

from array import array
from dataclasses import dataclass

import numpy as np

from utils.lang.lm_text import BOS, EOS, read_sentences

_BOS_MARK = -2


@dataclass
class Scores:
    """A text under a model, one entry for each word and each </s>.

    logprob    float64 (num_tokens,), log10 probability; of a word that the model lacks, that of
               <unk>, or -inf without one
    is_oov     bool (num_tokens,)
    is_end     bool (num_tokens,), where it is </s>
    sentence   int64 (num_tokens,), which sentence a token belongs to
    utts       list of utt ids, b"" where the text has none
    """

    logprob: np.ndarray
    is_oov: np.ndarray
    is_end: np.ndarray
    sentence: np.ndarray
    utts: list


def encode(path, model, utt_ids=False):
    """A text in a model's ids; empty lines are left out.

    returns   tokens int32 (num_tokens,) with <s>, </s>, and -1 for what the model lacks;
              bool (num_tokens,), where sentences begin; list of utt ids
    """
    ids = _WithDefault({word.encode(): ident for word, ident in model.ids.items()})
    eos = model.ids.get(EOS, -1)
    tokens, utts = array("i"), []
    for utt, words in read_sentences(path, utt_ids):
        if words:
            utts.append(utt)
            tokens.append(_BOS_MARK)
            tokens.extend(map(ids.__getitem__, words))
            tokens.append(eos)
    tokens = np.array(tokens, np.int32)
    begins = tokens == _BOS_MARK
    tokens[begins] = model.ids.get(BOS, -1)
    return tokens, begins, utts


class _WithDefault(dict):
    def __missing__(self, key):
        return -1


def score_tokens(model, tokens, begins, chunk=1 << 20):
    """log10 probability of each token given those before it in its sentence.

    tokens   int32 (num_tokens,); a token of -1 gets -inf and breaks the history of the next ones
    begins   bool (num_tokens,), where sentences begin
    returns  float64 (num_tokens,), 0 at the beginnings
    """
    result = np.zeros(len(tokens))
    start = np.maximum.accumulate(np.where(begins, np.arange(len(tokens)), 0))
    scored = np.flatnonzero(~begins)
    for first in range(0, len(scored), chunk):
        at = scored[first:first + chunk]
        ngrams = np.full((len(at), model.order), -1, np.int32)
        for back in range(model.order):
            inside = at - back >= start[at]
            ngrams[inside, model.order - 1 - back] = tokens[at[inside] - back]
        result[at] = model.log_probs(ngrams)
    return result


def score_text(model, path, utt_ids=False):
    """Scores of a file."""
    tokens, begins, utts = encode(path, model, utt_ids)
    ends = np.roll(begins, -1)
    oov = (tokens < 0) & ~begins & ~ends
    if model.unk:
        tokens[oov] = model.ids[model.unk]
    logprob = score_tokens(model, tokens, begins)
    keep = ~begins
    return Scores(logprob[keep], oov[keep], ends[keep], (np.cumsum(begins) - 1)[keep], utts)
