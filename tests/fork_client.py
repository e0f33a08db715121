"""python3 on the PATH of tests/fork_server.py, which puts the line that names Python before it."""

import json
import os
import signal
import socket
import sys
from pathlib import Path

ROOT = os.environ.get("PYTHONPATH", "").split(os.pathsep)[0]


def own_script(words):
    return words[:1] and words[0].endswith(".py") and Path(words[0]).resolve().is_relative_to(ROOT)


def main(words):
    if not ROOT or not own_script(words):
        os.execv(sys.executable, [sys.executable, *words])
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["GRAFT_TEST_SOCKET"])
        message = json.dumps({"words": words, "environment": dict(os.environ),
                              "folder": str(Path.cwd())}) + "\n"
        socket.send_fds(connection, [message[:1].encode()], [0, 1, 2])
        connection.sendall(message[1:].encode())
        answers = connection.makefile()
        pid = int(answers.readline())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda signum, _: os.killpg(pid, signum))
        status = int(answers.readline() or 1)
    if status < 0:
        if status != -signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


raise SystemExit(main(sys.argv[1:]))
