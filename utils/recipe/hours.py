"""How many hours of speech there are, found with the standard library alone: for utils/doctor.py.
"""

import re
import wave
from pathlib import Path

from utils.data.datadir import DataDir
from utils.json_file import read_json
from utils.step import UserError

HELD_OUT = 0.2         # dev and test, as a share of the hours to train on, where nothing is known
MOST_HELD_OUT = 2.0    # hours


def of_data(directory):
    """Hours of a data directory: utt2dur, else segments, else the headers of its WAV files."""
    data, directory = DataDir(directory), Path(directory)
    if (directory / "utt2dur").is_file():
        return sum(data.utt2dur.values()) / 3600
    if (directory / "segments").is_file():
        if any(end == -1 for _, _, end in data.segments.values()):
            return _unknown(directory)
        return sum(end - start for _, start, end in data.segments.values()) / 3600
    if not (directory / "wav.scp").is_file():
        raise UserError(directory, "has neither utt2dur, segments nor wav.scp",
                        "--data is a data directory, or a directory with train, dev and test")
    total = 0.0
    for path in data.wav_scp.values():
        try:
            with wave.open(path) as sound:
                # A header written to a pipe tells of gigabytes.
                most = Path(path).stat().st_size // (sound.getsampwidth() * sound.getnchannels())
                total += min(sound.getnframes(), most) / sound.getframerate()
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
    do = "make the recipe again: utils/new_recipe.py --force"
    hours = read_json(path, do)["hours"]
    try:
        train, dev, test = (float(hours[name]) for name in ("train", "dev", "test"))
    except (TypeError, ValueError):
        raise UserError(path, f"is damaged, hours are {hours}", do) from None
    return train, dev + test


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


def _unknown(directory):
    raise UserError(directory, "its sound is not in WAV files, so how long it is is not known",
                    "run utils/data/get_utt2dur.py, or say --hours")
