"""Find the words of a phone sequence: which phones belong to which word, where silence stands."""


def align_words(phone_ids, word_ids, align_lexicon, optional_silence):
    """Cut a phone sequence into its words.

    phone_ids         the phones of an utterance in time order, position dependent or not
    word_ids          its words; 0 (<eps>) is skipped
    align_lexicon     {word id: [phone id tuples]}, LangDir.align_lexicon
    optional_silence  id of the phone that may stand between words and at both ends
    returns           [(word_id, first_phone, last_phone_exclusive)] covering all phones, word 0
                      for an optional silence; None if the words do not yield the phones

    Forward over pairs (phones consumed, words consumed), keeping every pair that can be
    reached; where several ways lead to the same pair, that with the longest last word stays.
    Pronunciations seldom leave more than a few pairs open, so the time is linear.
    """
    phones = tuple(phone_ids)
    words = [word for word in word_ids if word]
    # reached[i] = {words consumed: (phones consumed before, whether the step was a word)}
    reached = [None] * (len(phones) + 1)
    reached[0] = {0: None}
    for at, phone in enumerate(phones):
        for consumed in reached[at] or ():
            if consumed < len(words):
                for pron in align_lexicon.get(words[consumed], ()):
                    end = at + len(pron)
                    if pron and phones[at:end] == pron:
                        _reach(reached, end, consumed + 1, (at, True))
            if phone == optional_silence:
                _reach(reached, at + 1, consumed, (at, False))
    return _trace(reached, words)


def _reach(reached, end, consumed, step):
    if reached[end] is None:
        reached[end] = {}
    reached[end].setdefault(consumed, step)


def _trace(reached, words):
    at, consumed = len(reached) - 1, len(words)
    if consumed not in (reached[at] or ()):
        return None
    result = []
    while at:
        before, is_word = reached[at][consumed]
        consumed -= is_word
        result.append((words[consumed] if is_word else 0, before, at))
        at = before
    return result[::-1]
