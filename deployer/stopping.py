"""The wish to stop: signals become one flag, waits end with it, and somebody has the last word.

Owns the time table of a cancellation. The runner sends SIGINT, 7.5 s later SIGTERM, and 2.5 s later it
kills (facts, "Contract facts" 13). So a run has `GRACE_S` seconds to come to a change boundary and to
report; a run that hangs then is reported from what is known, and ended at the latest `LAST_WORD_S`
seconds later. Must not know what a run does, and must stay quick to import: the container's door
listens before it loads anything else.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

GRACE_S = 5.0
LAST_WORD_S = 1.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STOP, _QUIET = b"s", b"q"


class Stop:
    """Whether the run was asked to stop. Threads may ask and wait; one run uses it once."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._over = threading.Event()
        self._told = False
        self._last_word: Callable[[], None] = lambda: None
        self._claim = threading.Lock()
        self._pipe: int | None = None

    def asked(self) -> bool:
        """Whether a signal came."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait that long, or until a signal comes; whether one came."""
        return self._asked.wait(seconds)

    def claim(self) -> bool:
        """Whether the caller is the first to end the run; all others must leave that alone."""
        return self._claim.acquire(blocking=False)

    def overdue(self, last_word: Callable[[], None]) -> None:
        """Have `last_word` called, in a thread, when the run did not end in time; it ends the process."""
        self._last_word = last_word

    def listen(self) -> None:
        """Take SIGINT and SIGTERM from now on; only the main thread can, others leave it.

        PID 1 of a container ignores both unless it asks for them. The handler only writes to a pipe:
        it runs between two instructions of the main thread, which may hold any lock just then.
        """
        if self._pipe is not None or threading.current_thread() is not threading.main_thread():
            return
        reader, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        for one in _SIGNALS:
            signal.signal(one, self._heard)
        threading.Thread(target=self._watch, args=(reader,), name="stop", daemon=True).start()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals while the block runs.

        Afterwards they mean what they meant before; where `listen` was called before, the process is
        at its end, and nothing changes how it ends.
        """
        before = {one: signal.getsignal(one) for one in _SIGNALS}
        mine = self._pipe is None
        self.listen()
        try:
            yield
        finally:
            self._over.set()
            if mine and self._pipe is not None:
                for one, handler in before.items():
                    signal.signal(one, handler)
                os.write(self._pipe, _QUIET)
            elif self._pipe is not None:
                # The process ends now, and while it does so Python takes its handlers away.
                for one in _SIGNALS:
                    signal.signal(one, signal.SIG_IGN)

    def _heard(self, *_: object) -> None:
        if self._pipe is not None:
            with suppress(BlockingIOError):  # thousands of signals: the first ones are enough
                os.write(self._pipe, _STOP)

    def _watch(self, reader: int) -> None:
        while os.read(reader, 1) == _STOP:
            self._asked.set()
            if not self._told:
                self._told = True
                threading.Thread(target=self._time_out, name="overdue", daemon=True).start()
        os.close(reader)

    def _time_out(self) -> None:
        if self._over.wait(GRACE_S):
            return
        threading.Thread(target=self._last_word, name="last-word", daemon=True).start()
        if not self._over.wait(LAST_WORD_S):
            os._exit(1)
