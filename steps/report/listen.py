"""Utterances to listen to and to read: which ones, their sound, spectrogram and word times."""

import base64
import io
import struct
import zlib

import numpy as np

from steps.report.gather import resolve
from steps.score.details import COLUMNS
from utils.step import UserError, log

RATE = 16000           # Hz of the sound in the page
MAX_SECONDS = 15.0     # of an utterance that go into the page
SHIFT = 0.01           # s between the columns of a spectrogram
WINDOW = 0.025         # s
NUM_BANDS = 80
LEVELS = 24            # shades of a spectrogram
RANGE_DB = 55.0        # from the loudest to what is not drawn any more
INK = (0x3b, 0x6e, 0xa8)


class Heard:
    """One utterance: samples, rate; words [(word, start s, end s, confidence)], or None."""

    def __init__(self, utt):
        self.utt, self.samples, self.rate, self.words = utt, None, None, None

    @property
    def seconds(self):
        return min(len(self.samples) / self.rate, MAX_SECONDS)


def choose(decoding, count):
    """The worst utterances and those nearest to the whole set's error rate, of several speakers.

    returns  [(utt, "worst" or "typical")], count of them at most, the worst ones first
    """
    first = COLUMNS.index("words")
    words, errors = decoding.counts[:, first], decoding.counts[:, first + 1:first + 4].sum(1)
    rates = errors / np.maximum(words, 1)
    overall = errors.sum() / max(1, words.sum())
    # Of one or two words it is chance whether none or all are wrong.
    enough = words >= min(3, words.max(initial=0))
    order = np.arange(len(words))
    worst = [i for i in np.lexsort((order, -errors, -rates)) if enough[i] and errors[i]]
    taken = _of_several(worst, decoding.spks, (count + 1) // 2)
    typical = [i for i in np.lexsort((order, np.abs(rates - overall))) if enough[i]
               and i not in taken]
    return [(decoding.utts[i], "worst") for i in taken] + [
        (decoding.utts[i], "typical")
        for i in _of_several(typical, decoding.spks, count - len(taken))]


def _of_several(order, spks, count):
    """The first of an order, each speaker's second only after every speaker's first."""
    rounds, seen = [], {}
    for place, i in enumerate(order):
        seen[spks[i]] = seen.get(spks[i], 0) + 1
        rounds.append((seen[spks[i]], place, i))
    return [i for _, _, i in sorted(rounds)[:count]]


def hear(decoding, utts):
    """{utt: Heard} with what there is of sound and word times, and sentences on what is not."""
    heard, missing = {utt: Heard(utt) for utt in utts}, []
    try:
        _read_sound(decoding, heard)
    except (UserError, OSError) as error:
        missing.append(f"No sound: {getattr(error, 'line', error)}.")
    try:
        _read_words(decoding, heard)
    except (UserError, OSError, IndexError, KeyError, ValueError) as error:
        missing.append(f"No word times: {getattr(error, 'line', error)}.")
    return heard, missing


def _read_sound(decoding, heard):
    from utils.data.audio import for_each_utt
    from utils.data.datadir import DataDir
    if decoding.data is None:
        raise UserError(decoding.options.get("data", decoding.path), "no such data directory")
    data = DataDir(decoding.data)
    data.require("wav.scp")
    for utt, samples, rate in for_each_utt(data, list(heard), channel="mix", limit=len(heard)):
        heard[utt].samples, heard[utt].rate = samples, rate
    if any(one.samples is None for one in heard.values()):
        raise UserError(data.path / "wav.scp", "some recordings cannot be read")


def _read_words(decoding, heard):
    from steps.decode.lattice import read_lattices
    from steps.decode.lattice_io import lattice_files
    from steps.decode.word_list import WordList
    from steps.decode.word_times import timed_words
    from steps.hmm.model import read_transitions
    from steps.hmm.timing import frame_shift
    from utils.lang.langdir import LangDir
    if decoding.summary.get("mbr"):
        raise UserError(decoding.path, "words of minimum Bayes risk have no times",
                        None if "systems" in decoding.summary else "score it with --mbr false")
    options = {key: value for step in ("decode", "decode_fmllr", "score")
               for key, value in decoding.done.get(step, {}).get("options", {}).items() if value}
    graph = resolve(options.get("graph"), decoding.base)
    model = resolve(options.get("model") or decoding.path.parent, decoding.base)
    if graph is None or model is None or not (model / "final.mdl").is_file():
        raise UserError(graph or options.get("graph", "graph"), "graph or model is not there")
    lang, words = LangDir(graph), WordList(graph)
    transitions = read_transitions(model / "final.mdl")
    shift = frame_shift(model)
    setting = float(decoding.summary["lmwt"]), float(decoding.summary["wip"])
    left = set(heard)
    for path in lattice_files(decoding.path):
        for utt, lattice in read_lattices(path):
            if utt in left:
                left.remove(utt)
                heard[utt].words = [
                    (word, start * shift, end * shift, confidence)
                    for word, start, end, confidence in words.timed(
                        timed_words(lattice, *setting, transitions, lang)[0], utt)]
            if not left:
                return


def sound_uri(samples, rate):
    """A data URI: MP3 where soundfile writes it, else WAV; at most MAX_SECONDS of it."""
    import soundfile

    from utils.data.audio import resample
    samples = samples[:int(MAX_SECONDS * rate)]
    if rate != RATE:
        samples = np.clip(resample(samples, rate, RATE), -1, 1)
    for form, kind, options in (("MP3", "mpeg", {"subtype": "MPEG_LAYER_III",
                                                 "compression_level": 0.7}),
                                ("WAV", "wav", {"subtype": "PCM_16"})):
        file = io.BytesIO()
        try:
            soundfile.write(file, samples, RATE, format=form, **options)
        except (soundfile.LibsndfileError, ValueError, TypeError) as error:
            log(f"sound is not written as {form}: {error}")
            continue
        return data_uri(file.getvalue(), f"audio/{kind}")
    raise UserError("soundfile", "writes neither MP3 nor WAV", "install it again")


def spectrogram(samples, rate):
    """Shades of a log mel spectrogram, uint8 (NUM_BANDS, num_columns), low frequencies below."""
    samples = samples[:int(MAX_SECONDS * rate)]
    size, shift = round(WINDOW * rate), SHIFT * rate
    count = max(1, round(len(samples) / shift))
    # Window n stands around the middle of column n.
    starts = ((np.arange(count) + 0.5) * shift).astype(int)
    padded = np.pad(samples, (size // 2, size))
    frames = padded[starts[:, None] + np.arange(size)] * np.hanning(size)
    fft = 1 << (size - 1).bit_length()
    power = np.abs(np.fft.rfft(frames, fft)) ** 2                  # (count, fft / 2 + 1)
    db = 10 * np.log10(power @ _mel_bands(fft, rate).T + 1e-10)    # (count, NUM_BANDS)
    shades = (db - np.quantile(db, 0.998) + RANGE_DB) / RANGE_DB
    return np.rint(np.clip(shades, 0, 1) * (LEVELS - 1)).astype(np.uint8).T[::-1]


def _mel_bands(fft, rate):
    """Triangles on the mel scale up to 8 kHz, float64 (NUM_BANDS, fft / 2 + 1)."""
    edges = 700 * (np.exp(np.linspace(np.log1p(60 / 700), np.log1p(min(rate / 2, 8000) / 700),
                                      NUM_BANDS + 2)) - 1)
    bins = np.arange(fft // 2 + 1) * rate / fft
    edges = np.maximum(edges, np.arange(NUM_BANDS + 2) * 1e-6)
    up = (bins - edges[:-2, None]) / np.maximum(edges[1:-1] - edges[:-2], rate / fft)[:, None]
    down = (edges[2:, None] - bins) / np.maximum(edges[2:] - edges[1:-1], rate / fft)[:, None]
    return np.maximum(0, np.minimum(up, down))


def png_uri(shades):
    """A PNG of one ink, more or less of it: it stands on any background.

    shades   uint8 (height, width), 0 to LEVELS - 1
    """
    height, width = shades.shape
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(shades))
    alpha = bytes(round(255 * (level / (LEVELS - 1)) ** 2) for level in range(LEVELS))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
              (b"PLTE", bytes(INK) * LEVELS), (b"tRNS", alpha),
              (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return data_uri(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks), "image/png")


def data_uri(content, kind):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"

