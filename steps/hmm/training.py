"""What the training steps have in common: inputs, workers, messages, results."""

import json
import shutil
from pathlib import Path

import numpy as np

from steps.features.pipeline import FeaturePipeline, make_front_end
from steps.hmm import gmm
from steps.hmm.ali import first_of
from steps.hmm.model import check_phones, read_transitions
from steps.hmm.share import Share
from steps.hmm.topology import read_topo
from steps.hmm.train_graph import read_lexicon
from utils import option_types
from utils.data.datadir import DataDir
from utils.lang.langdir import LangDir
from utils.parallel.pool import WorkerPool
from utils.step import UserError, log, positive, write_atomic

MAX_WITHOUT = 0.5        # more utterances than this not aligned yet is an error
MAX_UNALIGNED = 0.05     # more utterances than this without an alignment is an error


def data_inputs(args):
    """Files of the data and lang directory whose change makes a result out of date."""
    data, lang = Path(args.data), Path(args.lang)
    files = [data / name for name in ("feats.scp", "feats.json", "cmvn.scp", "text", "utt2spk")]
    files += [lang / name for name in ("phones.txt", "words.txt", "L.fst", "topo", "oov.txt")]
    return files + sorted((lang / "phones").glob("*.int"))


def training_inputs(args):
    """Files whose change makes a model out of date."""
    files = data_inputs(args)
    if hasattr(args, "alidir"):
        alidir = Path(args.alidir)
        files += [alidir / name for name in ("final.mdl", "tree", "front_end.json", "final.mat")]
        files += sorted(alidir.glob("ali.*.gz")) + sorted(alidir.glob("trans.*"))
    return files


def open_data(args):
    """DataDir and LangDir of a training step, with all it needs."""
    data, lang = DataDir(args.data), LangDir(args.lang)
    data.require("feats.scp", "text", "utt2spk")
    for name in ("L.fst", "topo"):
        if not (lang.path / name).is_file():
            raise UserError(lang.path / name, "no such file", "run utils/lang/prepare_lang.py")
    read_lexicon(lang)     # whose error is better told before jobs start
    lacking, count = lacks(data), len(data.utts)
    if len(lacking) > MAX_UNALIGNED * count:
        raise UserError(data.path, f"{len(lacking)} of {count} utterances cannot be used, e.g. "
                        f"{lacking[0]}", "run utils/data/fix_data_dir.py")
    return data, lang


def lacks(data):
    """Lines `utt why` of the utterances without features or words."""
    return [f"{utt} has no {'features' if utt not in data.feats_scp else 'line in text'}"
            for utt in data.utts if utt not in data.feats_scp or utt not in data.text]


def check_alignments(alidir, data, lang):
    """UserError unless there are alignments of the data, by a model of this lang directory."""
    alidir = Path(alidir)
    transitions = read_transitions(alidir / "final.mdl")
    check_phones(alidir, lang)
    if read_topo(lang.path / "topo").to_json() != transitions.topo.to_json():
        raise UserError(lang.path / "topo", f"is not the topology of {alidir}/final.mdl",
                        "use the lang directory that the model was trained with")
    if first_of(alidir, set(data.utts)) is None:
        raise UserError(alidir, f"has no alignment of any utterance of {data.path}",
                        "align that data: steps/hmm/align.py")


def check_all_aligned(alidir, data, without):
    """A line of the utterances that are not aligned; UserError where they are many.

    without  those of the data that have no alignment of their length in alidir
    """
    if not without:
        return
    what = f"has no alignment of {without[0]}, or of another length, and of " \
           f"{len(without)} of the {len(data.utts)} utterances of {data.path}"
    if len(without) > MAX_WITHOUT * len(data.utts):
        raise UserError(alidir, what, "align that data: steps/hmm/align.py")
    log(f"{alidir}: {what}: they are left out until all are aligned again")


def add_front_end_options(step):
    step.add("--cmvn", default="speaker", choices=("speaker", "utterance", "sliding", "none"),
             help="cepstral mean normalisation (default speaker)")
    step.add("--norm-vars", action="store_true", help="normalise variances as well")


def add_em_options(step, iterations):
    step.add("--num-iters", type=positive, default=iterations,
             help=f"iterations (default {iterations})")
    step.add("--beam", type=option_types.above_zero, default=10.0,
             help="alignment beam (default 10)")
    step.add("--retry-beam", type=option_types.above_zero, default=40.0,
             help="beam of a second attempt where the first fails (default 40)")
    step.add("--seed", type=option_types.count, default=0,
             help="of the split of Gaussians (default 0)")


