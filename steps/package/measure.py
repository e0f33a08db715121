"""How fast a package transcribes, and in how much memory: a process of its own, as a user's."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from steps.package.sound import seconds_of
from utils.data.audio import AudioError
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
    files, seconds = [], 0.0
    for path in DataDir(data).wav_scp.values():
        try:
            length = seconds_of(path)
        except AudioError:      # a pipe, which packages do not run
            continue
        files.append(path)
        seconds += length
        if seconds >= SECONDS:
            break
    if not files:
        raise UserError(f"{data}/wav.scp", "has no sound files", "pipes are not transcribed")
    with tempfile.TemporaryDirectory() as directory:
        log, usage = Path(directory) / "log", Path(directory) / "usage"
        # Links, as names without suffix may be the same in several folders.
        links = [Path(directory) / f"{n}{Path(path).suffix}" for n, path in enumerate(files)]
        for link, path in zip(links, files, strict=True):
            link.symlink_to(Path(path).resolve())
        with log.open("wb") as out:
            subprocess.run(
                [sys.executable, "-c", _RUNNER, str(usage),
                 sys.executable, str(ROOT / "steps/package/transcribe.py"), "--out", directory,
                 str(package), *map(str, links)], stdout=out, stderr=out, check=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
        status, spent, memory = json.loads(usage.read_text())
        if status:
            raise UserError(data, "its sound could not be transcribed: "
                            + log.read_text("utf-8", "replace").strip().splitlines()[-1])
    memory /= 1 << 20 if sys.platform == "darwin" else 1 << 10
    return {"seconds": round(seconds, 1), "times_real_time": round(seconds / spent, 1),
            "cpu_seconds": round(spent, 2), "memory_mb": round(memory)}
