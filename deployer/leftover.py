"""Locks that a run may leave behind, noted so that the action's post step can give them back.

Owns the form of that note, which the runner carries from the main step to the post step
(facts, "Contract facts" 12). A run that ends by itself gives its locks back itself, and notes that none is
left. Must not take or release locks.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from deployer.deployment.holding import Taken

STATE = "locks"
"""The name of the note; the runner gives it to the post step as `STATE_locks`."""


class LockNotes:
    """Notes each lock that is taken or given back; `save` keeps a text under a name."""

    def __init__(self, save: Callable[[str, str], None]) -> None:
        self._save = save
        self._taken: list[Taken] = []

    def __call__(self, taken: Taken, *, held: bool) -> None:
        """Note that a lock is held now, or not any more. A note that can't be kept stops nothing."""
        self._taken = [one for one in self._taken if one != taken] + ([taken] if held else [])
        notes = [
            {"folder": one.folder, "number": one.number, "nonce": one.nonce} for one in self._taken
        ]
        try:
            self._save(STATE, json.dumps(notes))
        except OSError:
            return  # the lock is void after its lease


def noted(text: str) -> tuple[Taken, ...]:
    """The locks that a note names; () for none, and for what is no note."""
    try:
        notes = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return ()
    found = []
    for note in notes if isinstance(notes, list) else []:
        match note:
            case {"folder": str() as folder, "number": int() as number, "nonce": str() as nonce}:
                found.append(Taken(folder, number, nonce))
    return tuple(found)
