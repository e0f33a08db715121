#!/usr/bin/env python3
"""Write the features that a speaker-adapted system sees: CMVN, splicing, LDA+MLLT, fMLLR applied.

A network that is trained on them starts where SAT ends. Its test data needs transforms too, such
as those of steps/decode/decode_fmllr.py. These come from words that are partly wrong, those of
training data from the very words that the network learns: --leave-out estimates a transform for
each utterance from the other utterances of its speaker.

in   <data>/feats.scp cmvn.scp utt2spk        features as <model> was trained on
     <model>/front_end.json final.mat         a system of steps/hmm/train_sat.py
     <transforms>/trans.JOB                   spk-id float32 (dim, dim + 1), of train_sat.py,
                                              align.py or decode_fmllr.py
     <alidir>/ali.JOB.gz, <lang>/phones      with --leave-out: alignments, which phones are silence
out  <dest>/*                                 the data directory, with feats.scp and feats/*.ark,
                                              float32 (num_frames, dim), and feats.json

e.g. steps/hmm/make_fmllr_feats.py data/test exp/tri3b exp/tri3b/decode_test data/test_fmllr
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from steps.features.archive import MatrixWriter
from steps.features.pipeline import FeaturePipeline
from steps.features.transform import apply_affine
from steps.hmm.ali import read_ali
from steps.hmm.fmllr import MIN_COUNT
from steps.hmm.model import read_model
from steps.hmm.triphones import front_end_of, read_transforms
from utils.data.datadir import DataDir
from utils.data.tables import write_table
from utils.data.transform import all_tables, check_target, data_files, drop_stale, write_data
from utils.lang.langdir import LangDir
from utils.step import Step, UserError, log

MADE_FROM_FEATS = {"feats.scp", "cmvn.scp", "vad.scp"}


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    step.add("--leave-out", default="", metavar="ALIDIR",
             help="alignments of the data: adapt each utterance by the speaker's others alone")
    step.add("--lang", default="", help="lang directory, for --leave-out")
    step.add("--fmllr-min-count", type=float, default=MIN_COUNT,
             help="with --leave-out: frames below which a speaker's transform serves all of his "
                  f"utterances (default {MIN_COUNT:g})")
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
    if args.leave_out:
        if not args.lang:
            raise UserError("--leave-out", "needs --lang", "give the alignments' lang directory")
        inputs += [Path(args.model) / "final.mdl", Path(args.lang) / "phones.txt",
                   *sorted(Path(args.leave_out).glob("ali.*.gz"))]
    if step.up_to_date(args.dest, inputs):
        return 0
    check_target(step, [args.data], args.dest)
    pipeline = open_pipeline(args, data)
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
        (out / "feats.json").write_text(json.dumps(description(pipeline), indent=1) + "\n")
    drop_stale(args.dest, {**tables, "feats.scp": index})
    return step.finish(f"{args.dest}: {len(index)} utterances, {frames} frames of {pipeline.dim}")


def open_pipeline(args, data):
    """FeaturePipeline with the transforms of all the data's speakers."""
    transforms = read_transforms(args.transforms)
    missing = sorted({data.utt2spk[utt] for utt in data.feats_scp} - set(transforms))
    if missing:
        raise UserError(f"{args.transforms}/trans.*", f"has no transform of {missing[0]}, which "
                        f"{args.data} has", "align or decode this data with the adapted system")
    return FeaturePipeline(data, *front_end_of(args.model), transforms=transforms)


def write_share(args):
    """One job: its utterances into an archive."""
    data, work = DataDir(args.data), Path(args.work)
    pipeline = open_pipeline(args, data)
    utts = [utt for utt in data.utts_by_job(args.job, args.nj) if utt in data.feats_scp]
    each = left_out(args, data, utts) if args.leave_out else \
        ((utt, pipeline.load(utt)) for utt in utts)
    name, frames = f"feats/fmllr.{args.job}.ark", 0
    with MatrixWriter(work / name, f"{args.dest}/{name}") as archive:
        for utt, feats in each:
            archive.write(utt, feats)
            frames += len(feats)
        (work / f"part.{args.job}.json").write_text(
            json.dumps({"index": archive.index, "frames": frames}))
    log(f"{frames} frames")
    return 0


def left_out(args, data, utts):
    """(utt, features adapted by the speaker's other utterances), speaker by speaker."""
    from steps.hmm.leave_out import leave_one_out
    transitions, model = read_model(Path(args.model) / "final.mdl")
    silence = np.isin(transitions.tid2phone, LangDir(args.lang).silence_phones)
    pdf_of = np.where(silence, -1, transitions.tid2pdf)
    transforms = read_transforms(args.transforms)
    plain = FeaturePipeline(data, *front_end_of(args.model))
    tids = read_ali(args.leave_out, set(utts))
    by_speaker = {}
    for utt in utts:
        by_speaker.setdefault(data.utt2spk[utt], []).append(utt)
    for spk, group in by_speaker.items():
        feats = {utt: plain.load(utt) for utt in group}
        pdfs = {utt: pdf_of[tids[utt]] if len(tids.get(utt, ())) == len(feats[utt])
                else np.full(len(feats[utt]), -1) for utt in group}
        found = leave_one_out(model, feats, pdfs, transforms[spk], args.fmllr_min_count)
        for utt in group:
            yield utt, apply_affine(feats[utt], found[utt])


def description(pipeline):
    """feats.json of the adapted features; other LDA matrices or features are other fingerprints."""
    made_from = pipeline.front_end["feats"].get("fingerprint", "")
    matrix = b"" if pipeline.lda is None else pipeline.lda.tobytes()
    print_of = hashlib.blake2b(made_from.encode() + matrix, digest_size=8).hexdigest()
    return {"kind": "fmllr", "feat_dim": pipeline.dim, "fingerprint": print_of,
            "frame_shift": pipeline.front_end["feats"].get("frame_shift", 0.01)}


if __name__ == "__main__":
    raise SystemExit(main())
