"""From one data directory's tables to another's; for subset, split, combine, copy, perturb.

`tables` is {file name: {key: str}}, everything a data directory has but spk2utt.
"""

import shutil
from pathlib import Path

from utils.data.audio import audio_info
from utils.data.datadir import NOT_TABLES, invert, table_key
from utils.data.tables import write_table
from utils.step import UserError, check_apart, read_done


def data_files(data):
    """Paths of the files of a data directory, the inputs of a step."""
    return [data.path / name for name in [*data.names, *NOT_TABLES]]


def all_tables(data):
    """tables of a DataDir"""
    data.require("utt2spk")
    return {name: dict(data.table(name)) for name in data.names if name != "spk2utt"}


def select(data, utts):
    """tables of a DataDir, filtered to some of its utterances"""
    utts = set(utts)
    ids = {"utt": utts, "spk": {data.utt2spk[utt] for utt in utts}, "reco": utts}
    if data.segments:
        ids["reco"] = {data.segment(utt)[0] for utt in utts}
    return {name: {key: value for key, value in table.items() if key in ids[table_key(name)]}
            for name, table in all_tables(data).items()}


def rename(tables, utt=str, spk=str, reco=None):
    """tables with every id mapped by these functions; without segments, recordings are utterances.

    raises UserError where two ids become one
    """
    if "segments" not in tables:
        reco = utt
    mapping = {"utt": utt, "spk": spk, "reco": reco or str}
    result = {}
    for name, table in tables.items():
        key = mapping[table_key(name)]
        result[name] = {key(old): value for old, value in table.items()}
        if len(result[name]) < len(table):
            raise UserError(name, "two ids have become one", "choose another prefix or suffix")
    result["utt2spk"] = {key: spk(value) for key, value in result["utt2spk"].items()}
    if "segments" in tables:
        for key, value in result["segments"].items():
            recording, _, times = value.partition(" ")
            result["segments"][key] = f"{mapping['reco'](recording)} {times}"
    return result


def durations(data, measure=False):
    """{utt: s} of utt2dur, else (or to measure it) of segments and the audio's headers"""
    if not measure and all(utt in data.utt2dur for utt in data.utts):
        for utt in data.utts:
            if data.utt2dur[utt] < 0:
                raise UserError(data.path / "utt2dur", f"{utt} lasts {data.utt2dur[utt]:g} s",
                                "correct it, or remove the file")
        return data.utt2dur
    data.require("wav.scp")
    lengths, result = {}, {}
    for utt in data.utts:
        recording, start, end = data.segment(utt)
        if end == -1 or not data.segments:
            if recording not in data.wav_scp:
                raise UserError(data.path / "wav.scp", f"{recording} is not here",
                                "run fix_data_dir.py")
            if recording not in lengths:
                count, rate, _ = audio_info(data.wav_scp[recording])
                lengths[recording] = count / rate
            end = lengths[recording]
        result[utt] = end - start
    return result


def check_target(step, sources, target, made_in=None):
    """UserError if a step would write over its input, or over what is not its own.

    made_in: where the step's .done is, if not in the target
    """
    target = Path(target)
    check_apart(target, *sources)
    recorded = Path(made_in or target)
    # A run that was killed left no record, but its hidden directory: see Step.output.
    ours = step.name in read_done(recorded) or any(recorded.glob(f".{step.name}.*.tmp"))
    if (target / "utt2spk").exists() and not ours and not step.args.force:
        raise UserError(target, f"is there, and not made by {step.name}.py",
                        "name another directory, or --force to overwrite it")


def write_data(out, tables, source=None):
    """Write tables and spk2utt into a directory, with what goes with feats.scp in the source."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_table(out / name, table)
    write_table(out / "spk2utt", invert(tables["utt2spk"]))
    for name in NOT_TABLES if source and "feats.scp" in tables else ():
        if (Path(source) / name).exists():
            shutil.copy(Path(source) / name, out / name)


def drop_stale(target, tables):
    """Remove the tables that an earlier run, or a step after it, left in a directory.

    To be called within Step.output: nothing stands beside a .done that says it is finished.
    """
    for path in Path(target).iterdir() if Path(target).is_dir() else ():
        if table_key(path.name) and path.is_file() and path.name not in {*tables, "spk2utt"}:
            path.unlink()
    if "feats.scp" not in tables:
        for name in NOT_TABLES:
            (Path(target) / name).unlink(missing_ok=True)