class Trainer:
    """The driver's side: workers, each with its Share, and the directory that results go to.

        with Trainer(step, data, lang, out, front_end) as trainer:
            trainer.call("align", **arrays)
    """

    def __init__(self, step, data, lang, out, front_end, groups="utterances"):
        args = step.args
        self.step, self.data, self.lang, self.out = step, data, lang, Path(out)
        self.front_end = front_end
        FeaturePipeline(data, front_end)     # whose errors are better told before workers start
        count = len(data.spk2utt) if groups == "speakers" else len(data.utts)
        self.num_jobs = step.num_jobs(count, groups)
        self.log_dir = Path(args.dir) / "log"
        self.work = self.out / "work"
        self.work.mkdir()
        (self.work / "front_end.json").write_text(json.dumps(front_end))
        self.rng = np.random.default_rng(getattr(args, "seed", 0))

    def __enter__(self):
        step = self.step
        command = step.job_command(self.num_jobs, self.work)
        self.pool = WorkerPool(step.args.cmd, self.num_jobs,
                               str(self.log_dir / f"{step.name}.JOB.log"), command,
                               self.work / "pool")
        self.pool.__enter__()
        return self

    def __exit__(self, *error):
        self.pool.__exit__(*error)
        if error[0] is None:
            shutil.rmtree(self.work)

    def call(self, task, **arrays):
        """Every worker's answer to a task, in the order of the jobs."""
        return self.pool.run(task, {k: np.asarray(v) for k, v in arrays.items()})

    def total(self, task, **arrays):
        """The answers' sum, array by array; text is joined."""
        return add(self.call(task, **arrays))

    def align(self, model, transitions):
        """Align everything; the totals of Share.align, transitions updated from its counts."""
        args = self.step.args
        answer = self.total("align", **model.to_arrays(),
                            log_probs=transitions.scaled_log_probs(),
                            beams=[args.beam, args.retry_beam])
        self.failed = sorted(answer["failed"].tolist())
        if not answer["frames"]:
            self.check_unaligned(self.failed)
        transitions.update(answer["counts"])
        return answer

    def check_unaligned(self, failed):
        check_unaligned(self.data, failed, self.log_dir)

    def write_unaligned(self):
        return write_unaligned(self.out, self.data, self.failed, self.log_dir)

    def write_common(self, tree):
        """tree, front_end.json, phones.txt and num_jobs, as every GMM directory has them."""
        tree.write(self.out / "tree")
        (self.out / "front_end.json").write_text(
            json.dumps(self.front_end, indent=1, sort_keys=True) + "\n")
        shutil.copyfile(self.lang.path / "phones.txt", self.out / "phones.txt")
        (self.out / "num_jobs").write_text(f"{self.num_jobs}\n")


def check_unaligned(data, failed, log_dir):
    """Lines `utt why` of all utterances without an alignment, sorted; over 5 % is an error.

    failed   such lines of those with features and words
    log_dir  where unaligned.txt is left in case of the error, which keeps nothing else
    """
    failed, count = sorted([*failed, *lacks(data)]), len(data.utts)
    path = Path(log_dir) / "unaligned.txt"
    path.unlink(missing_ok=True)
    if len(failed) > MAX_UNALIGNED * count:
        write_atomic(path, "".join(f"{line}\n" for line in failed))
        raise UserError(data.path, f"{len(failed)} of {count} utterances do not align, e.g. "
                        f"{failed[0]}", f"all are in {path}; do the transcripts match the sound?")
    return failed


def write_unaligned(out, data, failed, log_dir):
    """unaligned.txt of the lines that check_unaligned() gives. Returns their number."""
    failed = check_unaligned(data, failed, log_dir)
    (Path(out) / "unaligned.txt").write_text("".join(f"{line}\n" for line in failed), "utf-8")
    if failed:
        log(f"{len(failed)} of {len(data.utts)} utterances do not align, see unaligned.txt: "
            f"{failed[0]}")
    return len(failed)


def add(answers):
    """Sum of dicts of arrays; arrays of strings are joined end to end."""
    return {key: (np.concatenate([a[key] for a in answers]) if answers[0][key].dtype.kind == "U"
                  else sum(a[key] for a in answers[1:]) + answers[0][key])
            for key in answers[0]}


def worker_share(args, load=True):
    """The Share of the job that this process is; its features are set later unless `load`."""
    data, lang = DataDir(args.data), LangDir(args.lang)
    share = Share(data, lang, data.utts_by_job(args.job, args.nj), None)
    if load:
        share.set_pipeline(worker_pipeline(args, data))
    return share


def worker_pipeline(args, data, lda=None):
    front_end = json.loads((Path(args.work) / "front_end.json").read_text())
    return FeaturePipeline(data, front_end, lda=lda)


def common_handlers(share, args, out):
    """Answers to the tasks that every training step asks."""

    def align(m):
        return share.align(gmm.from_arrays(m), m["log_probs"], m["beams"].tolist())

    def accumulate(m):
        return share.accumulate(gmm.from_arrays(m))

    def write_ali(m):
        share.write_ali(out / f"ali.{args.job}.gz")
        return {}

    return {"align": align, "accumulate": accumulate, "write_ali": write_ali}


def model_front_end(args, **kwargs):
    return make_front_end(args.data, cmvn=args.cmvn, norm_vars=args.norm_vars, **kwargs)
