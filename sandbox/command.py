"""``spark-deploy sandbox``: the embedded workspace until it is interrupted.

Owns: signals, the first line on standard output, logs on standard error, exit codes. Must not play
any API.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from sandbox.faults import read_faults
from sandbox.options import Options, user_cache
from sandbox.server import Sandbox

_INVALID_INPUT = 2


def run_sandbox(
    *,
    port: int,
    state: Path | None,
    seed: Path | None,
    latency_ms: int,
    limits: Literal["documented", "off"],
    faults: Path | None,
    environ: Mapping[str, str] | None = None,
    cache: Path | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM.

    The first line on standard output is ``{"url": ..., "token": ...}``, printed when the sandbox is
    ready; nothing else goes there. Must run in the main thread.

    Args:
        port: the port on 127.0.0.1; 0 takes a free one.
        state: the SQLite file that keeps the state; None keeps it in memory.
        seed: the folder to load into a state that was not seeded before.
        latency_ms: delay of every call in milliseconds.
        limits: whether the documented rate limits are enforced.
        faults: a JSON file with a list of faults.
        environ: the environment that runs draw on; None is that of this process.
        cache: where runs keep the environments they built; None is ``spark-deploy/sandbox`` in the
            user's cache folder, so that Spark is installed once and not with every start.

    Returns:
        The exit code: 0 after an interrupt, 2 for input that can't be used.
    """
    _log_to_stderr()
    surroundings = dict(os.environ if environ is None else environ)
    try:
        options = Options(
            port=port,
            state=state,
            seed=seed,
            latency_ms=latency_ms,
            limits=limits,
            faults=read_faults(faults) if faults else (),
            environ=surroundings,
            cache=cache or user_cache(surroundings),
        )
        sandbox = Sandbox(options)
    except ValueError as error:
        return _refuse(str(error))
    try:
        sandbox.start()
    except OSError as error:
        return _refuse(f"Port {port} on 127.0.0.1 can't be used: {error}. Choose another --port.")
    interrupted = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: interrupted.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        ready = {"url": sandbox.url, "token": sandbox.token}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        interrupted.wait()
    finally:
        sandbox.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _refuse(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return _INVALID_INPUT


def _log_to_stderr() -> None:
    logger = logging.getLogger("sandbox")
    logger.setLevel(logging.INFO)
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
        logger.addHandler(handler)
