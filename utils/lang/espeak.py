"""eSpeak NG's library (from the wheel espeakng-loader): phonemes in IPA, and speech.

    espeak = Espeak("en-us")
    espeak.phonemes("judge")                     # ["dʒ", "ˈʌ", "dʒ"]
    samples, rate = espeak.synthesise("hello", rate_wpm=160, variant="f3")
"""

import atexit
import ctypes
import json
import os
import re
import tempfile
import threading
import unicodedata
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.step import UserError

RATE_RANGE = (80, 450)
_UTF8 = 1
_SYNCHRONOUS = 2
_PHONEME_EVENTS, _IPA_EVENTS, _DO_NOT_EXIT = 1, 2, 0x8000
_IPA_NAMES = 2
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7
_MAX_PATH = 140   # bytes; with a longer data path the library silently tries another one
_SEPARATOR = "|"
_LANGUAGE_SWITCH = re.compile(r"\([a-z][\w-]*\)")
# Marks of eSpeak's own notation that its IPA lets through, and that say nothing of the sound.
_STRAY = str.maketrans("", "", "#-_^~`[];'%=!\u200d\u200c")
# Languages in which digits at a phoneme's end are tones. The IPA names spoil these (35 becomes ɜ,
# 51 and 55 both 5), eSpeak's own names have them whole.
_TONAL = {"cmn", "yue", "hak", "nan", "vi", "th", "shn", "my"}
_lock = threading.RLock()


class Event(NamedTuple):
    """A word or phoneme in the speech: it begins at `seconds`; text is the word or IPA symbol."""
    kind: str
    seconds: float
    text: str


class _RawEvent(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("identifier", ctypes.c_uint),
                ("text_position", ctypes.c_int), ("length", ctypes.c_int),
                ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
                ("user_data", ctypes.c_void_p), ("name", ctypes.c_char * 8)]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int,
                             ctypes.POINTER(_RawEvent))


class _Library:
    """The one instance of a process: the library keeps its voice and parameters in globals."""

    def __init__(self):
        import espeakng_loader

        self.data = Path(espeakng_loader.get_data_path())
        self.lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self.lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.lib.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int,
                                                   ctypes.c_int]
        self.lib.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
            ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]
        self.rate = self.lib.espeak_Initialize(
            _SYNCHRONOUS, 0, str(self._short_path()).encode(),
            _PHONEME_EVENTS | _IPA_EVENTS | _DO_NOT_EXIT)
        if self.rate <= 0:
            raise UserError(self.data, "eSpeak NG cannot read its data",
                            "reinstall it: pip install --force-reinstall espeakng-loader")
        self.callback = _Callback(self._receive)   # held here, or it would be collected
        self.lib.espeak_SetSynthCallback(self.callback)
        self.voice = None
        self.chunks, self.events = [], []

    def _short_path(self):
        if len(str(self.data).encode()) <= _MAX_PATH:
            return self.data
        directory = tempfile.TemporaryDirectory(prefix="espeak")
        atexit.register(directory.cleanup)
        link = Path(directory.name) / "espeak-ng-data"
        link.symlink_to(self.data)
        return link

    def set_voice(self, voice):
        if voice != self.voice:
            if self.lib.espeak_SetVoiceByName(voice.encode()) != 0:
                self.voice = None
                raise UserError(voice, "eSpeak NG has no such language",
                                "expected a code such as en-us, fr, sw")
            self.voice = voice

    def _receive(self, samples, count, events):
        if samples and count > 0:
            self.chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type:
            event = events[index]
            self.events.append((event.type, event.sample, event.text_position, event.length,
                                event.name))
            index += 1
        return 0


@cache
def _library():
    return _Library()


def languages():
    """Codes of the languages and accents that eSpeak NG has, sorted."""
    return sorted({path.name for path in (_library().data / "lang").rglob("*") if path.is_file()})


def variants():
    """Names of voice variants (f1, m3, whisper, ...), which go with every language."""
    return sorted(path.name for path in (_library().data / "voices" / "!v").iterdir())


