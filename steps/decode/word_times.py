"""Words of a decoded path with their frames, from its transition-ids."""

from utils.lang.word_align import align_words


def timed_words(lattice, lmwt, wip, transitions, lang):
    """Words of a lattice's best path with their frames and confidences.

    returns  [(word, first frame, end frame, confidence)]; whether the frames are those of the
             words' phones, and not only where the lattice's arcs have the words
    """
    from steps.decode.mbr import word_confidences
    arcs, _ = lattice.best_arcs(lmwt, wip)
    words = [w for w in lattice.olabel[arcs].tolist() if w]
    tids = [t for t in lattice.ilabel[arcs].tolist() if t]
    segments = word_segments(words, tids, transitions, lang) if tids else []
    aligned = segments is not None
    if not aligned:
        segments = label_segments(lattice, arcs)
    confidences = word_confidences(lattice, words, lmwt, wip)
    return [(*segment, float(confidence))
            for segment, confidence in zip(segments, confidences, strict=True)], aligned


def phone_segments(tids, transitions):
    """The phones of a path of transition-ids, self-loops before the way out of a state.

    returns  [(phone, first frame, end frame)]; whether the last phone was left
    """
    segments, start = [], 0
    for frame, tid in enumerate(tids):
        if transitions.tid_is_final[tid]:
            segments.append((int(transitions.tid2phone[tid]), start, frame + 1))
            start = frame + 1
    if start < len(tids):
        segments.append((int(transitions.tid2phone[tids[-1]]), start, len(tids)))
        return segments, False
    return segments, True


def word_segments(words, tids, transitions, lang):
    """The words of a path and their frames.

    words    word ids;  tids  transition-ids, one a frame;  lang  LangDir or the like
    returns  [(word, first frame, end frame)] without silence; None where the words do not yield
             the phones, e.g. when decoding stopped within a word
    """
    segments, _ = phone_segments(tids, transitions)
    found = align_words([phone for phone, _, _ in segments], words, lang.align_lexicon,
                        lang.optional_silence)
    if found is None:
        return None
    return [(word, segments[first][1], segments[end - 1][2])
            for word, first, end in found if word]


def label_segments(lattice, arcs):
    """Words and frames where the lattice's arcs have them: each until the next one begins.

    arcs     indices of a path's arcs
    returns  [(word, first frame, end frame)]
    """
    times = lattice.times()
    marks = [(int(lattice.olabel[a]), int(times[lattice.src[a]])) for a in arcs
             if lattice.olabel[a]]
    ends = [start for _, start in marks[1:]] + [int(times[lattice.dst[arcs[-1]]])] if marks else []
    return [(word, start, max(end, start + 1))
            for (word, start), end in zip(marks, ends, strict=True)]
