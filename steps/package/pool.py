"""Recognisers at work on several files, one process each."""

import contextlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import numpy as np

from steps.package.archive import Package
from steps.package.recogniser import Recogniser
from steps.package.sound import seconds_of
from steps.package.whole import check_front_end
from utils.data.audio import AudioError
from utils.step import UserError, log

_recogniser = None


def transcripts(package, options, files, num_jobs, bar, one_speaker=False):
    """Yields (name, Transcript or None, None or what is wrong), in the files' order.

    package      archive.Package;  options  of Recogniser;  files  {name: path}
    bar          tqdm, moved on by seconds of sound
    one_speaker  whether what is normalised by speaker is so by all files together, not by each
    """
    if one_speaker and check_front_end(package)["cmvn"] != "speaker":
        log("--one-speaker changes nothing: this package's features are not normalised by speaker")
        one_speaker = False
    bar.total = round(sum(map(_seconds, files.values())), 1) or None
    num_jobs = min(num_jobs, len(files))
    if num_jobs == 1:
        recogniser = Recogniser(package, **options)
        stats = _sum(_statistics(recogniser, path) for path in files.values()) if one_speaker \
            else None
        for name, path in files.items():
            yield name, *_transcribe(recogniser, path, stats, bar.update)
        return
    # Not forked: the package's libraries may have threads by now.
    with ProcessPoolExecutor(num_jobs, multiprocessing.get_context("spawn"), _start,
                             (str(package.path), package.manifest, options)) as pool:
        try:
            stats = _sum(pool.map(_statistics_job, files.values())) if one_speaker else None
            for name, result in zip(files, pool.map(partial(_job, stats), files.values()),
                                    strict=True):
                bar.update(result[0].seconds if result[0] else 0)
                yield name, *result
        except BrokenProcessPool:
            raise UserError(package.source, "a process ended early",
                            "not enough memory? try --jobs 1, which says more") from None


def _start(path, manifest, options):
    """What each process begins with; the package has been checked."""
    global _recogniser
    _recogniser = Recogniser(Package(path, path, manifest), **options)


def _job(stats, path):
    return _transcribe(_recogniser, path, stats)


def _statistics_job(path):
    return _statistics(_recogniser, path)


def _transcribe(recogniser, path, stats, progress=None):
    try:
        return recogniser.transcribe(path, progress, stats), None
    except UserError as error:
        return None, error.what


def _statistics(recogniser, path):
    """None for a file that cannot be used, which is told when it is to be transcribed."""
    with contextlib.suppress(UserError):
        return recogniser.statistics(path)


def _sum(statistics):
    """None if no file has a frame: then there is nothing to be normalised either."""
    total = sum(stats for stats in statistics if stats is not None)
    return total if np.any(total) else None


def _seconds(path):
    with contextlib.suppress(AudioError):
        return seconds_of(path)
    return 0.0
