#!/usr/bin/env python3
"""Transcribe sound with a package: any file that libsndfile reads, of any length and rate.

in   <package>        folder or zip of steps/package/package.py
     <sound> ...      files (wav, flac, ogg, opus, mp3, ...) and folders, searched for such files
out  standard output, or with --out a file beside another for each sound and format:
     <out>/<name>.txt       name word ...            Kaldi's text
     <out>/<name>.ctm       name 1 start duration word confidence; seconds
     <out>/<name>.TextGrid  Praat: words, and the segments that were decoded at once
     <out>/<name>.srt       subtitles
     <out>/<name>.json      text; segments and words with start, end and confidence

Needs requirements-run.txt only, no TensorFlow. A file that cannot be read is named, the others go
on, and the exit status is 1. A file that is there beside its sound already is not written over.
Words may be wrong where the confidence, 0 to 1, is low.

e.g. steps/package/transcribe.py --format text,srt --out subtitles fr.zip talks interview.mp3
"""

import os
import sys
from collections import Counter
from pathlib import Path

try:
    from utils.step import Step, UserError, check_no_file, log, positive, write_atomic
except ModuleNotFoundError:   # called without path.sh: once more, with this Python or with .venv's
    from importlib.util import find_spec
    _root = str(Path(__file__).resolve().parent.parent.parent)
    _script = [str(Path(__file__).resolve()), *sys.argv[1:]]
    if find_spec("ai_edge_litert"):
        os.execve(sys.executable, [sys.executable, *_script],
                  {**os.environ, "PYTHONPATH": _root, "PYTHONSAFEPATH": "1"})
    os.execvp("bash", ["bash", "-c", 'here=$PWD; cd "$0" && . ./path.sh && cd "$here" && '
                       'exec python "$@"', _root, *_script])


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--format", default="text", metavar="NAMES",
             help="text, ctm, textgrid, srt, json, or several: text,srt (default text)")
    step.add("--out", default="", metavar="DIR", help="write files there, not to standard output")
    step.add("--jobs", type=positive, default=1, help="files at the same time (default 1)")
    step.add("--one-speaker", action="store_true",
             help="all files are of one speaker in one place: what is normalised by speaker takes "
                  "them together, which is better for short ones (default each by itself)")
    step.add("--channel", default="mix",
             help="of sound with several: 0, 1, ... or mix, the mean of all (default mix)")
    step.add("--beam", type=float, default=None, help="of the search (default the package's)")
    step.add("--max-active", type=int, default=None,
             help="tokens followed from frame to frame at most (default the package's)")
    step.add("--max-segment", type=float, default=30.0,
             help="s that are decoded at once; longer sound is cut at pauses (default 30)")
    step.add("package", help="folder or zip")
    step.add("sound", nargs="+", help="files and folders")
    args = step.parse(argv)
    formats = check_options(args)
    files = names_of(find_sound(args.sound))
    if not args.out and len(files) > 1 and not is_stream(formats):
        raise UserError("--out", f"is needed for {len(files)} files as {args.format}",
                        "name a directory")
    kept = beside_their_sound(args.out, files, formats) if args.out else set()
    if kept:
        log(f"{min(kept)}{f' and {len(kept) - 1} more' * (len(kept) > 1)}: there already beside "
            "the sound, left as they are (to have them made again, move them away)")
        files = left_to_do(args, files, formats, kept)
    broken, seconds = transcribe_all(args, files, formats, kept) if files else (0, 0.0)
    if broken:
        raise SystemExit(f"{step.name}: {broken} of {len(files)} files could not be transcribed, "
                         "see above")
    return step.finish(f"{len(files)} files, {seconds:.1f} s of sound")


