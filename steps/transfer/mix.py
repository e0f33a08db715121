#!/usr/bin/env python3
"""Mix two networks into one: a weighted mean of their posteriors, or of their logarithms.

P(pdf|x) = a P_A(pdf|x) + (1 - a) P_B(pdf|x), or with --form loglinear P_A^a P_B^(1-a), normalised.
Where the networks have different trees, A's posteriors are mapped to B's pdfs by sound:
P_A(t|x) is in proportion to p(t) sum_s map[t, s] P_A(s|x) / p(s). The weight is tuned on
development data, such as 0.2, 0.4 ... to directories of their own.

in   <a> <b>                network directories for the same features, as many frames an output
     <pdf-map>/pdf_map.npz  of steps/transfer/map_phones.py from A's pdfs to B's
out  <dir>                  a network directory with B's tree, for all that decodes

e.g. steps/transfer/mix.py --weight 0.3 --pdf-map exp/fr/map exp/en/tdnn exp/fr/tdnn exp/fr/mix
"""

from pathlib import Path

import numpy as np

from steps.hmm.tree import check_same_tree
from steps.nnet import training
from steps.transfer.initial import Source
from steps.transfer.pdf_map import check_map, read_pdf_map
from utils.option_types import share_or_one
from utils.step import Step, UserError

FORMS = ("linear", "loglinear")


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--weight", type=share_or_one, default=0.5, help="a (default 0.5)")
    step.add("--form", default="linear", choices=FORMS)
    step.add("--pdf-map", default="", metavar="DIR", help="from A's pdfs to B's, by map_phones.py")
    step.add("a", help="network directory, such as the source's")
    step.add("b", help="network directory, such as the target's")
    step.add("dir", help="network directory to make")
    args = step.parse(argv)
    a, b = Source(args.a), Source(args.b)
    pdf_map = [Path(args.pdf_map) / "pdf_map.npz"] if args.pdf_map else []
    if step.up_to_date(args.dir, [*a.files, *b.files, *pdf_map]):
        return 0
    check_alike(args, a, b)
    from steps.transfer.mixture import mixture
    kernel, priors = None, b.priors()
    if not args.pdf_map:
        priors = args.weight * a.priors() + (1 - args.weight) * priors
    else:
        check_map(args.pdf_map, b.path, a.path)
        by_sound = read_pdf_map(args.pdf_map, b.config["num_pdfs"],
                                a.config["num_pdfs"]).toarray()
        kernel = posterior_map(by_sound, a.priors(), b.priors())
    model, config = mixture(a, b, args.weight, args.form, kernel)
    with step.output(args.dir) as out:
        training.write_directory(out, model, config, priors, b.transitions, b.front_end, b.path)
    return step.finish(f"{args.dir}: {args.weight:g} {args.a} + {1 - args.weight:g} {args.b}, "
                       f"{args.form}; {training.describe(config)}")


def check_alike(args, a, b):
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
    if not args.pdf_map:
        check_same_tree(b.path, a.path, "train the network again",
                        "map A's pdfs with --pdf-map, by steps/transfer/map_phones.py")


def posterior_map(pdf_map, priors, target_priors):
    """p(t) map[t, s] / p(s), float32 (num_source, num_target), for MapPosteriors.

    The likelihood of a target pdf is the mixture of the source pdfs' that the map gives it.

    pdf_map  (num_target, num_source), rows sum to 1
    """
    return (pdf_map * np.outer(target_priors, 1 / priors)).T.astype(np.float32)


if __name__ == "__main__":
    raise SystemExit(main())
