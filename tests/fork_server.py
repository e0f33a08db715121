"""Runs the repository's scripts in processes forked from this one, which has read TensorFlow and
the other large libraries once: a recipe on a tiny corpus starts Python some hundred times.

    with Server(directory) as server:
        subprocess.run(["egs/an4/run.sh", ...], env={**os.environ, **server.environment})

`python3` on the server's PATH is tests/fork_client.py: a script of this repository is run here,
with its caller's arguments, environment, folder and open files, anything else by Python itself.
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOCKET = "GRAFT_TEST_SOCKET"
LIBRARIES = ("keras", "tensorflow", "numba", "scipy.signal", "scipy.linalg", "soundfile", "soxr",
             "kaldiio", "kaldifst", "ai_edge_litert.interpreter", "hmmlearn.hmm",
             "matplotlib.figure", "panphon")


class Server:
    """A running server; a context manager. .environment: variables with which recipes use it"""

    def __init__(self, directory):
        directory = Path(directory)
        self.environment = {
            SOCKET: str(directory / "socket"),
            "PATH": os.pathsep.join([str(directory), f"{sys.prefix}/bin", str(ROOT / "utils"),
                                     os.environ["PATH"]])}
        client = (ROOT / "tests/fork_client.py").read_text("utf-8")
        for name in ("python", "python3"):
            (directory / name).write_text(f"#!{sys.executable} -IS\n{client}")
            (directory / name).chmod(0o755)
        self.python = str(directory / "python3")

    def __enter__(self):
        environment = {**os.environ, **self.environment, "PYTHONPATH": str(ROOT),
                       "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1",
                       "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen([sys.executable, __file__, self.python], env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *error):
        self.process.stdin.close()      # which ends it
        self.process.wait()


def serve(python):
    sys.executable = python             # a step starts its jobs with it
    threading.Thread(target=end_with_the_tests, daemon=True).start()
    gc.freeze()                         # what a child's collections then neither read nor copy
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    running = {}                        # the callers, by the process that each waits for
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.environ[SOCKET])
        listening.listen(64)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listening, reading], [], [])
            if reading in ready:
                reading.recv(1 << 10)
                tell_ends(running)
            if listening in ready:
                connection, _ = listening.accept()
                message, files = receive(connection)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for own in (listening, reading, writing, connection, *running.values()):
                        own.close()
                    os.setpgid(0, 0)
                    become(message, files)
                with contextlib.suppress(OSError):
                    os.setpgid(pid, pid)    # before the caller is told whom to kill
                for file in files:
                    os.close(file)
                tell(connection, pid)
                running[pid] = connection


def end_with_the_tests():
    sys.stdin.read()
    os._exit(0)


def tell_ends(running):
    """Tell the callers of the processes that have ended, with what status."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as connection:
            tell(connection, os.waitstatus_to_exitcode(status))


def tell(connection, number):
    """Its pid or its status, to a caller that may have been killed."""
    with contextlib.suppress(OSError):
        connection.sendall(f"{number}\n".encode())


def receive(connection):
    """The client's request, and its three open files."""
    data, files, *_ = socket.recv_fds(connection, 1 << 20, 3)
    while not data.endswith(b"\n"):
        data += connection.recv(1 << 20)
    return json.loads(data), files


def become(message, files):
    """Run the script as if Python had been started for it."""
    atexit._clear()   # what this process, which is not to end, had for its end
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(message["environment"])
    os.chdir(message["folder"])
    sys.argv = message["words"]
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, buffering, closefd=False)    # noqa: SIM115
        for number, mode, buffering in ((0, "r", -1), (1, "w", -1), (2, "w", 1)))
    status = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if not isinstance(ended.code, int | None):
            print(ended.code, file=sys.stderr)
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()   # as os._exit does not; what is in $TMPDIR would stay there
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                status = status or 1
        os._exit(status)


if __name__ == "__main__":
    import importlib
    for library in LIBRARIES:
        importlib.import_module(library)
    sys.modules["numba"].njit(lambda number: number + 1)(1)     # what numba reads at its first use
    serve(sys.argv[1])
