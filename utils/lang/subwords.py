"""Subword units: train a sentencepiece model, cut text into units, put words together again.

    units = Subwords("data/lang")            # bpe.model and units.txt
    units.encode("kyéma yeékirá")            # ["▁kyé", "ma", "▁yeé", "ki", "rá"]
    decode(["▁kyé", "ma", "▁yeé", "ki"])     # ["kyéma", "yeéki"]
"""

import io
import unicodedata
from pathlib import Path

from utils.data.tables import read_lines
from utils.lang.lexicon import split_fields
from utils.step import UserError

WORD_START = "▁"   # sentencepiece's mark of a space before the unit
UNKNOWN = "<UNK>"


def starts_word(unit):
    """Whether a unit begins a word: it bears the mark, or is a symbol such as <UNK> or !SIL."""
    return unit.startswith(WORD_START) or unit == "!SIL" or (unit[:1] + unit[-1:] == "<>")


def clusters(word, letters=""):
    """Letters with their combining marks and with silent punctuation, such as an apostrophe, which
    belongs to the letter before it or, where a word begins with it, after it: what no unit's
    boundary may cut.

    letters  punctuation and symbols that are not silent
    """
    result, heard = [], False
    for character in word:
        silent = _is_silent(character, letters)
        if result and (silent or not heard or unicodedata.category(character)[0] in "MC"):
            result[-1] += character
        else:
            result.append(character)
        heard = heard or not silent
    return result


def _is_silent(character, letters):
    return unicodedata.category(character)[0] in "PS" and character not in letters


def decode(units):
    """The words that units stand for."""
    return [word for word, _, _ in word_spans(units)]


def word_spans(units):
    """[(word, first unit, last unit exclusive)], e.g. to give a word the times of its units."""
    spans = []
    for index, unit in enumerate(units):
        if starts_word(unit) or not spans or is_whole(units[index - 1]):
            spans.append((unit.removeprefix(WORD_START), index, index + 1))
        else:
            word, first, _ = spans[-1]
            spans[-1] = (word + unit, first, index + 1)
    return spans


def is_whole(unit):
    """Whether a unit begins a word and ends it: <UNK>, !SIL."""
    return starts_word(unit) and not unit.startswith(WORD_START)


def train(words, vocab_size, kind="unigram"):
    """The bytes of a sentencepiece model.

    words       {word: count}
    vocab_size  number of units, less where the text has not so many
    kind        "unigram" (Kudo 2018) or "bpe"
    """
    import sentencepiece

    alphabet = {c for word in words for c in word}
    if vocab_size <= len(alphabet) + 2:
        raise UserError("--vocab-size", f"{vocab_size} units are too few for "
                                        f"{len(alphabet)} different characters",
                        f"at least {len(alphabet) + 3}")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_sentences(words), model_writer=model, vocab_size=vocab_size,
            model_type=kind, character_coverage=1.0, normalization_rule_name="identity",
            bos_id=-1, eos_id=-1, unk_id=0, hard_vocab_limit=False, num_threads=1,
            max_sentence_length=1 << 20, minloglevel=2)
    except RuntimeError as error:
        raise UserError("sentencepiece", str(error).splitlines()[-1],
                        "try a smaller --vocab-size") from None
    return model.getvalue()


def _sentences(words, length=100):
    """Each word as often as it was counted, a hundred to a sentence."""
    sentence = []
    for word, count in words.items():
        for _ in range(count):
            sentence.append(word)
            if len(sentence) == length:
                yield " ".join(sentence)
                sentence = []
    if sentence:
        yield " ".join(sentence)


def unit_list(model, words, letters=""):
    """Units of a new model, sorted: its pieces that do not cut letters from their marks, and each
    letter of the words at a word's begin and inside, so that all words of these letters can be
    written. letters: as of clusters()."""
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = {processor.id_to_piece(i) for i in range(processor.get_piece_size())
              if not (processor.is_unknown(i) or processor.is_control(i))}
    units = {piece for piece in pieces if _is_unit(piece, letters)}
    for letter in {cluster for word in words for cluster in clusters(word, letters)}:
        units.update([WORD_START + letter, letter])
    return sorted(units)


def _is_unit(piece, letters):
    text = piece.removeprefix(WORD_START)
    if not text or WORD_START in text or unicodedata.category(text[0])[0] in "MC":
        return False
    begins, heard = text != piece, [not _is_silent(c, letters) for c in text]
    return heard[0] or (begins and any(heard))


class Subwords:
    """A trained model: <directory>/bpe.model and units.txt, of a dict or a lang directory."""

    def __init__(self, directory):
        import sentencepiece

        path = Path(directory) / "bpe.model"
        if not path.is_file():
            raise UserError(path, "no such file", "make it with prepare_dict_subwords.py")
        try:
            self.processor = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
        except RuntimeError:
            raise UserError(path, "not a sentencepiece model") from None
        self.units = set(read_lines(Path(directory) / "units.txt"))
        self.letters = {unit for unit in self.units if len(unit) == 1}   # none is silent

    def encode(self, text):
        """Units of a text; a word with a letter that no unit has becomes <UNK>, and symbols such
        as <UNK> stay as they are. decode() gives the words back."""
        units = []
        for word in split_fields(text):
            units += [word] if is_whole(word) else self._encode_word(word)
        return units

    def _encode_word(self, word):
        """sentencepiece's cuts but those inside a letter and after a mark that stands alone;
        where such a part is no unit, letter by letter."""
        parts = [[]]
        cuts, position = set(), 0
        for piece in self.processor.encode(word, out_type=str):
            position += len(piece.removeprefix(WORD_START))
            cuts.add(position)
        position = 0
        for cluster in clusters(word, self.letters):
            parts[-1].append(cluster)
            position += len(cluster)
            if position in cuts:
                parts.append([])
        units = []
        for part in parts:
            start = "" if units else WORD_START
            whole = start + "".join(part)
            if whole in self.units:
                units.append(whole)
            elif part:
                units += [start + part[0], *part[1:]]
        return units if self.units.issuperset(units) else [UNKNOWN]
