#!/usr/bin/env python3
"""Copies of a data directory at other speeds: tempo and pitch change, as with sox's speed.

in   <src>/*    a data directory with wav.scp
out  <dest>/*   its utterances at every factor: sp<factor>-<utt> of speaker sp<factor>-<spk>, factor
                1 under the ids they have; wav.scp with commands of utils/data/audio_filter.py;
                utt2dur and segments to match, utt2uniq with the utterance each is a copy of

feats.scp, cmvn.scp and vad.scp do not go along. More than one factor is Kaldi's
perturb_data_dir_speed_3way.sh.

e.g. utils/data/perturb_speed.py 0.9,1.0,1.1 data/train data/train_sp
"""

from utils.data.datadir import DataDir
from utils.data.filters import add_filter
from utils.data.transform import (
    all_tables,
    check_target,
    data_files,
    drop_stale,
    durations,
    rename,
    write_data,
)
from utils.step import Step, UserError

# Of another speed these would be wrong.
MADE_AGAIN = ("feats.scp", "cmvn.scp", "vad.scp", "utt2num_frames", "reco2dur")


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("factors", help="factor, or several with commas between")
    step.add("src", help="data directory")
    step.add("dest", help="its copies")
    args = step.parse(argv)
    factors = _factors(args.factors)

    data = DataDir(args.src)
    if step.up_to_date(args.dest, data_files(data)):
        return 0
    check_target(step, [args.src], args.dest)
    data.require("wav.scp")
    tables = {name: {} for name in [*data.names, "utt2dur", "utt2uniq"]
              if name not in MADE_AGAIN and name != "spk2utt"}
    lengths = durations(data)
    for factor in factors:
        for name, table in perturb(data, factor, lengths).items():
            if name == "utt2spk" and not tables[name].keys().isdisjoint(table):
                raise UserError(args.src, f"its copies at speed {factor:g} have ids that are there "
                                "already", "perturb what is no copy itself, each factor once")
            tables[name] |= table
    with step.output(args.dest) as out:
        write_data(out, tables)
        drop_stale(args.dest, tables)
    return step.finish(f"{args.dest}: {len(tables['utt2spk'])} utterances at {len(factors)} "
                       f"speeds, {sum(map(float, tables['utt2dur'].values())) / 3600:.2f} hours")


def perturb(data, factor, lengths):
    """tables of a DataDir at another speed; lengths: {utt: s} at this one"""
    tables = {name: table for name, table in all_tables(data).items() if name not in MADE_AGAIN}
    tables["utt2dur"] = {utt: f"{s / factor:.4f}" for utt, s in lengths.items()}
    tables["utt2uniq"] = {utt: tables.get("utt2uniq", {}).get(utt, utt) for utt in data.utts}
    if factor == 1:
        return tables
    tables["wav.scp"] = {recording: add_filter(value, "speed", factor)
                         for recording, value in data.wav_scp.items()}
    if data.segments:
        tables["segments"] = {
            utt: f"{recording} {start / factor:.5f} {-1 if end == -1 else f'{end / factor:.5f}'}"
            for utt, (recording, start, end) in data.segments.items()}

    def prefix(name):
        return f"sp{factor:g}-{name}"

    return rename(tables, utt=prefix, spk=prefix, reco=prefix)


def _factors(text):
    try:
        factors = [float(factor) for factor in text.split(",")]
    except ValueError:
        factors = []
    if not factors or not all(0.1 <= factor <= 10 for factor in factors) \
            or len(set(factors)) < len(factors):
        raise UserError(text, "no list of different factors", "expected such as 0.9,1.0,1.1")
    return factors


if __name__ == "__main__":
    raise SystemExit(main())
