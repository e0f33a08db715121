#!/usr/bin/env python3
"""Decide by its energy whether each frame is speech.

in   <data>/feats.scp   utt-id archive:offset, float32 (num_frames, feat_dim)
     <data>/feats.json  tells where the energy is; without it, it is the first column, as in Kaldi
out  <data>/vad.scp     utt-id archive:offset, float32 (num_frames,): 1 speech, 0 none, as Kaldi's
     <data>/feats/vad.ark

e.g. steps/features/compute_vad.py --vad-energy-threshold 5.5 data/train
"""

from steps.features.archive import MatrixReader, MatrixWriter
from steps.features.pipeline import read_feats_config
from steps.features.vad import energy_vad, log_energy
from utils.data.datadir import DataDir
from utils.data.tables import write_table
from utils.option_types import finite
from utils.step import Step, UserError


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--vad-energy-threshold", type=finite, default=5.0,
             help="natural log, at the scale of 16-bit samples")
    step.add("--vad-energy-mean-scale", type=finite, default=0.5,
             help="this times the utterance's mean log energy is added to the threshold")
    step.add("--vad-frames-context", type=int, default=0,
             help="frames to each side that are looked at")
    step.add("--vad-proportion-threshold", type=float, default=0.6,
             help="share of the frames looked at that must be loud")
    step.add("data", help="data directory")
    args = step.parse(argv)
    if not 0 < args.vad_proportion_threshold < 1 or args.vad_frames_context < 0:
        raise UserError("--vad-proportion-threshold, --vad-frames-context",
                        "expected a share between 0 and 1, and 0 or more frames")
    data = DataDir(args.data)
    if step.up_to_date(data.path, [data.path / "feats.scp", data.path / "feats.json"]):
        return 0
    data.require("feats.scp")
    config = read_feats_config(data.path)
    if config and config.get("kind") not in ("mfcc", "fbank"):
        raise UserError(data.path / "feats.json", f"features of kind {config.get('kind')} do not "
                        "say how loud a frame is", "take MFCC or log mel energies")
    reader, frames, voiced = MatrixReader(), 0, 0
    with step.output(data.path) as out:
        with MatrixWriter(out / "feats/vad.ark", f"{args.data}/feats/vad.ark") as archive:
            for utt in data.feats_scp:
                vad = energy_vad(log_energy(reader.feats(data, utt), config),
                                 args.vad_energy_threshold, args.vad_energy_mean_scale,
                                 args.vad_frames_context, args.vad_proportion_threshold)
                archive.write(utt, vad.astype("float32"))
                frames, voiced = frames + len(vad), voiced + int(vad.sum())
        write_table(out / "vad.scp", archive.index)
    return step.finish(f"{args.data}: {len(archive.index)} utterances, {voiced} of {frames} frames "
                       f"are speech, {voiced / max(1, frames):.0%}")


if __name__ == "__main__":
    raise SystemExit(main())
