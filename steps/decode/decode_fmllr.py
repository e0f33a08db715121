#!/usr/bin/env python3
"""Decode with a speaker-adapted GMM-HMM in two passes.

The first pass decodes unadapted features with final.alimdl. Its lattices' posteriors, silence
nearly left out, give each speaker's fMLLR transform; the adapted features are decoded with
final.mdl, which gives the transform once more, and the lattices that are kept.

in   <graph>/HCLG.fst words.txt graph.json phones/silence.int
     <data>/feats.scp cmvn.scp utt2spk
     <model>/final.mdl final.alimdl front_end.json final.mat    <model>: directory above <decode>
out  <decode>/lat.JOB.gz     Kaldi's archive of lattices; transition-ids to words
     <decode>/trans.JOB      spk-id float32 (dim, dim + 1)
     <decode>/num_jobs, log/decode_fmllr.JOB.log

e.g. steps/decode/decode_fmllr.py --nj 2 exp/tri3b/graph data/test exp/tri3b/decode_test
"""

from pathlib import Path

import numpy as np

from steps.decode import decode
from utils.lang.langdir import LangDir
from utils.option_types import zero_or_more
from utils.step import Step, UserError, log

SILENCE_WEIGHT = 0.01      # as in Kaldi's decode_fmllr.sh
NEGLIGIBLE = 1e-3          # posteriors below this do not count


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    decode.add_options(step)
    step.add("--first-beam", type=float, default=10.0, help="beam of the first pass (default 10)")
    step.add("--fmllr-min-count", type=zero_or_more, default=500.0,
             help="speech frames that a speaker needs to be adapted (default 500)")
    args = step.parse(argv)
    if step.is_job:
        return decode_share(args)
    model, inputs = decode.model_of(args), decode.inputs_of(args)
    if step.up_to_date(args.decode, [*inputs, model / "final.alimdl",
                                     Path(args.graph) / "phones/silence.int"]):
        return 0
    from utils.data.datadir import DataDir
    utts = decode.check_inputs(args)
    if not (model / "final.alimdl").is_file():
        raise UserError(model / "final.alimdl", "no such file",
                        "train with steps/hmm/train_sat.py, or use decode.py")
    data = DataDir(args.data)
    num_jobs = step.num_jobs(len(data.spk2utt), "speakers")
    with step.output(args.decode) as out:
        step.run_jobs(num_jobs, Path(args.decode) / "log", out)
        summary = decode.collect(out, num_jobs, len(utts))
    return step.finish(f"{args.decode}: {summary}")


def decode_share(args):
    """One job: both passes over its speakers, one speaker after the other."""
    import kaldiio

    from steps.decode.lattice import write_lattices

    job = decode.Job(args)
    passes = Passes(args, job)
    transforms, mine = {}, set(job.utts)

    def lattices():
        for spk, utts in job.data.spk2utt.items():
            chosen = [utt for utt in utts if utt in mine]
            if chosen:
                transforms[spk] = passes.transform(spk, chosen)
                yield from job.lattices(passes.adapted_scorer(transforms[spk]), chosen)

    write_lattices(job.work / f"lat.{args.job}.gz", lattices())
    kaldiio.save_ark(str(job.work / f"trans.{args.job}"), transforms)
    return job.finish()


class Passes:
    """Features, models and decoders of the passes that come before the last."""

    def __init__(self, args, job):
        from steps.features.pipeline import FeaturePipeline
        from steps.hmm.model import read_model
        from steps.hmm.triphones import front_end_of

        self.job, self.min_count = job, args.fmllr_min_count
        self.model = read_model(job.model / "final.mdl")[1]
        self.unadapted = read_model(job.model / "final.alimdl")[1]
        self.pipeline = FeaturePipeline(job.data, *front_end_of(job.model))
        self.first = job.options._replace(beam=args.first_beam)
        silence = LangDir(args.graph).silence_phones
        self.is_silence = np.isin(job.transitions.tid2phone, silence)

    def transform(self, spk, utts):
        """The speaker's transform after two passes, float32 (dim, dim + 1)."""
        from steps.hmm.fmllr import compose, estimate_fmllr

        base = {utt: self.pipeline.load(utt) for utt in utts}
        stats = self.stats(utts, base, lambda utt: self.unadapted.log_like_blocks(base[utt]),
                           self.first, self.unadapted)
        transform, gain = estimate_fmllr(stats, self.min_count)
        log(f"{spk}: fMLLR of the first pass gains {gain:.3f} nats a frame over "
            f"{stats.beta:.0f} frames")
        if stats.beta >= self.min_count:
            adapted = self.adapted(base, transform)
            stats = self.stats(utts, adapted,
                               lambda utt: self.model.log_like_blocks(adapted[utt]), self.first)
            again, gain = estimate_fmllr(stats, self.min_count)
            log(f"{spk}: of the second, {gain:.3f}")
            transform = compose(again, transform)
        return transform.astype(np.float32)

    def stats(self, utts, feats, scorer, options, chooser=None):
        """FmllrStats from the posteriors of lattices decoded for this."""
        from steps.decode.decoding import decode_utts
        from steps.decode.posteriors import summed, tid_posteriors
        from steps.hmm.share import fmllr_stats

        total = None
        for utt, lattice, _, _ in decode_utts(self.job.graph, scorer, utts, options):
            frames, tids, weights = tid_posteriors(lattice, options.acwt)
            frames, pdfs, weights = summed(
                frames, self.job.transitions.tid2pdf[tids],
                weights * np.where(self.is_silence[tids], SILENCE_WEIGHT, 1))
            keep = weights > NEGLIGIBLE
            stats = fmllr_stats(self.model, feats[utt], pdfs[keep], chooser, frames[keep],
                                weights[keep])
            total = stats if total is None else total + stats
        return total

    def adapted(self, feats, transform):
        from steps.features.transform import apply_affine

        return {utt: apply_affine(x, transform.astype(np.float32)) for utt, x in feats.items()}

    def adapted_scorer(self, transform):
        from steps.features.transform import apply_affine

        return lambda utt: self.model.log_like_blocks(
            apply_affine(self.pipeline.load(utt), transform))


if __name__ == "__main__":
    raise SystemExit(main())
