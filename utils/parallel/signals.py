"""Waiting for children and for being asked to stop."""

import contextlib
import os
import select
import signal

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Wakes wait() when a child ends or this process is asked to stop; .asked names the signal.

    Handlers only take notes, so that no job can start between a signal and its handling unseen.
    """

    def __enter__(self):
        self.asked = None
        self.parent = os.getppid()
        self.reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.writer = writer
        self.old = {s: signal.signal(s, self._note) for s in (*STOP_SIGNALS, signal.SIGCHLD)}
        self.old_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_):
        signal.set_wakeup_fd(self.old_fd)
        for number, handler in self.old.items():
            signal.signal(number, handler)
        os.close(self.reader)
        os.close(self.writer)

    def _note(self, number, _frame):
        if number != signal.SIGCHLD:
            self.asked = signal.Signals(number).name

    def wait(self, seconds):
        if select.select([self.reader], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self.reader, 4096)
        if os.getppid() != self.parent:
            self.asked = self.asked or "the end of its parent"
