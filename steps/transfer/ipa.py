"""The sounds that phones stand for: symbols of phone sets and letters of scripts to IPA.

    sounds = sounds_of(["SIL", "AH0_B", "CH_E"])      # {"CH_E": Sound("t͡ʃ", "", SPEECH, False)}
    kind = guess_kind(["AH0", "CH"])                   # "arpabet"
"""

import re
import unicodedata
from functools import cache
from typing import NamedTuple

from steps.transfer.symbols import ARPABET, KIRSHENBAUM, LETTERS, XSAMPA
from utils.data.tables import read_lines
from utils.step import UserError

KINDS = ("ipa", "arpabet", "xsampa", "espeak", "graphemes")
SPEECH, SILENCE, NOISE = "speech", "silence", "noise"
POSITIONS = ("_B", "_E", "_I", "_S")
SILENCES = {"sil", "silence", "<sil>", "pau", "sp", "h#", "#h", "epi", "bcl", "dcl", "gcl", "pcl",
            "tcl", "kcl", "[sil]", "_", "-"}
NOISES = {"spn", "nsn", "lau", "noise", "garbage", "unk", "oov", "brth", "breath", "hes", "fil"}

# IPA letters that panphon does not know, or that are written in more than one way.
_SAME = {"g": "ɡ", "ᵻ": "ɨ", "ᵿ": "ʊ", ":": "ː", "ɫ": "l", "ʦ": "ts",
         "ʣ": "dz", "ʧ": "tʃ", "ʤ": "dʒ", "ʨ": "tɕ", "ʥ": "dʑ", "ƈ": "c",
         "ʱ": "\u0324", "\u030a": "\u0325", "\u030d": "\u0329"}
_PRENASAL = {"ᵐ": "m", "ᶬ": "ɱ", "ⁿ": "n", "ᶯ": "ɳ", "ᶮ": "ɲ", "ᵑ": "ŋ", "ᶰ": "ɴ"}
_RETROFLEX = {"tʂ": "ʈʂ", "dʐ": "ɖʐ", "ə˞": "ɚ", "ɜ˞": "ɝ"}
_EJECTIVE = re.compile("(?<=[ptʈckqsʃʂɕɬxχfθ])['’]")
_AFFRICATES = re.compile("(?<=[ptdbkɡcɟʈɖ])(?=[ʃʒszɕʑʂʐfvɸβxɣçʝɬɮθðbp])")
_PAIRS = {"tʃ", "dʒ", "ts", "dz", "tɕ", "dʑ", "ʈʂ", "ɖʐ", "pf", "bv", "kx", "tɬ", "dɮ", "cç", "ɟʝ",
          "tθ", "dð", "kp", "ɡb"}
_TONE_MARKS = "\u0300\u0301\u0302\u0304\u030b\u030c\u030f\u1dc4\u1dc5\u1dc6\u1dc7"
_TONES = re.compile(f"[{_TONE_MARKS}˥˦˧˨˩0-9⁰¹²³⁴⁵⁶⁷⁸⁹ꜛꜜ↗↘]")
# Not ç, which French, Portuguese, Turkish and Albanian are written with.
_IPA_ONLY = set("ɡɹɾʁɪʌɜɒɐɚɝᵻːˈˌ͡ʰʲʃʒθɥɬɮʎχɸʈɻɽʂʐʔ")
_GREEK = set("αγδεζηικλμνξοπρςστυφψω")     # but for those that are IPA too
_XSAMPA_PARTS = re.compile(f"({'|'.join(map(re.escape, XSAMPA))})")
_XSAMPA_ONLY = re.compile(r"[@{}&~\\`=:?0-9]|_|^[AEIOUSZTDNRHJQV]$|^[a-z][SZ]$")


class Sound(NamedTuple):
    """What one phone stands for.

    ipa      IPA of its segments, one or, for diphthongs, more; "" if it is no speech
    tone     tone marks or digits, taken off the IPA
    kind     SPEECH, SILENCE or NOISE
    guessed  whether the IPA comes from spelling, and not from a phone set or a user's table
    """
    ipa: str
    tone: str = ""
    kind: str = SPEECH
    guessed: bool = False


