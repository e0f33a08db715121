#!/usr/bin/env python3
"""Say the phones of a target language in those of a source network, by articulation.

in   <source>/phones.txt tree final.mdl   a network or GMM directory
     <target>/phones.txt tree final.mdl   a model directory of the target language, such as
                                          steps/hmm/make_mono_tree.py or alignments
     <lang>/phones/silence.int optional_silence.int    optional: which phones are no speech
     <lang>/phones.txt words.txt                       and words for eSpeak
     <alidir>/ali.JOB.gz                  optional: alignments with the target's tree
out  <dir>/phone_map.txt   target phone, IPA, known|guessed|silence|noise, and its nearest source
                           phones, each as phone:distance:weight; tabs between
     <dir>/pdf_map.npz     float32 (num_target_pdfs, num_source_pdfs), sparse, rows sum to 1

What letters stand for is a guess, listed in the log; --ipa-table corrects it, and --espeak-voice
learns it from eSpeak's pronunciation of the words.

e.g. steps/transfer/map_phones.py exp/en/tdnn exp/mb/mono exp/mb/map
"""

from pathlib import Path
from types import SimpleNamespace

from steps.hmm.tree import check_same_tree
from utils.lang.langdir import LangDir, read_symbols
from utils.option_types import above_zero
from utils.step import Step, UserError, log, positive, write_atomic

FILES = ("phones.txt", "tree", "final.mdl")
LANG_FILES = ("phones.txt", "phones/silence.int", "phones/optional_silence.int", "words.txt")
KINDS = ("auto", "ipa", "arpabet", "xsampa", "espeak", "graphemes")


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--target-symbols", default="auto", choices=KINDS,
             help="what the target's phones are (default auto)")
    step.add("--source-symbols", default="auto", choices=KINDS,
             help="what the source's phones are (default auto)")
    step.add("--ipa-table", default="", metavar="FILE",
             help="target symbols and their IPA (or SIL, SPN), one a line; goes before the rest")
    step.add("--source-ipa-table", default="", metavar="FILE", help="the same for the source")
    step.add("--espeak-voice", default="", metavar="CODE",
             help="language of eSpeak whose rules say what the target's letters stand for")
    step.add("--temperature", type=above_zero, default=0.05,
             help="of the distances: weights are softmax(-distance / temperature) (default 0.05)")
    step.add("--num-nearest", type=positive, default=3, help="source sounds a phone (default 3)")
    step.add("--lang", default="", help="lang directory of the target")
    step.add("--alidir", default="",
             help="weigh phone contexts by these alignments; without them all count the same")
    step.add("source", help="network or model directory of the source")
    step.add("target", help="model directory of the target")
    step.add("dir", help="directory to make")
    args = step.parse(argv)
    check(args)
    inputs = [Path(d) / name for d in (args.source, args.target) for name in FILES]
    inputs += [Path(f) for f in (args.ipa_table, args.source_ipa_table) if f]
    inputs += [Path(args.lang) / f for f in LANG_FILES if args.lang]
    inputs += sorted(Path(args.alidir).glob("ali.*.gz")) if args.alidir else []
    if step.up_to_date(args.dir, inputs):
        return 0

    from steps.transfer.pdf_map import map_pdfs, seen_windows, write_pdf_map
    from steps.transfer.phone_distance import nearest, phone_weights
    source = side_of(args.source, args.source_symbols, args.source_ipa_table)
    target = side_of(args.target, args.target_symbols, args.ipa_table, args.lang,
                     args.espeak_voice)
    try:
        neighbours = nearest(target.sounds, source.sounds, args.num_nearest, args.temperature)
    except ValueError as error:
        raise UserError(f"{args.source}/phones.txt", f"has nothing for {error}",
                        "is its silence named SIL? --source-ipa-table can say so") from None
    weights = phone_weights(neighbours, target.split, source.split)
    windows = seen_windows(args.alidir, target.transitions) if args.alidir else None
    matrix = map_pdfs(source.pdfs, target.pdfs, {
        target.ids[phone]: {source.ids[name]: weight for name, weight in answers.items()}
        for phone, answers in weights.items()}, windows)
    with step.output(args.dir) as out:
        write_atomic(out / "phone_map.txt", table_of(target, source, neighbours))
        write_pdf_map(out, matrix)
    exact = sum(found[0][1] == 0 for found in neighbours.values())
    return step.finish(f"{args.dir}: {len(neighbours)} phones, {exact} of them the source has; "
                       f"{matrix.shape[0]} pdfs from {matrix.shape[1]}")


