"""How many threads a network may take."""

import os

from utils.step import UserError


def threads_asked_for():
    """GRAFT_THREADS of the environment; 0, which is as many as there are cores, if it says none."""
    text = os.environ.get("GRAFT_THREADS", "").strip() or "0"
    if not (text.isascii() and text.isdigit()):
        raise UserError("GRAFT_THREADS", f"is {text}", "expected a number of threads, or nothing")
    return int(text)


def told(threads):
    return f"{threads} CPU thread{'s' * (threads > 1)}"


def cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))
