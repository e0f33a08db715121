#!/usr/bin/env python3
"""Write the features that a speaker-adapted system sees: CMVN, splicing, LDA+MLLT, fMLLR applied.

A network that is trained on them starts where SAT ends. Its test data needs transforms too, such
as those of steps/decode/decode_fmllr.py.

in   <data>/feats.scp cmvn.scp utt2spk        features as <model> was trained on
     <model>/front_end.json final.mat         a system of steps/hmm/train_sat.py
     <transforms>/trans.JOB                   spk-id float32 (dim, dim + 1), of train_sat.py,
                                              align.py or decode_fmllr.py
out  <dest>/*                                 the data directory, with feats.scp and feats/*.ark,
                                              float32 (num_frames, dim), and feats.json

e.g. steps/hmm/make_fmllr_feats.py data/test exp/tri3b exp/tri3b/decode_test data/test_fmllr
"""

import hashlib
import json
from pathlib import Path

from steps.features.archive import MatrixWriter
from steps.features.pipeline import FeaturePipeline
from steps.features.spectra import frame_shift
from steps.hmm.triphones import front_end_of, read_transforms
from utils.data.datadir import DataDir
from utils.data.tables import write_table
from utils.data.transform import all_tables, check_target, data_files, drop_stale, write_data
from utils.step import Step, UserError, log, made_of_another

MADE_FROM_FEATS = {"feats.scp", "cmvn.scp", "vad.scp"}


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    step.add("data", help="data directory with features")
    step.add("model", help="directory of the speaker-adapted system")
    step.add("transforms", help="directory with trans.JOB of the data's speakers")
    step.add("dest", help="data directory to make")
    args = step.parse(argv)
    if step.is_job:
        return write_share(args)
    data = DataDir(args.data)
    inputs = [*data_files(data), *(Path(args.model) / f for f in ("front_end.json", "final.mat")),
              *sorted(Path(args.transforms).glob("trans.*"))]
    if step.up_to_date(args.dest, inputs):
        return 0
    check_target(step, [args.data], args.dest)
    pipeline = open_pipeline(args, data)
    if made_of_another(args.transforms, Path(args.model) / "final.mat"):
        raise UserError(args.transforms, f"its transforms are of another system than {args.model}",
                        "name the system that aligned or decoded this data")
    num_jobs = step.num_jobs(len(pipeline.utts))
    with step.output(args.dest) as out:
        step.run_jobs(num_jobs, Path(args.dest) / "log", out)
        index, frames = {}, 0
        for job in range(1, num_jobs + 1):
            part = out / f"part.{job}.json"
            found = json.loads(part.read_text("utf-8"))
            index, frames = {**index, **found["index"]}, frames + found["frames"]
            part.unlink()
        tables = {name: table for name, table in all_tables(data).items()
                  if name not in MADE_FROM_FEATS}
        write_data(out, tables)
        write_table(out / "feats.scp", index)
        (out / "feats.json").write_text(json.dumps(
            {**description(pipeline), "content": step.key()}, indent=1) + "\n")
        drop_stale(args.dest, {**tables, "feats.scp": index})
    return step.finish(f"{args.dest}: {len(index)} utterances, {frames} frames of {pipeline.dim}")


def open_pipeline(args, data):
    """FeaturePipeline with the transforms of all the data's speakers."""
    transforms = read_transforms(args.transforms)
    missing = sorted({data.utt2spk[utt] for utt in data.utts if utt in data.feats_scp}
                     - set(transforms))
    if missing:
        raise UserError(f"{args.transforms}/trans.*", f"has no transform of {missing[0]}, which "
                        f"{args.data} has", "align or decode this data with the adapted system")
    pipeline = FeaturePipeline(data, *front_end_of(args.model), transforms=transforms)
    for spk in data.spk2utt:
        shape = transforms[spk].shape if spk in transforms else None
        if shape not in (None, (pipeline.dim, pipeline.dim + 1)):
            raise UserError(f"{args.transforms}/trans.*", f"{spk} has a matrix of {shape[0]} by "
                            f"{shape[1]}, and {args.model} {pipeline.dim} values a frame",
                            "align or decode this data with the adapted system")
    return pipeline


def write_share(args):
    """One job: its utterances into an archive."""
    data, work = DataDir(args.data), Path(args.work)
    pipeline = open_pipeline(args, data)
    name, frames = f"feats/fmllr.{args.job}.ark", 0
    with MatrixWriter(work / name, f"{args.dest}/{name}") as archive:
        for utt in data.utts_by_job(args.job, args.nj):
            if utt in data.feats_scp:
                feats = pipeline.load(utt)
                archive.write(utt, feats)
                frames += len(feats)
        (work / f"part.{args.job}.json").write_text(
            json.dumps({"index": archive.index, "frames": frames}))
    log(f"{frames} frames")
    return 0


def description(pipeline):
    """feats.json of the adapted features; other features, options or LDA are other fingerprints."""
    made_from = pipeline.front_end["feats"].get("fingerprint", "")
    matrix = b"" if pipeline.lda is None else pipeline.lda.tobytes()
    options = {key: value for key, value in pipeline.front_end.items() if key != "feats"}
    print_of = hashlib.blake2b((made_from + json.dumps(options, sort_keys=True)).encode() + matrix,
                               digest_size=8).hexdigest()
    return {"kind": "fmllr", "feat_dim": pipeline.dim, "fingerprint": print_of,
            "frame_shift": frame_shift(pipeline.front_end["feats"])}


if __name__ == "__main__":
    raise SystemExit(main())
