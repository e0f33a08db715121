"""How many hours of speech there are, found with the standard library alone: for utils/doctor.py.
"""

import re
import wave
from pathlib import Path

from utils.data.tables import read_table
from utils.json_file import read_json
from utils.step import UserError

HELD_OUT = 0.2         # dev and test, as a share of the hours to train on, where nothing is known
MOST_HELD_OUT = 2.0    # hours


def of_data(directory):
    """Hours of a data directory: utt2dur, else segments, else the headers of its WAV files."""
    directory = Path(directory)
    if not directory.is_dir():
        raise UserError(directory, "no such data directory")
    if (directory / "utt2dur").is_file():
        rows = read_table(directory / "utt2dur")
        return sum(_number(value, directory / "utt2dur", utt) for utt, value in rows.items()) / 3600
    if (directory / "segments").is_file():
        total = 0.0
        for utt, value in read_table(directory / "segments").items():
            fields = value.split()
            if len(fields) != 3:
                raise UserError(directory / "segments", f"{utt} has {len(fields)} fields after its "
                                "id", "expected `utt recording start end`")
            start, end = (_number(field, directory / "segments", utt) for field in fields[1:])
            if end == -1:
                return _unknown(directory)
            total += end - start
        return total / 3600
    if not (directory / "wav.scp").is_file():
        raise UserError(directory, "has neither utt2dur, segments nor wav.scp",
                        "--data is a data directory, or a directory with train, dev and test")
    total = 0.0
    for path in read_table(directory / "wav.scp").values():
        try:
            with wave.open(path) as sound:
                total += sound.getnframes() / sound.getframerate()
        except (OSError, EOFError, wave.Error):
            return _unknown(directory)
    return total / 3600


def train_and_held_out(data):
    """(hours to train on, hours of dev and test) of a data directory, or of one that has them."""
    data = Path(data)
    sets = {name: of_data(data / name) for name in ("train", "dev", "test")
            if (data / name).is_dir()}
    if "train" in sets:
        return sets.pop("train"), sum(sets.values())
    train = of_data(data)
    return train, min(HELD_OUT * train, MOST_HELD_OUT)


def of_recipe(recipe):
    """The same of a recipe that new_recipe.py made, by its conf/corpus.json; None if unknown."""
    path = Path(recipe) / "conf/corpus.json"
    if not path.is_file():
        return None
    hours = read_json(path, "make the recipe again: utils/new_recipe.py --force")["hours"]
    return hours["train"], hours["dev"] + hours["test"]


def networks_of(recipe):
    """(epochs, or None if there are none or several; how many commands train a network)"""
    recipe = Path(recipe)
    run = recipe / "run.sh"
    if not run.is_file():
        raise UserError(recipe, "no run.sh here", "--recipe is a folder such as egs/mboshi")
    script = run.read_text("utf-8")
    count = len(re.findall(r"^\s*steps/(?:nnet/train|transfer/transfer)\.py", script, re.M))
    found = re.search(r'^source=""', script, re.M)
    if found and count > 1:
        count -= 1    # a transfer that waits for its source
    # Of those by whole sequences, in mmi.conf, there are few.
    epochs = {int(n) for path in (recipe / "conf").glob("*.conf") if path.stem != "mmi"
              for n in re.findall(r"^--num-epochs=(\d+)", path.read_text("utf-8"), re.M)}
    return (epochs.pop() if len(epochs) == 1 else None), count


def _number(text, path, utt):
    try:
        return float(text)
    except ValueError:
        raise UserError(path, f"{utt} has {text!r} for a number of seconds") from None


def _unknown(directory):
    raise UserError(directory, "its sound is not in WAV files, so how long it is is not known",
                    "run utils/data/get_utt2dur.py, or say --hours")
