"""How small, fast and frugal LiteRT models are."""

import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from statistics import median

import numpy as np

from steps.nnet.jobs import pipeline_of
from steps.nnet.litert import LiteRtNetwork, default_threads, read_litert_model
from steps.nnet.network import log_of_priors, pad, read_config, read_priors
from utils.data.datadir import DataDir
from utils.step import ROOT

# Its peak is asked of the process itself: what wait4() says of a child begins with its parent's.
PEAK = """import sys
import numpy as np
from steps.nnet.litert import read_litert_model
model = read_litert_model(sys.argv[1], 1)
with np.load(sys.argv[2]) as file:
    for name in file.files:
        model.run(file[name])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def measure(args, variants):
    """Put "one_core", "all_cores", with a graph "with_search", and "memory" into rows.

    args      .data .utts .rounds .graph .beam .acwt
    variants  [(name, network directory, row)], the row with "path" of the LiteRT model
    returns   seconds of each utterance
    """
    feats = {name: utterances(args, path) for name, path, _ in variants}
    _, first, _ = variants[0]
    shift = read_config(first).get("frame_shift", 0.01)
    speech = [len(f) * shift for f in feats[variants[0][0]]]

    def timed(key, threads, clock=time.process_time, then=lambda path: lambda scores: None):
        runs = {name: _run(litert_network(path, row["path"], threads), feats[name], then(path))
                for name, path, row in variants}
        found = speeds(runs, speech, args.rounds, clock)
        for name, _, row in variants:
            row[key] = found[name]

    timed("one_core", 1)
    timed("all_cores", default_threads(), time.perf_counter)
    if args.graph:
        timed("with_search", 1, then=lambda path: searcher(args, path))
    with tempfile.TemporaryDirectory(prefix="benchmark.") as work:
        for name, path, row in variants:
            config = read_config(path)
            np.savez(Path(work) / "feats.npz", *(pad(
                f, config["left_context"], config["right_context"], config["subsampling"])
                for f in feats[name]))
            row["memory"] = peak_memory(row["path"].resolve(), Path(work) / "feats.npz")
    return speech


def utterances(args, network):
    """Features, as a network wants them, of some utterances over all of <data>."""
    pipeline = pipeline_of(network, DataDir(args.data))
    return [pipeline.load(utt) for utt in pipeline.spread(args.utts)]


def litert_network(directory, model, threads):
    """The LiteRtNetwork of a directory's config and priors, and of a .tflite file."""
    return LiteRtNetwork(read_litert_model(model, threads), read_config(directory),
                         log_of_priors(read_priors(directory / "priors")))


def _run(network, feats, then):
    return lambda utt: then(network.log_likes(feats[utt]))


def zipped(data):
    """Bytes of a file once it is in a zip."""
    return len(zlib.compress(data, 9))


def peak_memory(model, feats):
    """Peak of a fresh Python process that runs a model on utterances, one thread; 10^6 bytes.

    model  path of a .tflite file;  feats  path of an .npz file
    """
    run = subprocess.run([sys.executable, "-c", PEAK, model, feats], cwd=ROOT,
                         stdout=subprocess.PIPE, check=True)
    return int(run.stdout) * 1024 / 1e6


def speeds(runs, speech, rounds, clock):
    """Seconds of speech a second of each of several functions, the median over rounds.

    runs    {name: function of an utterance's number}
    speech  seconds of each utterance
    clock   time.process_time, or time.perf_counter where several threads work

    In a round all take each utterance in turn, so that other work on the machine slows all down.
    """
    names, seconds = list(runs), {name: [] for name in runs}
    for name in names:
        runs[name](0)
    for number in range(rounds):
        spent = dict.fromkeys(names, 0.0)
        for utt in range(len(speech)):
            for place in range(len(names)):
                name = names[(place + utt + number) % len(names)]
                begin = clock()
                runs[name](utt)
                spent[name] += clock() - begin
        for name in names:
            seconds[name].append(spent[name])
    return {name: sum(speech) / median(values) for name, values in seconds.items()}


def searcher(args, directory):
    """A function that searches for words, of float32 (num_frames, num_pdfs) log-likelihoods."""
    from steps.decode.decoding_graph import DecodingGraph
    from steps.decode.lattice_decoder import DecodeOptions, LatticeDecoder
    from steps.hmm.model import read_transitions
    graph = DecodingGraph.read(Path(args.graph) / "HCLG.fst",
                               read_transitions(directory / "final.mdl").tid2pdf)
    decoder = LatticeDecoder(graph, DecodeOptions(args.beam, acwt=args.acwt))

    def search(scores):
        decoder.init()
        decoder.advance(scores)
        return decoder.finalise()

    return search