def check_options(args):
    """The formats; UserErrors for options that cannot be."""
    from steps.package.formats import SUFFIXES
    formats = args.format.split(",")
    for name in formats:
        if name not in SUFFIXES:
            raise UserError("--format", f"{name!r} is none", f"one of {', '.join(SUFFIXES)}")
    for name, value, least, most in (("beam", args.beam, 0, 1e4),
                                     ("max-active", args.max_active, 1, 2**31 - 1),
                                     ("max-segment", args.max_segment, 1, 1e9)):
        if value is not None and not least < value <= most:
            raise UserError(f"--{name}", f"is {value:g}",
                            f"expected more than {least}, and at most {most:g}")
    if args.channel != "mix" and not (args.channel.isascii() and args.channel.isdigit()):
        raise UserError("--channel", f"is {args.channel!r}", "expected 0, 1, ... or mix")
    if args.out:
        check_no_file(args.out)
    args.channel = args.channel if args.channel == "mix" else int(args.channel)
    return formats


def find_sound(paths):
    """[(file, its path as it is to be called)]; folders are searched, sorted."""
    from utils.data.audio import SOUND_SUFFIXES
    found = []
    for path in map(Path, paths):
        if os.path.isdir(path):  # noqa: PTH112 (a name that is too long is no error)
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SOUND_SUFFIXES
                            and p.is_file() and not p.name.startswith("."))
            if not inside:
                raise UserError(path, "has no sound files",
                                f"of {', '.join(sorted(SOUND_SUFFIXES))}")
            found += [(p, p.relative_to(path)) for p in inside]
        else:
            found.append((path, Path(path.name)))
    return found


def names_of(found):
    """{name: file}: paths without suffix, or with it where several would be the same; files of
    the same name have their folder's before it."""
    names, short_of = {}, [called.with_suffix("").as_posix() for _, called in found]
    alike, same = Counter(short_of), Counter(called for _, called in found)
    for (file, called), short in zip(found, short_of, strict=True):
        name = called.as_posix() if alike[short] > 1 else short
        if same[called] > 1:
            name = f"{file.resolve().parent.name}_{short}"
        name = "_".join(name.split())
        while name in names:
            name += "_"
        names[name] = file
    return names


def beside_their_sound(out, names, formats):
    """Paths of transcripts to be written that are there already beside their sound.

    They may be a user's own texts as well as of a run before.
    """
    from steps.package.formats import SUFFIXES
    targets = {Path(out) / (name + SUFFIXES[kind]): file
               for name, file in names.items() for kind in formats}
    return {target for target, file in targets.items()
            if target.exists() and target.resolve().parent == file.resolve().parent}


def left_to_do(args, files, formats, kept):
    """The files of which not all transcripts are there; all of a speaker's if one is."""
    from steps.package.formats import SUFFIXES
    left = {name: file for name, file in files.items()
            if any(Path(args.out) / (name + SUFFIXES[kind]) not in kept for kind in formats)}
    return files if left and args.one_speaker else left


def is_stream(formats):
    """Whether several files' transcripts can follow one another on standard output."""
    from steps.package.formats import MANY
    return set(formats) <= MANY and len(formats) == 1


def transcribe_all(args, files, formats, kept=()):
    """Transcribe, write all but the paths that are kept, and count: broken files, seconds of sound.
    """
    from tqdm import tqdm

    from steps.package.archive import open_package
    from steps.package.formats import SUFFIXES, format_as
    from steps.package.pool import transcripts
    broken, total = 0, 0.0
    options = {name: getattr(args, name)
               for name in ("beam", "max_active", "max_segment", "channel")}
    with open_package(args.package) as package, \
            tqdm(unit=" s", unit_scale=True, file=sys.stderr, disable=None) as bar:
        for name, transcript, error in transcripts(package, options, files, args.jobs, bar,
                                                   args.one_speaker):
            if error:
                log(f"{files[name]}: {error}")
                broken += 1
                continue
            total += transcript.seconds
            for kind in formats:
                text = format_as(kind, name, transcript)
                target = Path(args.out) / (name + SUFFIXES[kind])
                if not args.out:
                    _print(text)
                elif target not in kept:
                    write_atomic(target, text)
    return broken, total


def _print(text):
    """To standard output, whose reader may be gone, as that of `| head`."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())   # for what is left to write
        raise UserError("standard output", f"cannot be written, {error.strerror.lower()}") from None


if __name__ == "__main__":
    raise SystemExit(main())
