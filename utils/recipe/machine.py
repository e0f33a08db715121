"""What this machine has, found with the standard library alone: for utils/doctor.py."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROBE = ("import json, soundfile; print(json.dumps([sorted(soundfile.available_formats()), "
         "soundfile.__libsndfile_version__]))")
GPU_PROBE = ("import tensorflow as tf; print([d.name for d in "
             "tf.config.list_physical_devices('GPU')])")


def cores():
    """Cores that this process may use: affinity and the container's share."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") \
        else os.cpu_count() or 1
    quota = _read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        count = min(count, max(1, int(quota[0]) // int(quota[1])))
    return count


def memory():
    """(GB in all, GB free), of the machine or the container, whichever is less."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", _read("/proc/meminfo"), re.M))
    if "MemTotal" not in found:
        try:
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
        except (ValueError, OSError):
            return 0.0, 0.0
        return total, total
    total, free = (int(found.get(name, found["MemTotal"])) * 1024 / 1e9
                   for name in ("MemTotal", "MemAvailable"))
    limit, used = (_read(f"/sys/fs/cgroup/memory.{name}").strip() for name in ("max", "current"))
    if limit.isdigit() and used.isdigit():
        # What the page cache holds is given back when it is needed.
        cache = re.search(r"^file (\d+)", _read("/sys/fs/cgroup/memory.stat"), re.M)
        used = int(used) - (int(cache[1]) if cache else 0)
        total, free = min(total, int(limit) / 1e9), min(free, (int(limit) - used) / 1e9)
    return total, free


def disk(path):
    """GB free where a path is, or is to be made."""
    path = Path(path).resolve()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free / 1e9


def site_packages(venv):
    """(python, site-packages) of an environment, or (None, None)"""
    python = Path(venv) / "bin/python"
    found = sorted(Path(venv).glob("lib/python3*/site-packages"))
    return (python, found[0]) if python.exists() and found else (None, None)


def packages(site):
    """{name in lower case with -: version} of what is installed there"""
    return {re.sub(r"[-_.]+", "-", name.lower()): dist.version
            for dist in importlib.metadata.distributions(path=[str(site)])
            if (name := dist.metadata["Name"])}


def requirements(path):
    """[(name, operator, version)] of a file with lines such as numpy~=2.4.6"""
    rows = []
    for line in Path(path).read_text("utf-8").splitlines():
        match = re.match(r"([\w.-]+)\s*(~=|==|>=)\s*([\w.]+)", line.split("#")[0].strip())
        if match:
            rows.append((re.sub(r"[-_.]+", "-", match[1].lower()), match[2], match[3]))
    return rows


def satisfies(version, operator, wanted):
    """Whether 2.4.7 is ~= 2.4.6, and so on; pre-releases count as what they come before."""
    have, want = _numbers(version), _numbers(wanted)
    size = max(len(have), len(want))
    padded = [tuple(v) + (0,) * (size - len(v)) for v in (have, want)]
    if operator == "==":
        return padded[0] == padded[1]
    return padded[0] >= padded[1] and (operator == ">=" or have[:len(want) - 1] == want[:-1])


def bash_version():
    """(major, minor) of bash; None if there is none"""
    bash = shutil.which("bash")
    if not bash:
        return None
    told = run([bash, "-c", 'echo "${BASH_VERSINFO[0]} ${BASH_VERSINFO[1]}"']).split()
    return (int(told[0]), int(told[1])) if len(told) == 2 else None


def sound_formats(python):
    """(names of formats, version of libsndfile), or None where it does not load"""
    told = run([str(python), "-c", PROBE])
    return json.loads(told) if told else None


def espeak_voices(site):
    """Number of languages of eSpeak NG's data in an environment; 0 if it is not there."""
    folder = Path(site) / "espeakng_loader/espeak-ng-data/lang"
    return sum(path.is_file() for path in folder.rglob("*")) if folder.is_dir() else 0


def gpus(python=None):
    """Names of GPUs: what the driver shows, or with a python what its TensorFlow sees."""
    if python:
        told = run([str(python), "-c", GPU_PROBE], seconds=120)
        return re.findall(r"'([^']+)'", told)
    shown = [re.search(r"Model:\s+(.*)", _read(path)) for path in
             sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))] \
        if Path("/proc/driver/nvidia/gpus").is_dir() else []
    return [match[1] for match in shown if match]


def run(command, seconds=20):
    """A command's output, "" if it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True,
                              env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def can_make_venv():
    """Whether this Python can make environments: Debian keeps that in a package of its own."""
    from importlib.util import find_spec
    return find_spec("venv") is not None and find_spec("ensurepip") is not None


def python_version():
    return ".".join(map(str, sys.version_info[:3]))


def _numbers(version):
    return tuple(int(n) for n in re.findall(r"\d+", re.split(r"[a-z+]", version)[0]))


def _read(path):
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
