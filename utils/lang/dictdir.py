"""Dict directories, ours or Kaldi's: check, read and write them.

lexicon.txt            word phone1 phone2 ...
lexiconp.txt           word probability phone1 phone2 ...   (wins over lexicon.txt)
silence_phones.txt     base phone and its variants a line, silence and noises
nonsilence_phones.txt  the same for speech; phones of a line share a tree root
optional_silence.txt   the phone that may stand between words
extra_questions.txt    sets of phones for the tree; may be empty
"""

from pathlib import Path
from typing import NamedTuple

from utils.data.tables import read_lines
from utils.lang.lexicon import ODD_SPACE, Entry, Problem, scan_lexicon, split_fields
from utils.step import UserError, write_atomic

FILES = ("lexiconp.txt", "lexicon.txt", "silence_phones.txt", "nonsilence_phones.txt",
         "optional_silence.txt", "extra_questions.txt", "word_boundary.txt", "bpe.model",
         "units.txt")
POSITIONS = ("_B", "_E", "_I", "_S")


class Dict(NamedTuple):
    """silence, nonsilence, extra_questions: lists of lists of phones, one per line."""
    entries: list
    silence: list
    nonsilence: list
    optional_silence: str
    extra_questions: list


def read_dict(directory):
    """A Dict; the first problem of check_dict is raised."""
    contents, problems = check_dict(directory)
    if problems:
        raise UserError(*problems[0])
    return contents


def check_dict(directory):
    """Read a dict directory and find all that is wrong with it.

    returns  Dict, [Problem]; Dict is complete only if there is no problem
    """
    directory = Path(directory)
    if not directory.is_dir():
        return None, [Problem(str(directory), "no such dict directory")]
    problems = []
    silence = _phone_rows(directory / "silence_phones.txt", problems)
    nonsilence = _phone_rows(directory / "nonsilence_phones.txt", problems)
    _check_phone_names(silence + nonsilence, problems)
    sil = {phone for _, row in silence for phone in row}
    known = sil | {phone for _, row in nonsilence for phone in row}
    optional = _phone_rows(directory / "optional_silence.txt", problems)
    if optional and (len(optional) > 1 or len(optional[0][1]) > 1
                     or optional[0][1][0] not in sil):
        problems.append(Problem(str(directory / "optional_silence.txt"),
                                "expected one phone of silence_phones.txt"))
    questions = []
    if (directory / "extra_questions.txt").exists():
        questions = _phone_rows(directory / "extra_questions.txt", problems, empty_ok=True)
        for where, row in questions:
            _check_known(where, row, known, problems)
        _check_distinguished(nonsilence, questions, problems)
    entries = _lexicon(directory, known, problems)
    return Dict(entries, [row for _, row in silence], [row for _, row in nonsilence],
                optional[0][1][0] if optional else "", [row for _, row in questions]), problems


def _lexicon(directory, known, problems):
    """The entries of lexiconp.txt, or of lexicon.txt; both are checked."""
    found = {}
    for name, num_probs in (("lexiconp.txt", 1), ("lexicon.txt", 0)):
        path = directory / name
        if not path.exists() or not _readable(path, problems):
            continue
        numbered, wrong = scan_lexicon(path, num_probs)
        problems += wrong
        for number, entry in numbered:
            if not known.issuperset(entry.phones):
                _check_known(f"{path}:{number}", entry.phones, known, problems, entry.word)
        found[name] = [entry for _, entry in numbered]
    if not found:
        problems.append(Problem(str(directory), "neither lexicon.txt nor lexiconp.txt is here"))
        return []
    if len(found) == 2 and [(e.word, e.phones) for e in found["lexicon.txt"]] != \
            [(e.word, e.phones) for e in found["lexiconp.txt"]]:
        problems.append(Problem(str(directory / "lexicon.txt"),
                                "has other words or pronunciations than lexiconp.txt",
                                "remove the older one"))
    return next(iter(found.values()))


