"""A large file as windows, each of which is sent on its own.

Owns reading parts of one seekable file from several threads, a few kilobytes at a time, so that
no part ever lies in memory. Must not send anything.
"""

from __future__ import annotations

import threading

from deployer.deployment.ports import Refused
from deployer.platforms.databricks.transport import Content

_READ = 64 * 1024


class Stopped(Exception):
    """Another part failed: this one need not be sent to its end."""


class Source:
    """A seekable file that threads share.

    Args:
        content: the file; its position is the beginning of what is sent.
        size: how many bytes are sent from there.
    """

    def __init__(self, content: Content, size: int) -> None:
        self.size = size
        self._content = content
        self._start = content.tell()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let every further read raise Stopped."""
        self._stopped.set()

    def check(self) -> None:
        """Raise Stopped if `stop` was called."""
        if self._stopped.is_set():
            raise Stopped

    def read(self, offset: int, size: int) -> bytes:
        """Some of the `size` bytes from `offset` on, at least one.

        Raises:
            Stopped: after `stop`.
            Refused: the file can't be read, or ends early. Not an OSError, which would be taken for
                a broken connection and tried again.
        """
        self.check()
        try:
            with self._lock:
                self._content.seek(self._start + offset)
                found = self._content.read(min(size, _READ))
        except OSError as error:
            raise Refused(f"The file can't be read: {error.strerror or error}.") from error
        if not found:
            raise Refused("The file became shorter while it was sent.")
        return found


class Window:
    """`length` bytes of a source from `start` on, as something to send."""

    def __init__(self, source: Source, start: int, length: int) -> None:
        self.len = length  # the name under which requests looks for a size
        self._source = source
        self._start = start
        self._at = 0

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, none at the end of the window. Raises as `Source.read`."""
        left = self.len - self._at
        wanted = left if size < 0 else min(size, left)
        found = self._source.read(self._start + self._at, wanted) if wanted else b""
        self._at += len(found)
        return found

    def tell(self) -> int:
        """The position in the window."""
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a position in the window, counted from its start (0), from here (1) or its end (2)."""
        base = (0, self._at, self.len)[whence]
        self._at = min(max(0, base + offset), self.len)
        return self._at
