#!/usr/bin/env python3
"""Mix networks into one: a weighted mean of their posteriors, or of their logarithms.

P(pdf|x) = a P_A(pdf|x) + (1 - a) P_B(pdf|x), or with --form loglinear P_A^a P_B^(1-a), normalised;
more than two likewise. Where A, the first, has another tree than the others, its posteriors are
mapped to their pdfs by sound: P_A(t|x) is in proportion to p(t) sum_s map[t, s] P_A(s|x) / p(s).
The weight is tuned on development data, such as 0.2, 0.4 ... to directories of their own. Networks
of several seeds or architectures, equally weighed, make fewer errors than each of them;
steps/compress/distill.py then teaches a single one to say what they say together.

in   <a> <b> ...            network directories for the same features, as many frames an output
     <pdf-map>/pdf_map.npz  of steps/transfer/map_phones.py from A's pdfs to the others'
out  <dir>                  a network directory with the last one's tree, for all that decodes

e.g. steps/transfer/mix.py --weight 0.3 --pdf-map exp/fr/map exp/en/tdnn exp/fr/tdnn exp/fr/mix
     steps/transfer/mix.py --form loglinear exp/tdnn exp/tdnnf exp/cnn exp/three
"""

from pathlib import Path

import numpy as np

from steps.hmm.tree import check_same_tree
from steps.nnet import training
from steps.nnet.network import PRIOR_FLOOR
from steps.transfer.initial import Source
from steps.transfer.pdf_map import check_map, read_pdf_map
from utils.step import Step, UserError, check_apart, numbers

FORMS = ("linear", "loglinear")


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--weight", default="", metavar="A[,B,...]",
             help="a, or the weights of all networks, with commas (default: they are equal)")
    step.add("--form", default="linear", choices=FORMS)
    step.add("--pdf-map", default="", metavar="DIR",
             help="from A's pdfs to the others', by map_phones.py")
    step.add("networks", nargs="+", metavar="network", help="two or more network directories")
    step.add("dir", help="network directory to make")
    args = step.parse(argv)
    if len(args.networks) < 2:
        raise UserError("mix.py", "one network cannot be mixed", "give two or more, then <dir>")
    weights = weights_of(args.weight, len(args.networks))
    check_apart(args.dir, *args.networks)
    sources = [Source(path) for path in args.networks]
    pdf_map = [Path(args.pdf_map) / "pdf_map.npz"] if args.pdf_map else []
    if step.up_to_date(args.dir, [*(file for s in sources for file in s.files), *pdf_map]):
        return 0
    a, *_, last = sources
    for other in sources[:-1]:
        check_alike(other, last, mapped=bool(args.pdf_map) and other is a)
    from steps.transfer.mixture import mixture
    if not args.pdf_map:
        kernel, priors = None, mean_priors(sources, weights, args.form)
    else:
        check_map(args.pdf_map, last.path, a.path)
        by_sound = read_pdf_map(args.pdf_map, last.config["num_pdfs"],
                                a.config["num_pdfs"]).toarray()
        priors = mean_priors(sources[1:], weights[1:], args.form)
        kernel = posterior_map(by_sound, a.priors(), priors)
    model, config = mixture(sources, weights, args.form, kernel)
    with step.output(args.dir) as out:
        training.write_directory(out, model, config, priors, last.transitions, last.front_end,
                                 last.path)
        alike = args.networks[bool(args.pdf_map):]
        training.write_held_out(out, sorted(training.held_out_of(last.path) or ()), alike)
    told = " + ".join(f"{weight:.3g} {path}"
                      for weight, path in zip(weights, args.networks, strict=True))
    return step.finish(f"{args.dir}: {told}, {args.form}; {training.describe(config)}")


def weights_of(text, count):
    """As many weights as there are networks, from what --weight says; they sum to 1."""
    if not text:
        return [1 / count] * count
    weights = numbers("--weight", text, "0.3 or 0.2,0.3,0.5")
    if len(weights) == 1 and count == 2:
        weights.append(1 - weights[0])
    if len(weights) != count:
        raise UserError("--weight", f"{text} are {len(weights)} weights of {count} networks")
    if not all(0 <= weight <= 1 for weight in weights) or abs(sum(weights) - 1) > 1e-3:
        raise UserError("--weight", f"{text} are no weights from 0 to 1 that sum to 1")
    return weights


def mean_priors(sources, weights, form):
    """Mean of networks' priors, weighted, or alike where all weigh nothing; float64 (num_pdfs,).

    Of a log-linear mixture it is the geometric one, so that its posteriors over it are the mixture
    of theirs over their own.
    """
    priors = np.array([source.priors() for source in sources])
    if not any(weights):
        weights = [1] * len(weights)
    if form == "linear":
        return np.average(priors, axis=0, weights=weights)
    mean = np.exp(np.average(np.log(np.maximum(priors, PRIOR_FLOOR)), axis=0, weights=weights))
    return mean / mean.sum()


def check_alike(a, b, mapped):
    """UserError unless two networks hear the same features, as often, of the same tree or mapped.
    """
    for key in ("cmvn", "norm_vars"):
        if a.front_end.get(key) != b.front_end.get(key):
            raise UserError(f"{b.path}/front_end.json", f"{key} is {b.front_end.get(key)}, in "
                            f"{a.path} {a.front_end.get(key)}", "mix networks of the same features")
    prints = [s.front_end["feats"].get("fingerprint") for s in (a, b)]
    if prints[0] != prints[1]:
        raise UserError(f"{b.path}/front_end.json", f"has features {prints[1]}, {a.path} "
                        f"{prints[0]}", "mix networks of the same features")
    for key in ("feat_dim", "subsampling"):
        if a.config[key] != b.config[key]:
            raise UserError(f"{b.path}/config.json", f"{key} is {b.config[key]}, in {a.path} "
                            f"{a.config[key]}", "mix networks of the same features and subsampling")
    if not mapped:
        check_same_tree(b.path, a.path, "train the network again",
                        "map the first one's pdfs with --pdf-map, by steps/transfer/map_phones.py")


def posterior_map(pdf_map, priors, target_priors):
    """p(t) map[t, s] / p(s), float32 (num_source, num_target), for MapPosteriors.

    The likelihood of a target pdf is the mixture of the source pdfs' that the map gives it.

    pdf_map  (num_target, num_source), rows sum to 1
    """
    return (pdf_map * np.outer(target_priors, 1 / priors)).T.astype(np.float32)


if __name__ == "__main__":
    raise SystemExit(main())
