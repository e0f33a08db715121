"""Keep native code quiet, which writes to the file descriptor of stderr and not to sys.stderr."""

import os
import sys
import tempfile
from contextlib import contextmanager


@contextmanager
def hushed():
    """Keep what native code says on stderr; it is said after all if there is an error."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(stderr, kept.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
