"""Whether the files of a data directory fit together; all checks of Kaldi's validate_data_dir.sh.

Each function adds to a scan.Problems. `tables` is {file name: scan.Scan}.
"""

from pathlib import Path

from utils.data.audio import MAX_OVERSHOOT, AudioError, audio_info, read_audio
from utils.data.datadir import channel_number, invert, parse_segment, table_key
from utils.data.filters import split_filters
from utils.data.scan import scan_table
from utils.step import UserError, archive_of

# Kaldi insists on the order and the ids of these; other utt2* and spk2* files get notes.
STRICT = {"utt2spk", "spk2utt", "text", "wav.scp", "segments", "feats.scp", "cmvn.scp", "vad.scp",
          "utt2dur", "utt2num_frames", "utt2uniq", "utt2lang", "utt2accent", "spk2gender",
          "reco2file_and_channel"}
# What is not known of every utterance is no reason to remove any.
METADATA = {"spk2gender", "utt2accent", "utt2lang", "utt2uniq", "reco2file_and_channel"}
RUN_FIX = "run fix_data_dir.py"


def scan_tables(directory, problems, non_print=False):
    """{name: Scan} of all tables of a data directory"""
    tables = {}
    for path in sorted(Path(directory).iterdir()):
        if table_key(path.name) and not path.is_dir():
            tables[path.name] = scan_table(
                path, problems, only_keys=path.name.endswith(".scp"),
                empty_ok=path.name == "text", order_note=path.name not in STRICT,
                non_print=non_print)
    return tables


def check_files(directory, tables, problems, need):
    """Which files there must be. need: the names, {file: option that says it is not needed}"""
    for name, option in need.items():
        if name not in tables:
            problems.add("missing file", Path(directory) / name, "no such file",
                         f"if it is meant, say {option}" if option else "every data directory "
                         "has one; fix_data_dir.py makes utt2spk and spk2utt of each other")
        elif not tables[name].keys and not tables[name].path.stat().st_size:
            problems.add("empty file", Path(directory) / name, "empty file")


def check_speakers(tables, problems, spk_sort=True):
    """utt2spk and spk2utt: one speaker each, the same in both, ids in the order of speakers."""
    if "utt2spk" not in tables:
        return
    scan = tables["utt2spk"]
    utt2spk = scan.table
    for utt, spk in utt2spk.items():
        if " " in spk:
            problems.add("fields", scan.where(utt), f"{utt} has several fields after its id",
                         "expected `utt speaker`")
    others = [utt for utt, spk in utt2spk.items() if not utt.startswith(spk)]
    order = sorted(utt2spk, key=lambda utt: (utt2spk[utt], utt))
    wrong = next((utt for utt, other in zip(sorted(utt2spk), order, strict=True)
                  if utt != other), None)
    if wrong is not None and spk_sort:
        for utt in others or [wrong]:
            problems.add("ids and speakers", scan.where(utt),
                         f"{utt} does not start with its speaker's id {utt2spk[utt]}, and the "
                         "order of utterances is not that of speakers",
                         "copy_data_dir.py --spk-as-prefix renames, --no-spk-sort accepts it")
    elif others:
        problems.add("ids and speakers", scan.where(others[0]),
                     f"{others[0]} does not start with its speaker's id {utt2spk[others[0]]}, as "
                     f"{len(others)} of {len(utt2spk)}; their order is right all the same",
                     note=True)
    if "spk2utt" in tables:
        _check_spk2utt(tables["spk2utt"], scan, invert(utt2spk), problems)


def _check_spk2utt(scan, utt2spk, expected, problems):
    found, speakers = scan.table, utt2spk.table
    for spk, value in found.items():
        utts = value.split()
        if sorted(utts) == expected.get(spk):
            continue
        for utt in utts:
            if speakers.get(utt) != spk:
                says = f"gives it to {speakers[utt]}" if utt in speakers else "does not have it"
                problems.add("spk2utt", scan.where(spk), f"{spk} has {utt}, utt2spk {says}",
                             RUN_FIX)
        if len(set(utts)) < len(utts):
            problems.add("spk2utt", scan.where(spk), f"{spk} has an utterance twice", RUN_FIX)
        for utt in sorted(set(expected.get(spk, [])) - set(utts)):
            problems.add("spk2utt", utt2spk.where(utt), f"{spk} has {utt}, spk2utt does not",
                         RUN_FIX)
    for spk in sorted(expected.keys() - found.keys()):
        problems.add("spk2utt", utt2spk.where(expected[spk][0]), f"{spk} is not in spk2utt",
                     RUN_FIX)


