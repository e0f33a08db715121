#!/usr/bin/env python3
"""Make a target's network of the source network and an adapter: an ordinary network directory.

in   <source>/final.keras config.json ...   the network that the adapter was trained on
     <adapter>                              adapter.npz of steps/transfer/transfer.py --adapters,
                                            or the directory that it is in
out  <dir>/final.keras config.json ...      a network directory, as transfer.py wrote it

e.g. steps/transfer/apply_adapter.py exp/en/tdnn speakers/anna/adapter.npz exp/anna
"""

from pathlib import Path

from steps.transfer.initial import Source
from utils.step import Step, UserError, check_apart


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("source", help="network directory")
    step.add("adapter", help="adapter.npz, or its directory")
    step.add("dir", help="network directory to make")
    args = step.parse(argv)
    path = Path(args.adapter)
    path = path / "adapter.npz" if path.is_dir() else path
    check_apart(args.dir, args.source, path.parent)
    source = Source(args.source)
    if step.up_to_date(args.dir, [*source.files, path]):
        return 0
    from steps.nnet.network import save_model
    from steps.transfer import adapters, graft
    about, values, files = adapters.read_adapter(path)
    if about["source"] != adapters.fingerprint(source.path):
        raise UserError(path, f"is of another network than {source.path}/final.keras",
                        "take the source network that it was trained on")
    adapted = adapters.base_of(source.model(), about)
    adapters.assign(adapted, values)
    merged = adapters.merge(adapted)
    graft.reseed(merged, about["seed"])
    with step.output(args.dir) as out:
        save_model(out / "final.keras", merged)
        for name, data in files.items():
            (out / Path(name).name).write_bytes(data)
    return step.finish(f"{args.dir}: {sum(v.size for v in values.values())} numbers of the "
                       f"adapter put in, {about['num_pdfs']} pdfs")


if __name__ == "__main__":
    raise SystemExit(main())
