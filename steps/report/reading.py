"""The report's section on single utterances: sound, aligned words, and words on a spectrogram."""

from steps.report.errors import MAX_SETS
from steps.report.listen import (
    MAX_SECONDS,
    SHIFT,
    choose,
    hear,
    png_uri,
    sound_uri,
    spectrogram,
)
from steps.report.markup import Html, el, join
from steps.score.wer import CORRECT, DEL, INS, SUB, paired
from utils.data.tables import read_table

CLASSES = {CORRECT: "cor", SUB: "sub", DEL: "del", INS: "ins"}
PICTURE, LANE, AXIS = 120, 17, 18   # heights of a spectrogram, of a row of words, of its axis
LETTER = 6.6                        # width of a letter under a spectrogram


def utterances(sets, count):
    """Some utterances of each test set, count of all together or a little more."""
    sets = sets[:MAX_SETS]
    parts = [el("p", "Above: what was said. Below: what was recognised. ",
                el("span", "another word", class_="key sub"), " ",
                el("span", "missed", class_="key del"), " ",
                el("span", "not said", class_="key ins"),
                " Typical utterances are those with an error rate like that of the whole set; the "
                "worst have the most errors for their words. Where words stand under a "
                "spectrogram, a paler line means less confidence.")]
    for one in sets:
        decoding = one.best.seeds[0]
        chosen = choose(decoding, max(2, count // len(sets)))
        heard, missing = hear(decoding, [utt for utt, _ in chosen])
        refs, hyps = (read_table(decoding.path / "scoring" / name, empty_ok=True)
                      for name in ("ref.txt", "hyp.txt"))
        spks = dict(zip(decoding.utts, decoding.spks, strict=True))
        parts += [el("h3", one.name, ", ", one.best.looked_at),
                  *(el("p", sentence, class_="soft") for sentence in missing)]
        parts += [_utterance(heard[utt], kind, spks[utt],
                             paired(refs[utt].split(), hyps.get(utt, "").split()))
                  for utt, kind in chosen]
    return join(parts)


def _utterance(heard, kind, spk, pairs):
    errors = sum(kind != CORRECT for kind, _, _ in pairs)
    words = sum(kind != INS for kind, _, _ in pairs)
    parts = [el("h4", el("span", kind, class_=f"tag {kind}"), " ", heard.utt,
                el("span", f" {spk}, {errors} {'error' if errors == 1 else 'errors'} in "
                   f"{words} {'word' if words == 1 else 'words'}", class_="soft"))]
    if heard.samples is not None and len(heard.samples):
        if len(heard.samples) > MAX_SECONDS * heard.rate:
            parts.append(el("p", f"The first {MAX_SECONDS:.0f} of "
                            f"{len(heard.samples) / heard.rate:.0f} seconds.", class_="soft"))
        parts.append(el("audio", controls=True, preload="none", title=f"Sound of {heard.utt}",
                        src=sound_uri(heard.samples, heard.rate)))
    parts.append(aligned(pairs))
    if heard.samples is not None and len(heard.samples):
        parts.append(word_spectrogram(heard, pairs))
    return el("article", *parts)


def aligned(pairs):
    """Reference above hypothesis, each pair of words a box; pairs: of steps.score.wer.paired."""
    boxes = []
    for kind, said, heard in pairs:
        if kind == CORRECT:
            inside = [el("span", said), el("span", heard, aria_hidden="true")]
        else:
            none = el("span", "–", aria_hidden="true")
            inside = [el("del", said) if said else none, el("ins", heard) if heard else none]
        boxes.append(el("span", *inside, class_=f"pair {CLASSES[kind]}"))
    return el("p", join(boxes, " "), class_="aligned", dir="auto")


def word_spectrogram(heard, pairs):
    """The spectrogram, with the recognised words under it where they were heard."""
    shades = spectrogram(heard.samples, heard.rate)
    words = [word for word in heard.words or () if word[1] < heard.seconds]
    names = [name for kind, _, name in pairs if kind != DEL]
    kinds = [CLASSES[kind] for kind, _, _ in pairs if kind != DEL]
    if [word[0] for word in heard.words or ()] != names:   # pieces of words, or words left out
        kinds = ["cor"] * len(heard.words or ())
    per_second = _scale(words)
    width = shades.shape[1] * SHIFT * per_second
    base = PICTURE + 2 * LANE
    parts = [el("image", href=png_uri(shades), x=0, y=0, width=f"{width:.1f}", height=PICTURE,
                preserveAspectRatio="none")]
    for number, (word, start, end, confidence) in enumerate(words):
        x, right, kind = start * per_second, min(end * per_second, width), kinds[number]
        y = PICTURE + LANE * (number % 2)
        parts.append(el(
            "g", el("title", f"{word}, {start:.2f} to {end:.2f} s, confidence {confidence:.2f}"),
            el("rect", x=f"{x:.1f}", y=0, width=f"{right - x:.1f}", height=PICTURE,
               class_=f"span {kind}"),
            el("line", x1=f"{x + 1:.1f}", x2=f"{right - 1:.1f}", y1=PICTURE + 2, y2=PICTURE + 2,
               class_=f"under {kind}", stroke_opacity=f"{0.25 + 0.75 * confidence:.2f}"),
            el("text", word, x=f"{x + 2:.1f}", y=f"{y + LANE - 2}", class_=f"word {kind}")))
    step = 0.5 if heard.seconds < 4 else 1.0
    for tick in range(int(heard.seconds / step + 1e-6) + 1):
        x = tick * step * per_second
        parts += [el("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=base + 2, y2=base + 6,
                     class_="grid"),
                  el("text", f"{tick * step:g} s", x=f"{x + 3:.1f}", y=base + AXIS - 4,
                     class_="tick")]
    said = " ".join(f"{word} at {start:.1f} s" for word, start, _, _ in words)
    label = f"Spectrogram of {heard.utt}" + (f": {said}" if said else "")
    picture = el("svg", *parts, width=f"{width + 30:.0f}", height=base + AXIS, role="img",
                 aria_label=label, class_="spectrogram")
    return el("div", Html(picture), class_="scroll", role="region", tabindex="0",
              aria_label=f"Spectrogram of {heard.utt}")


def _scale(words):
    """Pixels a second, so many that words fit; neighbours stand in different rows."""
    needed = [(LETTER * len(word) + 8) / max(0.05, later[1] - start)
              for (word, start, _, _), later in zip(words, words[2:], strict=False)]
    return min(240.0, max([170.0, *needed]))
