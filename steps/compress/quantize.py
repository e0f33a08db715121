#!/usr/bin/env python3
"""Turn a network into a LiteRT model, of numbers with fewer bits, that needs no TensorFlow to run.

Schemes: float32; float16 kernels; int8 kernels, what they are multiplied with becoming int8 while
it runs; int8-static, where all between the layers is int8, of ranges found in speech; int4 kernels
with a scale for each output, or for each 32 or 64 inputs of it (int4-block32, int4-block64). With
<data>, int4 kernels are rounded so that it matters least for that speech (not recurrent networks).
Batch norms are folded into affine layers; the map of posteriors that a mixture may have stays
float32. The result is decoded as any network, not trained.

in   <network>/final.keras config.json ...  a network of steps/nnet, steps/transfer, steps/compress
     <data>/feats.scp cmvn.scp utt2spk      training speech, heard for int4 and int8-static, which
                                            needs it
     <baseline>/                            of the gate, see --baseline
out  <dir>/model.tflite     float32 (left + n * subsampling + right, feat_dim) to log-posteriors
                            (n, num_pdfs)
     <dir>/config.json priors final.mdl tree phones.txt front_end.json   as of the network
     <dir>/compress.json    scheme, bytes, and non-zero weights of each layer as counted in the
                            file; what the gate measured

e.g. steps/compress/quantize.py --scheme int8 --baseline exp/tdnn/decode_dev exp/tdnn exp/tdnn_int8
     steps/compress/quantize.py --scheme int4 --keep output=int8 exp/tdnn data/train exp/tdnn_int4
"""

import shutil
import time
from pathlib import Path

from steps.compress import gate
from steps.compress.schemes import SCHEMES, check_keep, parse_keep
from steps.nnet.network import FILES, RECURRENT, is_compiled, read_config
from utils.data.datadir import DataDir
from utils.step import Step, UserError, log, positive

KEPT = [name for name in FILES if name != "final.keras"]
MAX_RISE = {4: 0.05, 8: 0.02}


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--scheme", default="int8", choices=SCHEMES, help="(default int8)")
    step.add("--keep", default="", metavar="'GLOB=SCHEME ...'",
             help="other schemes for some layers, such as 'output=int8 input*=float16'; the last "
                  "that matches counts")
    step.add("--calibration-utts", type=positive, default=40,
             help="utterances of <data> that are listened to (default 40)")
    gate.add_options(step, None, "0.02, for int4 0.05")
    step.add("network", help="network directory")
    step.add("data", nargs="?", default="", help="data directory, with features of the network")
    step.add("dir", help="network directory to make")
    args = step.parse(argv)
    if args.max_wer_rise is None:
        args.max_wer_rise = MAX_RISE[4 if args.scheme.startswith("int4") else 8]
    keep = parse_keep(args.keep)
    inputs = [Path(args.network) / name for name in FILES]
    heard = args.data and any(scheme.startswith(("int4", "int8-static"))
                              for scheme in (args.scheme, *(scheme for _, scheme in keep)))
    if heard:            # int8 follows from the kernels alone
        inputs += [Path(args.data) / name for name in ("feats.scp", "feats.json", "cmvn.scp",
                                               "utt2spk")]
    if step.up_to_date(args.dir, inputs + gate.inputs_of(args)):
        return 0
    check(args)
    speech = calibration_speech(args) if heard else []
    about = gate.deliver(step, inputs, lambda out: quantize(args, keep, speech, out),
                         "--keep output=int8, quantize_aware.py, or a wider --scheme")
    return step.finish(f"{args.dir}: {about['bytes'] / 1e6:.3f} MB, {args.scheme}, "
                       f"{about['bytes_before'] / 1e6:.3f} MB as float32")


def check(args):
    """UserErrors for what cannot be quantized."""
    if is_compiled(args.network):
        raise UserError(args.network, "is a LiteRT model already",
                        "take the network it was made of")
    recurrent = read_config(args.network).get("arch") in RECURRENT
    if args.scheme == "int8-static" and recurrent:
        raise UserError("--scheme", "int8-static is not for recurrent networks, whose states lose "
                        "too much", "take int8")
    if args.scheme == "int8-static" and not args.data:
        raise UserError("--scheme", "int8-static needs training speech", "name a data directory")
    if args.data and not (Path(args.data) / "feats.scp").is_file():
        raise UserError(Path(args.data) / "feats.scp", "no such file",
                        "name a data directory with features, or none")
    if args.data and recurrent:
        log("a recurrent network's kernels are not fitted to speech")
    for name in KEPT:
        if not (Path(args.network) / name).is_file():
            raise UserError(Path(args.network) / name, "no such file",
                            "train a network with steps/nnet")


def calibration_speech(args):
    """Some utterances over all of <data>, list of float32 (num_frames, feat_dim), padded."""
    if read_config(args.network).get("arch") in RECURRENT:
        return []
    from steps.nnet.jobs import check_network
    from steps.nnet.network import pad
    config, _, pipeline = check_network(args.network, DataDir(args.data))
    return [pad(pipeline.load(utt), config["left_context"], config["right_context"],
                config["subsampling"]) for utt in pipeline.spread(args.calibration_utts)]


def quantize(args, keep, speech, out):
    """Write the network directory out; returns the dict of compress.json."""
    from steps.compress.litert import affine_layers, export, posterior_maps
    from steps.compress.schemes import kernels_in, plan_of, quantized
    from steps.nnet.network import read_model
    started, source = time.time(), Path(args.network)
    model = read_model(source)
    layers = affine_layers(model)
    check_keep(keep, layers)
    plan = plan_of(layers, args.scheme, keep) | dict.fromkeys(posterior_maps(model), "float32")
    config = read_config(source)
    data = export(model)
    # Kernels that were trained to be where whole numbers put them are not to be moved again.
    trained = config.get("quantized", {})
    made = quantized(data, plan, speech, [name for name in plan if trained.get(name) == plan[name]])
    (out / "model.tflite").write_bytes(made)
    for name in KEPT:
        shutil.copyfile(source / name, out / name)
    kernels = kernels_in(made, layers)
    return {"method": "quantize", "source": str(source), "scheme": args.scheme,
            "keep": args.keep, "data": args.data if speech else "", "calibration_utts": len(speech),
            "num_params": config.get("num_params"), "bytes": len(made),
            "bytes_before": len(data),
            "nonzero": sum(kernel["nonzero"] for kernel in kernels.values()),
            "layers": [{"name": name, "scheme": plan[name], **kernels.get(name, {})}
                       for name in layers],
            "seconds": round(time.time() - started, 2)}


if __name__ == "__main__":
    raise SystemExit(main())
