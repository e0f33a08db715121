"""How fast a package transcribes, and in how much memory: a process of its own, as a user's."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import soundfile

from steps.package.sound import seconds_of
from utils.data.audio import AudioError, open_sound
from utils.data.datadir import DataDir
from utils.step import ROOT, UserError

SECONDS = 60.0     # of sound that are enough
# A process inherits the peak memory of what it was forked from, so a small one stands between.
_RUNNER = """
import json, resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump([status, used.ru_utime + used.ru_stime, used.ru_maxrss], file)
"""


def measure(package, data):
    """{"seconds", "times_real_time", "cpu_seconds", "memory_mb"} over a minute of a data directory.

    Times are the processor's, of one thread and with the start, so that a busy machine tells the
    same.
    """
    files, seconds = sound_of(data)
    with tempfile.TemporaryDirectory() as directory:
        log, usage = Path(directory) / "log", Path(directory) / "usage"
        # Names without suffix may be the same in several folders.
        sound = [at_most_a_minute(path, Path(directory) / f"{n}{Path(path).suffix}")
                 for n, path in enumerate(files)]
        with log.open("wb") as out:
            subprocess.run(
                [sys.executable, "-c", _RUNNER, str(usage),
                 sys.executable, str(ROOT / "steps/package/transcribe.py"), "--out", directory,
                 str(package), *map(str, sound)], stdout=out, stderr=out, check=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
        status, spent, memory = json.loads(usage.read_text())
        if status:
            raise UserError(data, f"its sound could not be transcribed: {_reason(log)}")
    memory /= 1 << 20 if sys.platform == "darwin" else 1 << 10
    return {"seconds": round(seconds, 1), "times_real_time": round(seconds / spent, 1),
            "cpu_seconds": round(spent, 2), "memory_mb": round(memory)}


def sound_of(data):
    """Sound files of a data directory, about a minute together, and seconds of them to be heard."""
    files, seconds, broken = [], 0.0, None
    for source in DataDir(data).wav_scp.values():
        if source.endswith("|"):     # a pipe, which packages do not run
            continue
        try:
            seconds += min(seconds_of(source), SECONDS)
        except AudioError as error:
            broken = error
            continue
        files.append(source)
        if seconds >= SECONDS:
            break
    if not files:
        raise UserError(f"{data}/wav.scp", f"has no sound that can be read: {broken.line}"
                        if broken else "has no sound files", "pipes are not transcribed")
    return files, seconds


def at_most_a_minute(path, target):
    """A link to a sound file, or the first minute of a longer one as WAV; the path of it."""
    with open_sound(str(path)) as file:
        if file.frames <= SECONDS * file.samplerate:
            target.symlink_to(Path(path).resolve())
            return target
        target = target.with_suffix(".wav")
        try:
            soundfile.write(target, file.read(round(SECONDS * file.samplerate)), file.samplerate)
        except soundfile.LibsndfileError as error:
            raise UserError(path, f"cannot be decoded, {error.error_string}") from None
    return target


def _reason(log):
    """The line of a log that says why: the last, or the one that it points to."""
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-2 if lines[-1].endswith("see above") else -1]