def real_phones(phones):
    """The phones without <eps> and the disambiguation symbols #0, #1, ..."""
    return [p for p in phones if p != "<eps>" and not re.fullmatch(r"#\d+", p)]


def split_positions(phones):
    """{phone: (base, position)}: AH_B is ("AH", "_B"); position "" where phones have none.

    Phones depend on their positions if most, silences and noises aside, end in _B, _E, _I or _S.
    """
    speech = [p for p in phones if not_speech(re.sub("_[BEIS]$", "", p)) is None]
    dependent = 2 * sum(len(p) > 2 and p.endswith(POSITIONS) for p in speech) > len(speech)
    return {p: (p[:-2], p[-2:]) if dependent and len(p) > 2 and p.endswith(POSITIONS) else (p, "")
            for p in phones}


def not_speech(base):
    """SILENCE or NOISE if a phone without its position is named like one, else None."""
    name = base.lower()
    if name in SILENCES:
        return SILENCE
    if name in NOISES or re.fullmatch(r"<.+>|\[.+\]|\+.+\+|%.+", name):
        return NOISE
    return None


def guess_kind(phones):
    """One of KINDS that the phones (with or without positions) look like."""
    bases = {base for base, _ in split_positions(real_phones(phones)).values()
             if not_speech(base) is None}
    arpabet = {re.sub("[0-2]$", "", base).upper() for base in bases}
    if sum(base in ARPABET for base in arpabet) >= 0.9 * len(arpabet) \
            and any(len(base) > 1 for base in arpabet):
        return "arpabet"
    letters = set(unicodedata.normalize("NFD", "".join(bases)))
    if letters & (_IPA_ONLY - set("θχ") if letters & _GREEK else _IPA_ONLY):
        return "ipa"
    if all(base.isascii() for base in bases) and any(_XSAMPA_ONLY.search(b) for b in bases) \
            and any(base.islower() for base in bases) and not _have_tones(bases):
        return "xsampa"
    return "graphemes"


def _have_tones(bases):
    """Whether one base is there with different digits after it, as pinyin's a1 and a4."""
    toneless = [re.sub("[0-9]$", "", base) for base in bases if re.search(".[0-9]$", base)]
    return len(set(toneless)) < len(toneless)


def sounds_of(phones, kind="auto", table=None, letters=None, silences=None, where="phones.txt"):
    """{phone: Sound} of a set of phones; real_phones() are left out of phones.

    kind      one of KINDS, or "auto" for guess_kind()
    table     {symbol: IPA, or SIL or SPN}, which goes before kind, for some or all symbols
    letters   {letter: IPA} that goes before LETTERS, for graphemes
    silences  {phone: SILENCE or NOISE} of all that are no speech; None: by their names
    raises    UserError naming `where` and the symbols whose sound is not known
    """
    phones = real_phones(phones)
    kind = guess_kind(phones) if kind == "auto" else kind
    sounds, unknown = {}, []
    for phone, (base, _) in split_positions(phones).items():
        sound = _sound(phone, base, kind, table or {}, letters or {}, silences)
        if sound is None or (sound.kind == SPEECH and not _all_known(sound.ipa)):
            unknown.append(base)
        sounds[phone] = sound
    if unknown:
        shown = " ".join(dict.fromkeys(unknown))
        raise UserError(where, f"no sound is known for {shown} as {kind}",
                        "name the right kind of symbols, give their IPA in a table or, of letters, "
                        "eSpeak's voice")
    return sounds


def _all_known(ipa):
    """Whether panphon knows all letters of an IPA string, of which it leaves out what it does not.
    """
    plain = re.sub("[ɚɝ]", "ə", ipa)
    segments = panphon().ipa_segs(plain)
    letters = {c for c in plain if unicodedata.category(c) in ("Ll", "Lu", "Lo")}
    return bool(segments) and letters <= set("".join(segments))