class Espeak:
    """One language or accent. Instances share the process's library; calls are serialised."""

    def __init__(self, voice):
        self.voice = voice
        with _lock:
            if not voice or "+" in voice:
                raise UserError(voice or "voice", "expected a language code such as en-us",
                                "the variant is an argument of synthesise")
            _library().set_voice(voice)
        self.is_tonal = re.split(r"[-/]", voice.lower())[0] in _TONAL

    def phonemes(self, word):
        """The phonemes of a word as IPA symbols, [] if eSpeak cannot say it.

        Stress stands before its vowel (ˈ primary, ˌ secondary), length after it (ː), and a tone as
        digits after its vowel. A word without digits that eSpeak reads as several words is one that
        it spells out for want of the script, so it cannot say it.
        """
        word = unicodedata.normalize("NFC", word)   # e and a combining acute are an e to eSpeak
        with _lock:
            _library().set_voice(self.voice)
            symbols = self._translate(word, _IPA_NAMES)
            names = self._translate(word, 0) if self.is_tonal else []
        groups = [group for group in " ".join(symbols).split(" ") if group.strip(_SEPARATOR)]
        if len(groups) > 1 and not any(character.isdigit() for character in word):
            return []
        tokens = [token for token in _tokens(symbols) if token]
        names = [name for name in _tokens(names) if name and not name.startswith("_")]
        if self.is_tonal and len(names) == len(tokens):
            tokens = [_restore_tone(token, name)
                      for token, name in zip(tokens, names, strict=True)]
        return [symbol for symbol in (t.translate(_STRAY) for t in tokens) if symbol.strip("ˈˌ")]

    def _translate(self, text, mode):
        """eSpeak's string for each clause of the text."""
        buffer = ctypes.create_string_buffer(text.encode())
        pointer = ctypes.c_void_p(ctypes.addressof(buffer))
        clauses = []
        while pointer.value:
            clause = _library().lib.espeak_TextToPhonemes(
                ctypes.byref(pointer), _UTF8, mode | ord(_SEPARATOR) << 8)
            clauses.append((clause or b"").decode("utf-8", "replace"))
        return clauses

    def synthesise(self, text, rate_wpm=175, pitch=50, pitch_range=50, variant="", word_gap=0,
                   seed=1):
        """Speak a text: int16 samples (num_samples,) and their rate in Hz."""
        return self.synthesise_with_events(text, rate_wpm, pitch, pitch_range, variant, word_gap,
                                           seed)[:2]

    def synthesise_with_events(self, text, rate_wpm=175, pitch=50, pitch_range=50, variant="",
                               word_gap=0, seed=1):
        """As synthesise, and the list of Events: where each word and phoneme begins.

        rate_wpm            80 to 450 words a minute
        pitch, pitch_range  0 to 100, 50 the voice's own
        variant             one of variants(), "" for the language's own voice
        word_gap            pause between words in units of 10 ms at 175 words a minute
        """
        if variant and variant not in variants():
            raise UserError(variant, "eSpeak NG has no such voice variant",
                            f"one of {' '.join(variants()[:8])} ...")
        text = unicodedata.normalize("NFC", text)
        voice = self.voice + (f"+{variant}" if variant else "")
        parameters = ((_RATE, rate_wpm), (_PITCH, pitch), (_RANGE, pitch_range),
                      (_WORD_GAP, word_gap))
        with _lock:
            samples, raw = _in_child(lambda: _synthesise(text, voice, parameters, seed), text)
        return samples, _library().rate, _events(raw, text, _library().rate)


def _synthesise(text, voice, parameters, seed):
    library = _library()
    library.set_voice(voice)
    for parameter, value in parameters:
        library.lib.espeak_SetParameter(parameter, int(value), 0)
    library.lib.espeak_ng_SetRandSeed(ctypes.c_long(seed))
    ctypes.CDLL(None).srand(seed)
    data = text.encode()
    status = library.lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
    if status != 0:
        raise RuntimeError(f"espeak_Synth returned {status}")
    samples = np.concatenate(library.chunks) if library.chunks else np.zeros(0, np.int16)
    return samples, library.events


def _in_child(work, what):
    """The result of work() in a forked process: int16 samples and rows of events.

    Phases and noise of one synthesis run on into the next and no call of the library resets
    them, so speech would depend on what was spoken before it. Each is spoken by a child that has
    spoken nothing else, and the same request always gives the same samples.
    """
    _library()
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(source)
            samples, events = work()
            header = json.dumps([[*row[:4], row[4].decode("utf-8", "ignore")] for row in events])
            with os.fdopen(sink, "wb") as pipe:
                pipe.write(header.encode() + b"\n" + samples.tobytes())
            status = 0
        finally:
            os._exit(status)
    os.close(sink)
    with os.fdopen(source, "rb") as pipe:
        header, data = pipe.readline(), pipe.read()
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError(f"eSpeak NG failed on {what!r}")
    return np.frombuffer(data, np.int16).copy(), json.loads(header)


def _tokens(clauses):
    text = _LANGUAGE_SWITCH.sub("", " ".join(clauses)).replace(" ", _SEPARATOR)
    return text.split(_SEPARATOR)


def _restore_tone(symbol, name):
    tone = re.search(r"\d+$", name)
    if not tone or tone[0] == name:
        return symbol
    return re.sub(r"(\d+|ɜ)$", "", symbol) + tone[0]


def _events(raw, text, rate):
    events = []
    for kind, sample, position, length, name in raw:
        if kind == 1 and length:
            events.append(Event("word", sample / rate, text[position - 1: position - 1 + length]))
        elif kind == 7 and name:
            events.append(Event("phoneme", sample / rate, name))
    return events
