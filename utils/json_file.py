"""JSON files that steps write and read: what is damaged is told in one line."""

import json
from pathlib import Path

from utils.step import UserError


def read_json(path, do="make it again", missing="no such file", keys=()):
    """The object, a dict, in a JSON file.

    do, missing  what to do and what is said if it is not there
    keys         what must be in it: "wer.words" is the words of an object wer
    raises       UserError if it is not there, is no object, or lacks a key
    """
    try:
        found = json.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(path, missing, do) from None
    except OSError as error:
        raise UserError(path, f"cannot be read, {error.strerror.lower()}", do) from None
    except ValueError as error:
        raise UserError(path, f"is damaged, no JSON ({error})", do) from None
    if not isinstance(found, dict):
        raise UserError(path, "is damaged, no JSON object", do)
    for key in keys:
        inner = found
        for name in key.split("."):
            if not isinstance(inner, dict) or name not in inner:
                raise UserError(path, f"is damaged, it has no {key}", do)
            inner = inner[name]
    return found