def check(args):
    for directory in (args.source, args.target):
        for path in (Path(directory) / name for name in FILES):
            if not path.is_file():
                raise UserError(path, "no such file", "without training data there is "
                                "steps/hmm/make_mono_tree.py"
                                if directory == args.target else "train the network first")
    for path in filter(None, (args.ipa_table, args.source_ipa_table)):
        if not Path(path).is_file():
            raise UserError(path, "no such table")
    if args.alidir:
        check_same_tree(args.alidir, args.target, "align first: steps/hmm/align.py",
                        "give alignments by the target's own system, or none")
    if args.espeak_voice and not args.lang:
        raise UserError("--espeak-voice", "needs words to learn the letters from", "give --lang")


def side_of(directory, kind, table, lang="", voice=""):
    """A model directory's phones, their sounds, its tree."""
    from steps.hmm.model import check_phones, read_transitions
    from steps.hmm.tree import Tree
    from steps.transfer import ipa
    from steps.transfer.pdf_map import Side

    path = Path(directory) / "phones.txt"
    ids = read_symbols(path)
    phones = ipa.real_phones(ids)
    silences, letters = None, None
    if lang:
        lang = LangDir(lang)
        check_phones(directory, lang)
        silences = {s: ipa.not_speech(lang.phone(p)) or ipa.NOISE for p, s in
                    ((p, lang.phone_symbols[p]) for p in lang.silence_phones)}
        silences[lang.phone_symbols[lang.optional_silence]] = ipa.SILENCE
        letters = learn_letters(lang, voice) if voice else None
    if kind == "auto":
        kind = ipa.guess_kind(phones)
        log(f"{path}: phones look like {kind}")
    split = ipa.split_positions(phones)
    given = ipa.read_table(table) if table else {}
    unused = given.keys() - {ipa.nfc(name) for phone in phones for name in (phone, split[phone][0])}
    if unused:
        log(f"{table}: {path} has no {', '.join(sorted(unused))}")
    sounds = ipa.sounds_of(phones, kind, given, letters, silences, path)
    guessed = {split[p][0]: sound.ipa for p, sound in sounds.items() if sound.guessed}
    if guessed:
        log(f"{path}: guessed from the spelling: "
            + ", ".join(f"{base} [{sound}]" for base, sound in guessed.items()))
    transitions = read_transitions(Path(directory) / "final.mdl")
    other = [p for p in phones if ids[p] not in transitions.topo.entries]
    if other:
        raise UserError(path, f"has {other[0]}, final.mdl beside it has not",
                        "the two are of different models; train again")
    pdfs = Side(Tree.read(Path(directory) / "tree"),
                {ids[p]: transitions.topo.num_pdf_classes(ids[p]) for p in phones},
                {ids[p]: split[p][1] for p in phones})
    return SimpleNamespace(ids=ids, sounds=sounds, split=split, pdfs=pdfs, transitions=transitions)


def learn_letters(lang, voice):
    from steps.transfer.letter_sounds import letter_sounds
    from utils.lang.espeak import Espeak
    words = [w for w in lang.words if not w.startswith(("<", "#", "!"))]
    return letter_sounds(words, Espeak(voice))


def table_of(target, source, neighbours):
    rows = ["phone\tIPA\tfrom\tnearest:distance:weight"]
    for phone, found in neighbours.items():
        sound = target.sounds[phone]
        origin = sound.kind if sound.kind != "speech" else "guessed" if sound.guessed else "known"
        rows.append("\t".join([phone, sound.ipa or "-", origin, *(
            f"{source.split[names[0]][0]}:{distance:.3f}:{weight:.3f}"
            for names, distance, weight in found)]))
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
