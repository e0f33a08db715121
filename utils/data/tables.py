"""Kaldi's text tables: one `key value` a line, UTF-8, sorted by code point.

    table = read_table("data/train/utt2spk")       # {"fash-an251": "fash", ...}, sorted
    write_table("data/train/utt2spk", table)
"""

from pathlib import Path

from utils.step import UserError, write_atomic


def read_table(path, empty_ok=False):
    """{key: rest of the line} in code-point order of the keys, whatever the file's order.

    path       file with lines `key value`; only space and tab separate, as in Kaldi
    empty_ok   whether a key may stand without a value
    raises     UserError with file and line: no such file, not UTF-8, empty line, key twice
    """
    path = Path(path)
    table = {}
    for number, line in enumerate(read_lines(path), 1):
        key, _, value = line.replace("\t", " ").strip(" \r").partition(" ")
        value = value.lstrip(" ")
        if not key:
            raise UserError(f"{path}:{number}", "empty line", "remove it, or run fix_data_dir.py")
        if not value and not empty_ok:
            raise UserError(f"{path}:{number}", f"{key} has no value",
                            "expected `key value`; or run fix_data_dir.py")
        if key in table:
            raise UserError(f"{path}:{number}", f"{key} is here twice",
                            "keys are unique; remove one, or run fix_data_dir.py")
        table[key] = value
    return dict(sorted(table.items()))


def read_lines(path):
    """The lines of a UTF-8 file without their ends; a byte-order mark is dropped.

    raises UserError with file, line and column where it is not UTF-8
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(path, "no such file") from None
    except OSError as error:
        raise UserError(path, f"cannot be read, {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise UserError(f"{path}:{line}:{column}", f"byte 0x{data[error.start]:02x} is not UTF-8",
                        "convert the file with iconv") from None
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def write_table(path, table):
    """Write {key: value}, sorted by code point, whole or not at all. Lists are joined by spaces.

    raises UserError for a line end within a row: a name of a file may have one, and what follows
    would be read as a row of its own
    """
    rows = [f"{key} {value if isinstance(value, str) else ' '.join(map(str, value))}".rstrip(" ")
            for key, value in sorted(table.items())]
    text = "".join(row + "\n" for row in rows)
    if text.count("\n") != len(rows):
        row = next(row for row in rows if "\n" in row)
        raise UserError(path, f"{row!r} has a line end in it", "rename the file or folder")
    write_atomic(path, text)