def _readable(path, problems):
    """Whether the file can be read at all; byte-order mark, CR and odd spaces are noted."""
    try:
        lines = read_lines(path)
        data = path.read_bytes()
    except (UserError, OSError) as error:
        where, _, what = str(error).partition(": ")[2].partition(": ")
        problems.append(Problem(where or str(path), what or str(error)))
        return False
    if data.startswith(b"\xef\xbb\xbf"):
        problems.append(Problem(f"{path}:1:1", "byte-order mark", "remove it"))
    if data and not data.endswith(b"\n"):
        problems.append(Problem(f"{path}:{len(lines)}", "the last line has no line end"))
    if b"\0" in data:
        problems.append(Problem(f"{path}:{data.count(10, 0, data.index(0)) + 1}",
                                "a zero byte", "is this a text file in UTF-8?"))
        return False
    for number, line in enumerate(lines, 1):
        if "\r" in line:
            problems.append(Problem(f"{path}:{number}:{line.index(chr(13)) + 1}",
                                    "carriage return", "remove all of them: sed -i 's/\\r//g'"))
            break
    for number, line in enumerate(lines, 1):
        odd = ODD_SPACE.search(line)
        if odd:
            problems.append(Problem(f"{path}:{number}:{odd.start() + 1}",
                                    f"white space U+{ord(odd[0]):04X} other than space and tab"))
    return True


def _phone_rows(path, problems, empty_ok=False):
    """[("file:line", phones of the line)]"""
    if not path.exists():
        problems.append(Problem(str(path), "no such file"))
        return []
    if not _readable(path, problems):
        return []
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        row = split_fields(line.replace("\r", ""))
        if row:
            rows.append((f"{path}:{number}", row))
        else:
            problems.append(Problem(f"{path}:{number}", "empty line", "remove it"))
    if not rows and not empty_ok:
        problems.append(Problem(str(path), "no phones in it"))
    return rows


def _check_phone_names(rows, problems):
    seen = {}
    for where, row in rows:
        for phone in row:
            if phone in seen:
                problems.append(Problem(where, f"phone {phone} is also in {seen[phone]}",
                                        "a phone stands once, as silence or as speech"))
            seen.setdefault(phone, where)
            if phone.startswith("#") or phone == "<eps>":
                problems.append(Problem(where, f"phone {phone} looks like a symbol of the FSTs",
                                        "give it another name"))
            elif phone.endswith(POSITIONS):
                problems.append(Problem(where, f"phone {phone} ends like a position in the word",
                                        "no phone may end in _B, _E, _I or _S"))


def _check_known(where, phones, known, problems, word=None):
    for phone in phones:
        if phone not in known:
            of = f" of {word}" if word else ""
            problems.append(Problem(where, f"phone {phone}{of} is neither in silence_phones.txt "
                                           "nor in nonsilence_phones.txt"))


def _check_distinguished(nonsilence, questions, problems):
    """Phones of one line share a tree root, so some extra question must tell them apart."""
    sets = [set(row) for _, row in questions]
    for where, row in nonsilence:
        by_answers = {}
        for phone in dict.fromkeys(row):
            answers = tuple(phone in question for question in sets)
            other = by_answers.setdefault(answers, phone)
            if other != phone:
                problems.append(Problem(where, f"{other} and {phone} share a tree root and no "
                                        "question of extra_questions.txt tells them apart",
                                        "one line each, or add a question"))


def check_symbols(phones, where="dict"):
    """Raise a UserError if a phone has a name that no dict directory may have."""
    problems = []
    _check_phone_names([(str(where), sorted(phones))], problems)
    if problems:
        raise UserError(*problems[0])


def write_dict(directory, entries, nonsilence, extra_questions=(), silence=("SIL", "SPN"),
               optional_silence="SIL"):
    """Write a dict directory: lexiconp.txt and lexicon.txt sorted by word and pronunciation.

    entries     Entries without silence and unknown word, which are added: !SIL and <UNK>
    nonsilence  lists of phones, one line each
    """
    directory = Path(directory)
    spoken = {entry.word for entry in entries}
    extra = [("!SIL", optional_silence), ("<UNK>", silence[-1])]
    entries = sorted({*entries, *(Entry(word, 1.0, (phone,)) for word, phone in extra
                                  if word not in spoken)})
    rows = {
        "lexiconp.txt": [f"{e.word} {e.prob:.6g} {' '.join(e.phones)}" for e in entries],
        "lexicon.txt": [f"{e.word} {' '.join(e.phones)}" for e in entries],
        "silence_phones.txt": silence,
        "nonsilence_phones.txt": [" ".join(row) for row in nonsilence],
        "optional_silence.txt": [optional_silence],
        "extra_questions.txt": [" ".join(row) for row in extra_questions],
    }
    for name, lines in rows.items():
        write_atomic(directory / name, "".join(line + "\n" for line in lines))
