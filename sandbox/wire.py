"""The HTTP connection: keep-alive, draining, and connections that break on purpose.

Owns: reading requests from sockets and writing answers to them. Must not know what answers mean.

werkzeug's own request handler closes every connection after one answer; the real service keeps them
open, and clients behave differently then (a reset of a pooled connection, for one). So this handler
keeps werkzeug's parsing and writes the answer itself.
"""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
from collections.abc import Iterable
from time import monotonic, time
from typing import IO, Any, ClassVar, cast

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wsgi import LimitedStream

ENDING = "sandbox.ending"
"""The environ key through which the application asks for a broken connection."""
RESET = "reset"
"""Close the connection with a TCP RST instead of an answer."""
TRUNCATE = "truncate"
"""Send the headers and half of the body, then close."""
_CHUNK = 1024 * 1024
# SO_LINGER with a timeout of zero makes close() send RST.
_HARD_CLOSE = struct.pack("ii", 1, 0)


class Connections:
    """The sockets that are open now, so that stopping does not wait for idle clients."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._open: dict[socket.socket, threading.Thread | None] = {}
        self._closing = False

    def accepted(self, connection: socket.socket) -> None:
        """Remember a connection that no thread serves yet."""
        with self._lock:
            self._open[connection] = None

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection and the thread that serves it."""
        with self._lock:
            self._open[connection] = threading.current_thread()
            if self._closing:
                connection.shutdown(socket.SHUT_RDWR)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.pop(connection, None)
            self._lock.notify_all()

    def wait_until_none(self, port: int, wait_s: float) -> bool:
        """Whether no connection to this port is open any more, at the latest after so many seconds."""
        # Connections are accepted in their order: once this one is answered, all older ones are known.
        with socket.create_connection(("127.0.0.1", port), wait_s) as one:
            one.sendall(b"GET /sandbox/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            one.recv(1)
        with self._lock:
            return self._lock.wait_for(lambda: not self._open, wait_s)

    def close_all(self, wait_s: float) -> None:
        """End all connections and wait for their threads, ``wait_s`` seconds altogether."""
        deadline = monotonic() + wait_s
        with self._lock:
            self._closing = True
            live = dict(self._open)
        for connection in live:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in live.values():
            if thread is not None:
                thread.join(max(0.0, deadline - monotonic()))


class _Handler(WSGIRequestHandler):
    """Serves one connection, request after request."""

    connections: ClassVar[Connections]
    protocol_version = "HTTP/1.1"
    # Headers and body go out in one segment; with Nagle a kept connection waits 40 ms per answer.
    disable_nagle_algorithm = True
    wbufsize = -1
    _reset = False

    def setup(self) -> None:
        super().setup()
        self.connections.opened(self.connection)

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        # A client that went in the middle of an answer makes the first close fail, and skips this one.
        self.rfile.close()
        if self._reset:
            # Only a close sends RST: the server's own shutdown, which follows, would send FIN.
            with contextlib.suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HARD_CLOSE)
            self.connection.close()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the server writes its own access log."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header: by the workspace's clock, which may be ahead of this machine's."""
        offset = getattr(self.server.app, "clock_offset_s", None)
        if timestamp is None and offset is not None:
            timestamp = time() + offset()
        return super().date_time_string(timestamp)

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        self._bound_body(environ)
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            head[:] = [status, headers]

        answer = self.server.app(environ, start_response)
        try:
            self._drain(environ)
            ending = environ.get(ENDING, "")
            if ending == RESET:
                self._reset = True
                self.close_connection = True
            else:
                self._answer(head[0], head[1], answer, truncate=ending == TRUNCATE)
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()

    def _bound_body(self, environ: dict[str, Any]) -> None:
        """End the input stream where the body ends: the next request follows on this socket."""
        if environ.get("wsgi.input_terminated"):
            return
        length = environ.get("CONTENT_LENGTH") or "0"
        size = int(length) if length.isdigit() else 0
        environ["wsgi.input"] = (
            LimitedStream(cast("IO[bytes]", self.rfile), size) if size else io.BytesIO()
        )
        environ["wsgi.input_terminated"] = True

    def _drain(self, environ: dict[str, Any]) -> None:
        """Read what the application left unread; a client that still sends can't read an answer."""
        try:
            while environ["wsgi.input"].read(_CHUNK):
                pass
        except (OSError, ClientDisconnected):
            self.close_connection = True

    def _answer(
        self, status: str, headers: list[tuple[str, str]], body: Iterable[bytes], *, truncate: bool
    ) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        length = 0
        for name, value in headers:
            self.send_header(name, value)
            if name.lower() == "content-length":
                length = int(value)
        if truncate:
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        left = length // 2 if truncate else length
        for part in body:
            if self.command == "HEAD" or left <= 0:
                break
            self.wfile.write(part[:left])
            left -= len(part)
        self.wfile.flush()


class _Server(ThreadedWSGIServer):
    """A thread for each connection; the connection is known before its thread runs, until it is closed."""

    connections: Connections

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.accepted(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.connections.closed(request)


def listen(application: Any, port: int) -> tuple[BaseWSGIServer, Connections]:
    """A server on 127.0.0.1, not serving yet, and its connections.

    Raises:
        OSError: the port is taken.
    """
    connections = Connections()
    handler = type("Handler", (_Handler,), {"connections": connections})
    # werkzeug prints advice and exits when it can't bind, so the socket is made here.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        bound.listen(128)
        port = bound.getsockname()[1]
        server = _Server("127.0.0.1", port, application, handler, fd=bound.fileno())
        server.connections = connections
    return server, connections
