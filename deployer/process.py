"""Which process this is, and whether another one of this machine still runs.

Owns the two names that tell whether the holder of a lock died here: the machine, with its boot and its
namespace of process ids, so that two containers are two machines; and the process, with the time of its
start, so that a number that was given again is another process. Linux only: elsewhere both are unknown,
and a lock is waited for until it is void. Must not decide anything.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_PROC = Path("/proc")
_DEAD = frozenset({"Z", "X"})  # states of a process that ended and was not collected yet
# Of the fields behind the name: when the process started, in ticks since the boot (proc(5)).
_START = 19


def machine() -> str:
    """This machine as processes see it; the empty string where that can't be told."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = (_PROC / "self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return f"{socket.gethostname()}/{boot}/{namespace}"


def this_process() -> str:
    """This process, as `is_alive` takes it; the empty string where that can't be told."""
    started = _started(os.getpid())
    return f"{os.getpid()}:{started}" if started else ""


def is_alive(process: str) -> bool:
    """Whether a process of this machine still runs; true where that can't be told."""
    number, _, started = process.partition(":")
    if not number.isascii() or not number.isdecimal() or not started:
        return True
    try:
        os.kill(int(number), 0)  # asks only; a machine may hide the processes of others in /proc
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    fields = _stat(int(number))
    return fields is None or (fields[0] not in _DEAD and fields[_START] == started)


def _started(number: int) -> str:
    """When a process started, in words of this machine; the empty string where that can't be told."""
    fields = _stat(number)
    return "" if fields is None else fields[_START]


def _stat(number: int) -> list[str] | None:
    """What /proc says of a process, from its state on; None where it says nothing."""
    try:
        told = (_PROC / str(number) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = told.rpartition(")")[2].split()  # the name before may hold blanks and parentheses
    return fields if len(fields) > _START else None
