"""Gzipped files that are the same bytes whenever they are written."""

import gzip
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def gzip_writer(path, level):
    """A binary file to write, gzipped; its header has neither name nor time.

    level  of the compression, 1 to 9
    """
    with Path(path).open("wb") as raw, gzip.GzipFile("", "wb", level, raw, mtime=0) as file:
        yield file
