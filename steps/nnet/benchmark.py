#!/usr/bin/env python3
"""Measure how fast a network trains, against this machine's own matrix product; and its memory.

in   <data>, <alidir>   as of steps/nnet/train.py, whose options all hold here as well
out  <file>             JSON of what is printed

Speed. A round is a second of float32 products of 2048 x 2048 matrices with numpy, one with
TensorFlow, and one of training steps; the faster library counts. The ratio of training to matrix
product is taken in each round, so that other work on the machine slows both down, and its median
over the rounds is reported. A training step is a whole one, as train.py does it: a batch is read
from the archives and augmented (while the batch before trains), forward, backward, optimizer.

Counted are the multiply-adds of the matrix products of affine, convolutional and recurrent layers,
for all frames of a chunk that are really computed, with those of the context: once forward, once
for the gradient of the weights, and once for the gradient of the layer's input, unless nothing
below the layer learns. All that works number by number (relu, batch norm, softmax, optimizer)
takes time and counts as nothing.

Memory, with --memory: the peak of train.py (VmHWM of a process of its own, which has libraries and
pages of archives in it) over one epoch of the corpus, and over one of the corpus repeated, its
archives copied too.

e.g. steps/nnet/benchmark.py --config conf/tdnn.conf data/train_sp exp/tri3b_ali b.json
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from steps.nnet import training
from utils.data.combine_data import combine
from utils.data.datadir import DataDir
from utils.data.transform import all_tables, rename, write_data
from utils.option_types import above_zero
from utils.step import Step, log, positive, write_atomic

MATRIX = 2048        # rows and columns of the matrices that are multiplied
OWN_OPTIONS = {"rounds", "seconds", "memory", "repeat"}
# Its peak is asked of the process itself: what wait4() says of a child begins with its parent's.
PEAK = """import sys
from steps.nnet import train
train.main(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def main(argv=None):
    step = make_step()
    args = step.parse(argv)
    training.check_inputs(args.data, args.alidir)

    result = {}
    with tempfile.TemporaryDirectory(prefix="benchmark.") as work:
        if args.memory:      # first, while this process has no threads of TensorFlow's yet
            result["memory"] = measure_memory(args, training_options(step), Path(work))
        result["speed"] = measure_speed(args, Path(work))
    write_atomic(args.file, json.dumps(result, indent=1) + "\n")
    print("\n".join(describe(result)))
    return step.finish(args.file)


def make_step():
    step = Step(__file__, __doc__)
    training.add_options(step)
    step.add("--rounds", type=positive, default=15, help="(default 15)")
    step.add("--seconds", type=above_zero, default=1.0,
             help="of each part of a round, at least (default 1)")
    step.add("--memory", action="store_true", help="measure peak memory as well")
    step.add("--repeat", type=positive, default=4,
             help="with --memory: how often the corpus is repeated (default 4)")
    step.add("data", help="data directory with features")
    step.add("alidir", help="directory of alignments of it, or of what it is a copy of")
    step.add("file", help="JSON file to write")
    return step


def training_options(step):
    """train.py's part of the command line: ["--arch=tdnn", ...] with all values given."""
    args = {key: value for key, value in step.options().items()
            if key not in OWN_OPTIONS | {"data", "alidir", "file"}}
    return [f"--{key.replace('_', '-')}={value}" for key, value in args.items()]


# speed

def measure_speed(args, work):
    sizes = training.parse_sizes(args.arch, args.sizes)
    language = training.LanguageData(args, args.data, args.alidir, work)

    from steps.nnet.architectures import add_output
    from steps.nnet.tf import devices, seed
    from steps.nnet.trainer import Task, Trainer
    seed(args.seed)
    trunk, left, right = training.trunk_of(args.arch, sizes, language.feat_dim)
    model = add_output(trunk, language.transitions.num_pdfs)
    reader, _ = language.readers(left, right, sizes["subsampling"], args.batch_size)
    config = language.config(args, sizes, model, left, right)
    log(f"{training.describe(config)}; on {devices()}")

    width = left + reader.chunk_out * reader.subsampling + right
    macs = args.batch_size * training_macs(model, width)
    endless = replace(training.trainer_options(args), num_epochs=10 ** 6)
    trainer = Trainer(trunk, [Task("output", model, model.get_layer("output"), reader)],
                      endless, work)
    steps = trainer.steps()
    products = numpy_product(), tensorflow_product()
    for warm_up in (*products, *[lambda: next(steps)] * 3):
        warm_up()
    rounds = []
    for _ in range(args.rounds):
        numpy, tensorflow = (MATRIX ** 3 / seconds_of(product, args.seconds)
                             for product in products)
        seconds = seconds_of(lambda: next(steps), args.seconds)
        rounds.append({"numpy": numpy, "tensorflow": tensorflow, "training": macs / seconds,
                       "ratio": macs / seconds / max(numpy, tensorflow)})
    steps.close()
    middle = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    seconds = macs / middle["training"]
    speech = reader.num_frames * language.frame_shift
    return {**middle, "lowest_ratio": min(r["ratio"] for r in rounds),
            "highest_ratio": max(r["ratio"] for r in rounds),
            "macs_per_step": macs, "seconds_per_step": seconds,
            "seconds_per_epoch": seconds * reader.num_batches(),
            "speech_per_second": speech / seconds / reader.num_batches(),
            "batch_size": args.batch_size, "chunk_frames": args.chunk_frames,
            "devices": devices(), "network": config, "rounds": rounds}


def training_macs(model, num_frames):
    """Multiply-adds of training on one chunk of num_frames input frames, context included.

    Forward, gradients of weights, and gradients of inputs where something below learns, as for a
    recurrent layer always: an affine one is below it.
    """
    from steps.nnet.size import calls, contexts, macs_per_frame
    found, learns, total = contexts(model), set(), 0
    for layer, inputs, output in calls(model):
        left, right, stride = found[id(output)]
        num_out = (num_frames - left - right) // stride
        below = any(id(tensor) in learns for tensor in inputs)
        if below or layer.trainable_weights:
            learns.add(id(output))
        total += num_out * (2 + below) * macs_per_frame(layer, output)
    return total


def numpy_product():
    import numpy as np
    a, b = np.random.default_rng(0).standard_normal((2, MATRIX, MATRIX), np.float32)
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)