def _sound(phone, base, kind, table, letters, silences):
    said = table.get(nfc(phone), table.get(nfc(base)))
    if said is not None:
        other = not_speech(said.strip("/[]"))     # [a] is IPA, and no noise
        return Sound("", kind=other) if other else clean(said)
    if kind in ("xsampa", "espeak"):
        base = base.lstrip("%") or base           # stress, and no noise
    other = not_speech(base) if silences is None else silences.get(phone)
    if other:
        return Sound("", kind=other)
    if kind == "arpabet":
        ipa = ARPABET.get(re.sub("[0-2]$", "", base).upper())
        return ipa and clean("ə" if base.upper() == "AH0" else ipa)
    if kind == "xsampa":
        return clean("".join(XSAMPA.get(part) or _xsampa().convert(part)
                             for part in _XSAMPA_PARTS.split(base)))
    if kind == "espeak":
        return clean(base if not base.isascii() else _kirshenbaum(base))
    if kind == "ipa":
        return clean(base)
    return _letter(base, letters)


def clean(ipa):
    """The Sound of an IPA symbol: stress left out, tones apart, affricates tied as panphon's, a
    small nasal before a stop as a segment of its own."""
    ipa = _EJECTIVE.sub("ʼ", unicodedata.normalize("NFD", ipa).strip("/[]"))
    ipa = re.sub("[ˈˌ'\u0361\u035c.‿ ]", "", ipa)
    tone = "".join(_TONES.findall(ipa))
    ipa = _PRENASAL.get(ipa[:1], ipa[:1]) + ipa[1:]
    ipa = "".join(_SAME.get(c, c) for c in _TONES.sub("", ipa))
    ipa = re.sub("|".join(_RETROFLEX), lambda m: _RETROFLEX[m[0]], ipa)
    ipa = unicodedata.normalize("NFC", ipa)     # as _PAIRS are
    ipa = _AFFRICATES.sub(
        lambda m: "͡" if ipa[m.start() - 1:m.start() + 1] in _PAIRS else "", ipa)
    return Sound(unicodedata.normalize("NFD", ipa), tone)


def _letter(base, letters):
    """The Sound of a letter or group of letters, or None."""
    letter = unicodedata.normalize("NFC", base.lower())
    plain = unicodedata.normalize("NFD", letter)
    tone = "".join(c for c in plain if c in _TONE_MARKS)
    toneless = unicodedata.normalize("NFC", "".join(c for c in plain if c not in _TONE_MARKS))
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    if letter in letters:
        ipa = letters[letter]
        tone = tone if ipa == letters.get(toneless) else ""   # an accent may be of another sound
    elif letter in LETTERS:
        ipa, tone = LETTERS[letter], ""
    elif toneless in letters or toneless in LETTERS:
        ipa = letters.get(toneless) or LETTERS[toneless]
    elif "\u0303" in plain and bare in LETTERS:
        ipa = letters.get(bare, LETTERS[bare]) + "\u0303"
    elif len(bare) > 1 and all(c in LETTERS or c.isalpha() for c in bare):
        ipa = "".join(letters.get(c) or LETTERS.get(c, c) for c in bare)
    else:
        ipa = letters.get(bare) or LETTERS.get(bare, bare)
    return clean(ipa)._replace(tone=tone, guessed=True)


def _kirshenbaum(symbol):
    if symbol in KIRSHENBAUM:
        return KIRSHENBAUM[symbol]
    symbol = re.sub("(?<=[A-Za-z@])[0-9#]+$", "", symbol.strip("',%=_"))
    return re.sub("tS|dZ|[nl]\\^|[iugnr]\"|[uo]-|[sz];|[tdsznlr]\\.|.",
                  lambda m: KIRSHENBAUM.get(m[0], m[0]), symbol)


@cache
def panphon():
    """panphon's table of IPA segments and their features."""
    from panphon import FeatureTable
    return FeatureTable()


@cache
def _xsampa():
    from panphon.xsampa import XSampa
    return XSampa()


def read_table(path):
    """{symbol: IPA} of a user's file, one symbol and its IPA (or SIL or SPN) a line."""
    table = {}
    for number, line in enumerate(read_lines(path), 1):
        fields = line.split()
        if len(fields) != 2:
            raise UserError(f"{path}:{number}", f"expected `symbol IPA`, found {line!r}")
        if nfc(fields[0]) in table:
            raise UserError(f"{path}:{number}", f"{fields[0]} is here twice")
        table[nfc(fields[0])] = fields[1]
    return table


def nfc(symbol):
    """A symbol as tables have it, its accents and letters composed."""
    return unicodedata.normalize("NFC", symbol)
