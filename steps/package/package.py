#!/usr/bin/env python3
"""Make a package: one folder, and one zip of it, with all that transcribing and adapting need.

in   <network>/model.tflite or final.keras, config.json front_end.json priors final.mdl tree
     phones.txt compress.json          final.keras is exported as float32 LiteRT
     <graph>/HCLG.fst words.txt phones.txt phones/* graph.json bpe.model
     <lang>/lm.arpa.gz, or --lm; --lexicon
     --dev and --decode directories of this network and graph, scored; --trainable's final.keras
out  <package>/manifest.json      sha256 and bytes of every file, checked before use
     <package>/card.json README.md     what it was made from, how well and how fast it hears
     <package>/recogniser.json    how it decodes: LM weight and insertion penalty chosen on --dev
     <package>/model/*            a network directory with model.tflite
     <package>/graph/*            HCLG as OpenFst's const, which loads at once; the penalty is in it
     <package>/lang/*             lm.arpa.gz, lexicon.txt
     <package>/adapt/*            final.keras as float16 and config.json of the network that
                                  steps/transfer takes; not with --no-adapt
     <package>.zip

e.g. steps/package/package.py --dev exp/fr/tdnn_int8/decode_dev \\
       --decode exp/fr/tdnn_int8/decode_test --lexicon data/fr/dict/lexicon.txt \\
       --name "French, small" --language fr \\
       exp/fr/tdnn_int8 exp/fr/tri3b/graph data/fr/lang_test exp/fr/package
"""

import json
from pathlib import Path

from utils.step import Step, log, positive


def main(argv=None):
    step = Step(__file__, __doc__)
    add_options(step)
    args = step.parse(argv)
    args.package = str(Path(args.package))     # a slash at its end would be before ".zip"
    from steps.package import contents
    zipped = Path(f"{args.package}.zip")
    args.force = args.force or not zipped.is_file()
    inputs = contents.inputs_of(args)
    if step.up_to_date(args.package, inputs):
        return 0
    plan = contents.check(args)

    from steps.package.archive import check_alone, open_package, write_manifest, write_zip
    from steps.package.card import card_of, render
    with step.output(args.package) as out:
        contents.write(out, plan)
        check_alone(args.package, {"card.json", "README.md", *(
            path.relative_to(out).as_posix() for path in out.rglob("*"))})
        made_of = {"bytes": {name: sum(p.stat().st_size for p in (out / name).rglob("*"))
                             for name in ("model", "graph", "lang", "adapt")
                             if (out / name).is_dir()}}
        card = card_of(plan, made_of)
        if args.sound:
            from steps.package.measure import measure
            write_manifest(out, {"name": args.name})
            card["speed"] = measure(out, args.sound)
        (out / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n",
                                       "utf-8")
        (out / "README.md").write_text(render(card), "utf-8")
        count, size = write_manifest(out, {"name": args.name})
        log(f"{args.package}: " + ", ".join(f"{name} {bytes_ / 1e6:.2f} MB"
                                            for name, bytes_ in made_of["bytes"].items()))
        zipped.unlink(missing_ok=True)   # killed from here on, the next run sees that it is missing
    write_zip(zipped, args.package)
    open_package(args.package)
    for warning in card["warnings"]:
        log(f"WARNING: {warning}")
    return step.finish(f"{args.package}: {count} files, {size / 1e6:.2f} MB; {zipped}: "
                       f"{zipped.stat().st_size / 1e6:.2f} MB")


def add_options(step):
    step.add("--dev", default="", metavar="DECODE",
             help="scored decode directory whose LM weight and insertion penalty are taken")
    step.add("--lmwt", type=float, default=None, help="LM weight, in the place of --dev's")
    step.add("--wip", type=float, default=None, help="insertion penalty, in the place of --dev's")
    step.add("--beam", type=float, default=9.0, help="of transcribing (default 9)")
    step.add("--max-active", type=positive, default=1000,
             help="tokens followed from frame to frame at most (default 1000)")
    step.add("--min-active", type=positive, default=200, help="and at least (default 200)")
    step.add("--lm", default="", metavar="ARPA", help="gzipped or not (default <lang>/lm.arpa.gz)")
    step.add("--lexicon", default="", metavar="FILE", help="the dict directory's lexicon.txt")
    step.add("--trainable", default="", metavar="NETWORK",
             help="network directory with final.keras of the same pdfs, to be adapted later; no "
                  "mixture (default <network>, or what it was compressed from)")
    step.add("--no-adapt", action="store_true", help="leave it out; saves half of its bytes")
    step.add("--name", default="", help="of the package, for people")
    step.add("--language", default="", help="such as fr, or mdw")
    step.add("--corpus", default="", help="what it was trained on, one line")
    step.add("--licence", default="", help="of the package: the corpus decides; one line")
    step.add("--about", default="", metavar="FILE", help="text for the README, Markdown")
    step.add("--decode", action="append", default=[], metavar="DECODE",
             help="scored decode directory for the card's word error rates; may be repeated")
    step.add("--sound", default="", metavar="DATA",
             help="data directory: transcribe a minute of its sound and put speed and memory on "
                  "the card; needs requirements-run.txt")
    step.add("network", help="network directory, compressed or not")
    step.add("graph", help="graph directory")
    step.add("lang", help="lang directory with the LM")
    step.add("package", help="folder to make; the zip is beside it")


if __name__ == "__main__":
    raise SystemExit(main())
