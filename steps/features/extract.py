"""What make_mfcc.py and make_fbank.py share: a job's utterances to an archive, jobs to a table."""

import hashlib
import json
import shutil
from pathlib import Path

from steps.features.archive import MatrixWriter
from steps.features.frontend import FrontEnd
from utils.data.audio import MAX_BROKEN, for_each_utt
from utils.data.tables import write_table
from utils.step import UserError, archives_of, log, read_done, write_atomic

INPUTS = ("wav.scp", "segments", "utt2spk", "reco2file_and_channel")
INDICES = ("feats.scp", "cmvn.scp", "vad.scp")
MAKERS = ("make_mfcc", "make_fbank", "compute_cmvn", "compute_vad")
TABLES = ("feats.scp", "utt2num_frames", "utt2dur", "utt2trim")


def extract_job(data, config, args):
    """One job: <work>/feats/<kind>.<job>.ark, and <work>/parts/<job>.json for merge()."""
    front_end = FrontEnd(config, args.method)
    part = {name: {} for name in (*TABLES, "hash")}
    rate = config["sample_rate"]
    archive = f"feats/{config['kind']}.{args.job}.ark"
    utts = data.utts_by_job(args.job, args.nj)
    limit = MAX_BROKEN * len(data.utts)   # of all jobs; merge() counts those of all
    with MatrixWriter(Path(args.work) / archive, f"{args.data}/{archive}", args.compress) as out:
        for utt, samples, _ in for_each_utt(data, utts, rate, args.channel, limit):
            feats = front_end.compute(utt, samples)
            if not len(feats):
                log(f"skipped {utt}: {len(samples)} samples are less than one frame "
                    f"of {front_end.length}")
                continue
            out.write(utt, feats)
            part["hash"][utt] = hashlib.blake2b(feats.tobytes(), digest_size=8).hexdigest()
            part["utt2num_frames"][utt] = str(len(feats))
            part["utt2dur"][utt] = f"{len(samples) / rate:.4f}"
            if config["trim_silence"]:
                first, last = front_end.trim(samples)
                part["utt2trim"][utt] = f"{first / rate:.4f} {last / rate:.4f}"
        part["feats.scp"] = out.index
    write_atomic(Path(args.work) / f"parts/{args.job}.json", json.dumps(part))


def merge(data, config, num_jobs, work):
    """The jobs' parts to feats.scp, utt2num_frames, utt2dur, feats.json and frame_shift in work.

    returns  the number of utterances and of frames
    raises   UserError if over 5 % of the utterances had to be skipped
    """
    tables = {name: {} for name in (*TABLES, "hash")}
    for job in range(1, num_jobs + 1):
        part = json.loads((work / f"parts/{job}.json").read_text("utf-8"))
        for name, table in tables.items():
            table.update(part[name])
    shutil.rmtree(work / "parts")
    missing = [utt for utt in data.utts if utt not in tables["feats.scp"]]
    if missing:
        what = f"{len(missing)} of {len(data.utts)} utterances have no features"
        if len(missing) > MAX_BROKEN * len(data.utts):
            raise UserError(data.path, f"{what}, more than {MAX_BROKEN:.0%}",
                            f"see {data.path}/log, or run fix_data_dir.py --audio full")
        log(f"{what}, see {data.path}/log: {' '.join(missing[:20])}"
            + (" ..." if len(missing) > 20 else ""))
    for name in TABLES:
        if tables[name]:
            write_table(work / name, tables[name])
    # what the features are, for steps that must run again if the sound has changed
    content = "".join(tables["hash"][utt] for utt in sorted(tables["hash"]))
    content = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
    write_atomic(work / "feats.json", json.dumps({**config, "content": content}, indent=1) + "\n")
    write_atomic(work / "frame_shift", f"{config['frame_shift']:g}\n")
    return len(tables["feats.scp"]), sum(map(int, tables["utt2num_frames"].values()))


def remove_stale(directory, new):
    """What was made from earlier features: archives beyond the new ones, cmvn, vad."""
    for path in earlier_archives(Path(directory)):
        if not (new / "feats" / path.name).exists():
            path.unlink()
    for name in ["cmvn.scp", "vad.scp", "utt2trim"]:
        if not (new / name).exists():
            (Path(directory) / name).unlink(missing_ok=True)


def earlier_archives(directory):
    """Those in <directory>/feats that MAKERS left there or the tables of INDICES name."""
    done = read_done(directory)
    made = [done.get(maker, {}).get("outputs", []) for maker in MAKERS]
    found = {directory / name for name in set().union(*made)}
    for table in (directory / name for name in INDICES):
        if table.is_file():
            found |= archives_of(table)
    found = {Path(path).resolve() for path in found}
    return [path for path in directory.glob("feats/*.ark") if path.resolve() in found]
