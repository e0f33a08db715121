#!/usr/bin/env python3
"""Say what a package can be the source of, for a target language or accent, and unpack it for that.

in   <package>             folder or zip of steps/package/package.py
     <target>/phones.txt   a lang directory: which of its phones the package knows, by sound
     or <target>/wav.scp   a data directory: whether its features or its sound's rate fit
out  standard output       a line each for: training, features, the three output layers of
                           steps/transfer/transfer.py, phones
     <unpack>/*            with --unpack, a network directory for steps/transfer and steps/nnet

The exit status is 0 if the package can be a source for the target, 1 if it cannot.

e.g. steps/package/check_adaptable.py --unpack exp/source en.zip data/fr/lang
"""

from pathlib import Path

from utils.step import Step, UserError, check_apart

NEAR = 0.1      # distance of sounds up to which a phone counts as near


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--unpack", default="", metavar="DIR", help="network directory to make")
    step.add("package", help="folder or zip")
    step.add("target", nargs="?", default="", help="lang directory or data directory")
    args = step.parse(argv)
    from steps.package.archive import open_package
    if args.unpack:
        check_apart(args.package, args.unpack, *Path(args.unpack).resolve().parents)
    with open_package(args.package) as package:
        possible, lines = judge(package, args.target)
        print("\n".join(lines))
        if not possible:
            return 1
        if args.unpack and not step.up_to_date(args.unpack, [
                args.package, Path(args.package) / "manifest.json"]):
            from steps.package.adapt import unpack_network
            with step.output(args.unpack) as out:
                unpack_network(package, out)
    return step.finish(f"{args.package}: can be a source"
                       + (f"; unpacked into {args.unpack}" if args.unpack else ""))


def judge(package, target):
    """Whether the package can be a source, and lines that say for what."""
    from steps.package.adapt import TRAINABLE, config_of
    from steps.package.whole import check_front_end
    front_end = check_front_end(package)
    feats = front_end["feats"]
    mixture = "mixture" in package.json(config_of(package))
    possible = TRAINABLE in package and not mixture
    why = ("it is a mixture, which cannot be trained on" if mixture else
           "the package was made with --no-adapt")
    lines = ["training: yes, the network is there in a trainable form" if possible else
             f"training: no, {why}; transcribe.py alone works",
             f"features: {feats['kind']} of {feats['feat_dim']}, {feats['sample_rate']} Hz, CMVN "
             f"by {front_end['cmvn']}"]
    same = None
    if target and (Path(target) / "phones.txt").is_file():
        same, found = phones(package, target)
        lines += found
    elif target and (Path(target) / "wav.scp").is_file():
        fits, found = data(feats, target)
        lines.append(found)
        possible = possible and fits
    elif target:
        raise UserError(target, "is neither a lang nor a data directory",
                        "expected phones.txt or wav.scp in it")
    if possible:
        lines += ["--output new: yes, for any language, with alignments of its own tree",
                  "--output map: yes, where the phones' sounds are known; also without training",
                  {None: "--output copy: yes, for an accent or a speaker with the same phones",
                   True: "--output copy: yes, the phones are the same",
                   False: "--output copy: no, the phones are others"}[same]]
    return possible, lines


def phones(package, target):
    """Whether a lang directory's phones are the package's, with the same ids; lines about them."""
    from steps.transfer import ipa
    from steps.transfer.phone_distance import nearest
    from utils.lang.langdir import LangDir, read_symbols
    lang = LangDir(target)
    there = read_symbols(package.path / "model/phones.txt")
    same = {p: i for p, i in there.items() if p[0] != "#"} == \
        {p: i for p, i in lang.phones.items() if p[0] != "#"}
    try:
        found = nearest(ipa.sounds_of(lang.phones, where=f"{target}/phones.txt"),
                        ipa.sounds_of(there, where=f"{package.source}: phones.txt"), num_nearest=1)
    except (UserError, ValueError) as error:
        return same, [f"phones: {getattr(error, 'line', error)}"]
    best = {}
    for phone, base in ((p, base) for p, (base, _) in ipa.split_positions(found).items()):
        (sources, distance, _), = found[phone]
        best[base] = min(best.get(base, (float("inf"), "")), (distance, _base(ipa, sources)))
    exact = [base for base, (distance, _) in best.items() if distance == 0]
    near = [base for base, (distance, _) in best.items() if 0 < distance <= NEAR]
    far = sorted(((d, base, source) for base, (d, source) in best.items() if d > NEAR),
                 reverse=True)
    lines = [f"phones: {len(best)} in {target}; {len(exact)} are in the package, {len(near)} have "
             f"one near, {len(far)} none"]
    if far:
        lines.append("  farthest: " + ", ".join(f"{base} (nearest {source}, {d:.2f})"
                                                for d, base, source in far[:8]))
    return same, lines


def data(feats, target):
    """Whether a data directory fits, and a line about it."""
    from steps.features.pipeline import check_same_features, read_feats_config
    found = read_feats_config(target)
    if found:
        try:
            check_same_features(feats, found, target)
        except UserError as error:
            return False, f"data: no, {error.what} ({error.do})"
        return True, f"data: yes, {target} has these features"
    from utils.data.audio import audio_info
    from utils.data.datadir import DataDir
    recording, source = next(iter(DataDir(target).wav_scp.items()), ("", ""))
    if not recording:
        raise UserError(f"{target}/wav.scp", "is empty")
    if source.endswith("|"):
        return True, "data: has no features yet, and its sound comes from pipes, which are not run"
    rate = audio_info(source)[1]
    if rate < feats["sample_rate"]:
        return True, (f"data: {recording} has {rate} Hz and would be resampled; the network has "
                      f"learnt from sound with all up to {feats['sample_rate'] // 2} Hz")
    return True, f"data: yes, {recording} has {rate} Hz; make the features with the same options"


def _base(ipa, sources):
    return next(iter(ipa.split_positions(sources).values()))[0]


if __name__ == "__main__":
    raise SystemExit(main())