def tensorflow_product():
    from steps.nnet.tf import tf
    a, b = (tf.random.stateless_normal((MATRIX, MATRIX), seed=[0, k]) for k in range(2))
    return lambda: tf.matmul(a, b)[0, 0].numpy()      # of which one number has to be waited for


def seconds_of(function, at_least):
    """Mean seconds of a call, over as many calls as last at_least that long together."""
    count, begin = 0, time.perf_counter()
    while (spent := time.perf_counter() - begin) < at_least or not count:
        function()
        count += 1
    return spent / count


# memory

def measure_memory(args, options, work):
    log(f"peak memory of train.py on {args.data}")
    once = peak_memory(options, args.data, args.alidir, work / "once")
    log(f"peak memory of train.py on {args.data}, {args.repeat} times")
    repeated = repeat(Path(args.data), args.repeat, work)
    many = peak_memory(options, repeated, args.alidir, work / "many")
    return {"peak_mb": once, "repeat": args.repeat, "repeated_peak_mb": many,
            "growth_mb": many - once}


def peak_memory(options, data, alidir, directory):
    """Peak of train.py over one epoch, in its own process, in units of 10^6 bytes."""
    command = [sys.executable, "-c", PEAK, *options, "--num-epochs=1", data, alidir, directory]
    run = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, check=False)
    if run.returncode:
        raise SystemExit("benchmark: train.py failed, see above")
    return int(run.stdout.split()[-1]) * 1024 / 1e6


def repeat(source, times, work):
    """A data directory of `times` copies of one, each with archives of its own."""
    data, parts = DataDir(source), []
    for number in range(times):
        prefix, part = f"copy{number}-" if number else "", work / f"copy{number}"
        part.mkdir()
        tables = rename(all_tables(data), utt=prefix.__add__, spk=prefix.__add__)
        archives = {}
        tables["feats.scp"] = {utt: _copied(spec, part, archives)
                               for utt, spec in tables["feats.scp"].items()}
        # The alignment is that of the first of all.
        uniq = data.table("utt2uniq")
        tables["utt2uniq"] = {prefix + utt: uniq.get(utt, utt) for utt in data.utts}
        write_data(part, tables, source)
        parts.append(DataDir(part))
    write_data(work / "repeated", combine(parts), source)
    return work / "repeated"


def _copied(spec, part, archives):
    """archive:offset in a copy of the archive; what is no such thing stays as it is."""
    path, _, offset = spec.rpartition(":")
    if not (offset.isdigit() and Path(path).is_file()):
        return spec
    if path not in archives:
        archives[path] = part / f"{len(archives)}.ark"
        shutil.copyfile(path, archives[path])
    return f"{archives[path]}:{offset}"


def describe(result):
    """Lines for people."""
    speed = result["speed"]
    yield (f"matrix product {speed['numpy'] / 1e9:.1f} GMAC/s with numpy, "
           f"{speed['tensorflow'] / 1e9:.1f} with TensorFlow")
    yield (f"training {speed['training'] / 1e9:.1f} GMAC/s, {speed['ratio']:.3f} of it "
           f"({speed['lowest_ratio']:.3f} to {speed['highest_ratio']:.3f} in "
           f"{len(speed['rounds'])} rounds)")
    yield (f"{speed['seconds_per_step']:.3f} s a step, {speed['speech_per_second']:.0f} s of "
           f"speech a second, {speed['seconds_per_epoch']:.1f} s an epoch")
    if "memory" in result:
        memory = result["memory"]
        yield (f"peak memory {memory['peak_mb']:.0f} MB, {memory['repeated_peak_mb']:.0f} MB with "
               f"the corpus {memory['repeat']} times: {memory['growth_mb']:+.0f} MB")


if __name__ == "__main__":
    raise SystemExit(main())
