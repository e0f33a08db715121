"""JSON files that steps write and read: what is damaged is told in one line."""

import json
from functools import partial
from pathlib import Path

from utils.step import UserError


class JsonObject(dict):
    """An object of a JSON file; to look up a key that it lacks is a UserError, not a KeyError."""

    def __init__(self, pairs, path, do):
        super().__init__(pairs)
        self.path, self.do = path, do

    def __missing__(self, key):
        raise UserError(self.path, f"is damaged, it has no {key}", self.do)


def read_json(path, do="make it again", missing="no such file"):
    """The object in a JSON file, a JsonObject; so are the objects in it.

    do, missing  what to do and what is said if it is not there
    raises       UserError if it is not there or is no object
    """
    try:
        found = json.loads(Path(path).read_text("utf-8"),
                           object_hook=partial(JsonObject, path=path, do=do))
    except FileNotFoundError:
        raise UserError(path, missing, do) from None
    except OSError as error:
        raise UserError(path, f"cannot be read, {error.strerror.lower()}", do) from None
    except ValueError as error:
        raise UserError(path, f"is damaged, no JSON ({error})", do) from None
    if not isinstance(found, dict):
        raise UserError(path, "is damaged, no JSON object", do)
    return found
