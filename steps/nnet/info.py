#!/usr/bin/env python3
"""Say what a network is, or what an architecture would be: size, context, multiply-adds, layers.

in   <dir>/final.keras config.json, or --arch and --sizes
out  standard output

e.g. steps/nnet/info.py exp/tdnn
     steps/nnet/info.py --arch tdnnf --sizes 'hidden_dim=512' --num-pdfs 2000
"""

from steps.nnet import training
from utils.step import Step, UserError, positive


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--arch", default="", help="instead of a directory: an architecture")
    step.add("--sizes", default="", metavar="'NAME=VALUE ...'", help="as of steps/nnet/train.py")
    step.add("--feat-dim", type=positive, default=40, help="with --arch (default 40)")
    step.add("--num-pdfs", type=positive, default=1000, help="with --arch (default 1000)")
    step.add("dir", nargs="?", help="network directory")
    args = step.parse(argv)
    if bool(args.dir) == bool(args.arch):
        raise UserError("arguments", "either a network directory or --arch")
    if args.dir:
        from steps.nnet.network import read_keras_network
        network = read_keras_network(args.dir)
        model, config = network.model, network.config
    else:
        model, config = imagined(args)
    from steps.nnet.size import macs_per_second, num_params
    config["num_params"] = num_params(model)
    config["macs_per_second"] = macs_per_second(model, config["frame_shift"])
    print(training.describe(config))
    print("sizes: " + " ".join(f"{name}={training.shown(value)}"
                               for name, value in config["sizes"].items()))
    if "units" in config:
        print("left by pruning: " + " ".join(f"{name}={left}/{of}"
                                             for name, (left, of) in config["units"].items()))
    for layer in model.layers:
        if layer.count_params():
            shapes = ", ".join(str(tuple(w.shape)) for w in layer.weights)
            print(f"  {layer.name:24s} {layer.count_params():>10,d}  {shapes}")
    return 0


def imagined(args):
    """A network that has learnt nothing, and its config."""
    from steps.nnet.architectures import add_output
    sizes = training.parse_sizes(args.arch, args.sizes)
    trunk, left, right = training.trunk_of(args.arch, sizes, args.feat_dim)
    return add_output(trunk, args.num_pdfs), {
        "arch": args.arch, "sizes": sizes, "left_context": left, "right_context": right,
        "subsampling": sizes["subsampling"], "frame_shift": 0.01}


if __name__ == "__main__":
    raise SystemExit(main())
