"""Uploads of large files that are under way: sessions, their parts, and addresses that expire.

Owns: what a cloud storage keeps of an unfinished upload. Parts lie in temporary files, so that a big
file never sits in memory, and vanish when the sandbox stops. Must not know HTTP or permissions:
multipart.py does.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Part:
    """One part as it arrived: its bytes in a temporary file, and the tag that names them."""

    content: IO[bytes]
    size: int
    etag: str


@dataclass
class Session:
    """One upload under way.

    Attributes:
        token: names the session.
        path: where the file will stand.
        user: who began it.
        overwrite: whether a file that is there may be replaced.
        parts: what arrived, by number; a resumable upload has its chunks here, in order.
    """

    token: str
    path: str
    user: str
    overwrite: bool
    parts: dict[int, Part] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many bytes arrived."""
        return sum(part.size for part in self.parts.values())


class Uploads:
    """All sessions of one workspace; threads may share it.

    Attributes:
        finished: the tokens of resumable uploads that are complete; asking again is answered so.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._sessions: dict[str, Session] = {}
        self._key = secrets.token_bytes(32)
        self.finished: set[str] = set()

    def begin(self, path: str, user: str, *, overwrite: bool) -> Session:
        """A new session."""
        session = Session(f"session-{secrets.token_hex(16)}", path, user, overwrite)
        with self._lock:
            self._sessions[session.token] = session
        return session

    def session(self, token: str) -> Session | None:
        """A session that is under way, or None."""
        with self._lock:
            return self._sessions.get(token)

    def put(self, session: Session, number: int, part: Part) -> None:
        """Keep a part; the same number again replaces it, and an ended session keeps nothing."""
        with self._lock:
            left_over = part
            if session.token in self._sessions:
                before = session.parts.get(number)
                session.parts[number] = part
                if before is None:
                    return
                left_over = before
        left_over.content.close()

    def end(self, token: str) -> bool:
        """Forget a session with all its parts; False when there is none."""
        with self._lock:
            session = self._sessions.pop(token, None)
        if session is None:
            return False
        for part in session.parts.values():
            part.content.close()
        return True

    def under_way(self) -> int:
        """How many sessions are neither complete nor aborted."""
        with self._lock:
            return len(self._sessions)

    def close(self) -> None:
        """Forget everything."""
        for token in list(self._sessions):
            self.end(token)

    def signature(self, method: str, path: str, expires: int) -> str:
        """What only the workspace can sign: this method at this address until then (epoch seconds)."""
        text = f"{method} {path} {expires}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


def received(stream: IO[bytes]) -> Part:
    """What a client sends, kept in a temporary file; its tag is the MD5, as of Amazon S3."""
    content: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the session closes it
    size, digest = 0, hashlib.md5(usedforsecurity=False)
    try:
        while piece := stream.read(_CHUNK):
            content.write(piece)
            digest.update(piece)
            size += len(piece)
    except BaseException:
        content.close()
        raise
    return Part(content, size, f'"{digest.hexdigest()}"')


class Joined:
    """Parts one after the other, to read from as from one file."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._pieces = _pieces(parts)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, fewer only at the end."""
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _pieces(parts: Sequence[Part]) -> Iterator[bytes]:
    for part in parts:
        part.content.seek(0)
        while piece := part.content.read(_CHUNK):
            yield piece
