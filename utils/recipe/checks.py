"""What recipes need of a machine, one finding each: for utils/doctor.py.

A finding is (level, what, what mends it): ok; note, which may stay; WRONG, which may not.
"""

import re
import shutil
import sys

from utils.recipe import estimate, machine
from utils.step import ROOT

BASH = (4, 4)             # older ones take an empty array for an unset variable
LEAST_MEMORY, LEAST_DISK = 2.0, 5.0    # GB free
FORMATS = {"WAV", "FLAC", "OGG", "MP3"}
REQUIREMENTS = ROOT / "requirements.txt"
VENV = ROOT / ".venv"
MEND = f"cd {ROOT} && . ./path.sh"


def python():
    """Python, the packages of requirements.txt, and what they bring."""
    yield "ok", f"Python {machine.python_version()} ({sys.executable})", ""
    interpreter, site = machine.site_packages(VENV)
    if interpreter is None:
        if machine.can_make_venv():
            yield "note", "no .venv yet; ./run.sh makes it, a few minutes and " \
                  f"{estimate.ENVIRONMENT:g} GB", MEND
        else:
            yield "WRONG", "this Python cannot make .venv", "apt-get install python3-venv"
        return
    installed = machine.packages(site)
    bad = []
    for name, operator, wanted in machine.requirements(REQUIREMENTS):
        have = installed.get(name)
        if have is None:
            bad.append(f"{name} is missing")
        elif not machine.satisfies(have, operator, wanted):
            bad.append(f"{name} is {have}, {operator}{wanted} is needed")
    if bad:
        yield "WRONG", f"packages: {'; '.join(bad)}", \
            f"{interpreter} -m pip install -r {REQUIREMENTS}"
    else:
        yield "ok", f"packages: all {len(machine.requirements(REQUIREMENTS))} of " \
              "requirements.txt are in .venv", ""
    formats = machine.sound_formats(interpreter)
    again = f"{interpreter} -m pip install --force-reinstall"
    if formats is None:
        yield "WRONG", "sound: soundfile does not load", f"{again} soundfile numpy"
    elif FORMATS - set(formats[0]):
        yield "note", f"sound: no {', '.join(sorted(FORMATS - set(formats[0])))}", \
            f"{again} soundfile"
    else:
        yield "ok", f"sound: {', '.join(formats[0][:40])} (libsndfile {formats[1]})", ""
    voices = machine.espeak_voices(site)
    yield ("ok", f"eSpeak NG: {voices} languages and accents", "") if voices else \
        ("WRONG", "eSpeak NG: no voices", f"{again} espeakng-loader")


def shell():
    version = machine.bash_version()
    if version is None or version < BASH:
        told = ".".join(map(str, version)) if version else "missing"
        yield "WRONG", f"bash: {told}, {'.'.join(map(str, BASH))} or newer is needed", \
            "apt-get install bash; on a Mac: brew install bash"
    else:
        yield "ok", f"bash {'.'.join(map(str, version))}", ""
    missing = [name for name in ("awk", "cut", "git") if not shutil.which(name)]
    if missing:
        yield "note", f"not here: {', '.join(missing)}", f"apt-get install {' '.join(missing)}"


def machine_size():
    count = machine.cores()
    yield "ok", f"{count} cores" + ("" if count > 1 else ": run recipes with --nj 1"), ""
    total, free = machine.memory()
    yield "ok" if free >= LEAST_MEMORY else "WRONG", \
        f"memory: {free:.1f} of {total:.1f} GB free" \
        + ("" if free >= LEAST_MEMORY else f", {LEAST_MEMORY:g} are needed"), \
        "" if free >= LEAST_MEMORY else "end other programs; --nj 1 takes less"
    space = machine.disk(ROOT)
    need = LEAST_DISK if not VENV.exists() else 1.0
    yield "ok" if space >= need else "WRONG", f"disk: {space:.0f} GB free in {ROOT}" \
        + ("" if space >= need else f", {need:g} are needed"), \
        "" if space >= need else "make room, or clone to another disk"


def cluster():
    """Whether what cmd.sh hands jobs to is there."""
    text = (ROOT / "cmd.sh").read_text("utf-8")
    used = set(re.findall(r"^\w+=.*utils/parallel/(\w+)\.py", text, re.M))
    for name, command in (("slurm", "sbatch"), ("queue", "qsub")):
        found = shutil.which(command)
        if name in used and not found:
            yield "WRONG", f"cmd.sh uses {name}.py, but there is no {command} here", \
                "run it where jobs are submitted, or put utils/parallel/run.py into cmd.sh"
        elif found:
            yield "ok", f"cluster: {found}", "" if name in used else \
                f"cmd.sh runs jobs on this machine; its lines with {name}.py use the cluster"


def gpu(ask):
    interpreter, _ = machine.site_packages(VENV)
    if ask and interpreter:
        seen = machine.gpus(interpreter)
        return [("ok", f"GPU: TensorFlow sees {', '.join(seen)}", "")] if seen else \
            [("note", "GPU: TensorFlow sees none, so networks train on the processor", "")]
    shown = machine.gpus()
    return [("ok", f"GPU: {', '.join(shown)}; whether TensorFlow sees it: --gpu", "")] if shown \
        else [("ok", "GPU: none, and none is needed", "")]