def check_ids(tables, problems):
    """The same utterances, speakers and recordings everywhere; what is missing, by cause."""
    if "utt2spk" not in tables:
        return
    ids = {"utt": (tables["utt2spk"], set(tables["utt2spk"].keys), "utt2spk"),
           "spk": (None, set(tables["utt2spk"].values), "utt2spk")}
    if "segments" in tables:
        scan = tables["segments"]
        ids["reco"] = None, {value.partition(" ")[0] for value in scan.values}, "segments"
    else:
        ids["reco"] = ids["utt"]
    for name, scan in tables.items():
        source, expected, source_name = ids[table_key(name)]
        if scan is source or name in ("utt2spk", "spk2utt"):
            continue
        found, note = set(scan.keys), name not in STRICT or name in METADATA
        for key in sorted(expected - found):
            where = source.where(key) if source else scan.path.parent / source_name
            problems.add(f"in {source_name}, not in {name}", where,
                         f"{key} is not in {name}", None if note else RUN_FIX, note=note)
        for key in sorted(found - expected):
            # Kaldi, too, lets wav.scp have recordings without segments.
            unused = name not in STRICT or (name == "wav.scp" and "segments" in tables)
            problems.add(f"in {name}, not in {source_name}", scan.where(key),
                         f"{key} is not in {source_name}", None if unused else RUN_FIX, note=unused)


def check_values(tables, problems):
    """Segments, durations, genders, and that archives are there."""
    for utt, value in tables["segments"].table.items() if "segments" in tables else ():
        try:
            parse_segment(value, tables["segments"].path, utt)
        except UserError as error:
            problems.add("bad segments", tables["segments"].where(utt), error.what, error.do)
    for utt, value in tables["utt2dur"].table.items() if "utt2dur" in tables else ():
        if not number(value) > 0:
            problems.add("bad durations", tables["utt2dur"].where(utt),
                         f"{utt} lasts {value!r}", "expected seconds, above 0")
    for spk, value in tables["spk2gender"].table.items() if "spk2gender" in tables else ():
        if value not in ("m", "f"):
            problems.add("genders", tables["spk2gender"].where(spk), f"{spk} is {value!r}",
                         "expected m or f")
    scan = tables.get("reco2file_and_channel")
    for recording, value in scan.table.items() if scan else ():
        if channel_number(value) is None:
            problems.add("channels", scan.where(recording), f"{recording} is {value!r}",
                         "expected a file and A, B or 1, 2, ...")
    sizes = {}
    for name in ["feats.scp", "cmvn.scp", "vad.scp"]:
        for key, value in tables[name].table.items() if name in tables else ():
            path, offset = archive_of(value)
            if path and path not in sizes:
                sizes[path] = Path(path).stat().st_size if Path(path).is_file() else -1
            if path and sizes[path] <= offset:
                what = f"ends before {offset}" if sizes[path] >= 0 else "does not exist"
                problems.add("archives", tables[name].where(key), f"{path} {what}",
                             "make the features again")


def check_audio(tables, problems, full=False):
    """Every recording's header, or with full every sample, against segments and utt2dur.

    returns {recording: seconds}; broken ones are left out, and pipes unless full
    """
    scan, seconds, pipes, rates = tables["wav.scp"], {}, [], {}
    channels = tables["reco2file_and_channel"].table if "reco2file_and_channel" in tables else {}
    for recording, value in scan.table.items():
        try:
            if value.startswith("~"):
                raise AudioError(value, "~ is not expanded", "write the whole path")
            if split_filters(value)[0].endswith("|") and not full:
                pipes.append(recording)
                continue
            if full:
                samples, rate = read_audio(value, channel="mix")
                count, sides = len(samples), 1
            else:
                count, rate, sides = audio_info(value)
        except AudioError as error:
            problems.add("broken audio", scan.where(recording), f"{recording}: {error.line}")
            continue
        seconds[recording] = count / rate
        rates.setdefault(rate, recording)
        if sides > 1 and recording not in channels:
            problems.add("several channels", scan.where(recording), f"{recording} has {sides} "
                         "channels; steps that read it need --channel", note=True)
    if pipes:
        problems.add("pipes", scan.where(pipes[0]), f"{len(pipes)} pipes not run, "
                     f"such as {pipes[0]}; --audio full runs them", note=True)
    if len(rates) > 1:
        problems.add("rates", scan.path, "several rates: " + ", ".join(
            f"{rate} Hz ({recording})" for rate, recording in sorted(rates.items())), note=True)
    _check_lengths(tables, seconds, problems)
    return seconds


def _check_lengths(tables, seconds, problems):
    segments = tables["segments"].table if "segments" in tables else None
    durations = tables["utt2dur"].table if "utt2dur" in tables else {}
    for utt, value in segments.items() if segments else ():
        try:
            recording, start, end = parse_segment(value, "", utt)
        except UserError:
            continue
        length = seconds.get(recording)
        if length is not None and (end > length + 0.005 or start >= length):
            small = end <= length + MAX_OVERSHOOT and start < length
            problems.add("segments beyond the audio's end, by little" if small
                         else "segments beyond the audio's end", tables["segments"].where(utt),
                         f"{utt} ends at {end:g} s, {recording} at {length:.3f} s",
                         "fix_data_dir.py --clip", note=small)
    for utt, value in durations.items():
        expected = seconds.get(utt) if segments is None else None
        if expected is not None and abs(number(value) - expected) > 0.05 + 0.01 * expected:
            problems.add("durations", tables["utt2dur"].where(utt), f"{utt} lasts {value} s, its "
                         f"audio {expected:.3f} s", "run get_utt2dur.py")


def number(text):
    """A float of plain digits, or nan"""
    try:
        return float(text) if "_" not in text else float("nan")
    except ValueError:
        return float("nan")
