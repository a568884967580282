"""Files that somebody forged in `.spark-deploy/`: the journal's, the locks', and what else may lie there.

Strategies give a `Forgery`: a name and bytes. Most of them begin as a true document that is changed at one or
a few places, because garbage alone is refused at the door. Owns what a hostile writer would try; what must
then hold stands in test_forged.py.
"""

from __future__ import annotations

import base64
import copy
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.reliability.scenario import NAME, OTHER, OWN, VOLUME, State

ROOT = VOLUME.root
Path = tuple[str | int, ...]
_NONCE = "00000000deadbeef"


@dataclass(frozen=True)
class Forgery:
    """One file, with its path."""

    path: str
    content: bytes

    def __repr__(self) -> str:
        return f"Forgery({self.path.rsplit('/', 1)[-1]}, {self.content[:1500]!r})"


_STRINGS = (
    VOLUME.path("1.2.5"),
    VOLUME.path("1.4.0"),
    VOLUME.path("1.5.0"),
    VOLUME.path("2.0.0"),
    VOLUME.path("9.9.9"),
    VOLUME.path("3.1.0", OTHER),
    f"{ROOT}/../stolen/{NAME}-1.4.0-py3-none-any.whl",
    f"{ROOT}/sub/{NAME}-1.4.0-py3-none-any.whl",
    f"/Volumes/main/libraries/evil/{NAME}-1.4.0-py3-none-any.whl",
    f"/Workspace/Users/evil@example.com/{NAME}-1.4.0-py3-none-any.whl",
    f"{VOLUME.path('1.4.0')} --extra-index-url=https://evil.example.com",
    f"{VOLUME.path('3.1.0', OTHER)},{VOLUME.path('1.4.0')},/Volumes/main/libraries/evil/x.whl",
    f"dbfs:{VOLUME.path('1.4.0')}",
    f"https://evil.example.com/{NAME}-1.4.0-py3-none-any.whl",
    "::add-mask::x\n::set-output name=a::b",
    "[x](javascript:alert(1)) <img src=x> @everyone",
    "\x1b[2J\x00\u202e",
    "\ud800",
    "several tasks",
    "deploy",
    "rollback",
    "succeeded",
    "moved-back",
    NAME,
    OTHER,
    "1.4.0",
    "1!2",
    "x" * 70_000,
    "",
)
_PLACES: tuple[list[Any], ...] = (
    ["name"],
    ["tags", "team"],
    ["schedule", "timezone_id"],
    ["tasks", {"task_key": "load"}, "libraries", 0, "whl"],
    ["tasks", {"task_key": "load"}, "libraries", 1, "whl"],
    ["tasks", {"task_key": "clean"}, "libraries", 0, "whl"],
    ["tasks", {"task_key": "main"}, "libraries", 0, "whl"],
    ["tasks", {"task_key": "audit"}, "notebook_task", "notebook_path"],
    ["environments", {"environment_key": "default"}, "spec", "dependencies", 1],
    ["tasks", 10**40],
    [{"task_key": "load", "more": 1}],
    [],
    ["tasks"] * 5000,
)
_VALUES: tuple[Any, ...] = (
    *_STRINGS,
    *_PLACES,
    None,
    True,
    0,
    -1,
    101,
    104,
    201,
    202,
    10**18,
    10**300,
    1.5,
    1e308,
    float("nan"),
    [],
    {},
    [None],
    [[[[]]]],
    {"a": {}},
    [{"job_id": 201, "job_name": "x", "strings": [], "versions": []}] * 3,
)
_GARBAGE = (
    b"",
    b"\x00",
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b'{"format": 1}',
    b'{"format": 1, "zlib": "%%%"}',
    b'{"format": 1, "zlib": "' + base64.b64encode(zlib.compress(b"[" * 100_000)) + b'"}',
    b"[" * 100_000,
    b'{"format": 1' + b"0" * 5000 + b"}",
    b"<html>Sign in</html>",
)


def forgeries(state: State) -> st.SearchStrategy[list[Forgery]]:
    """One to three forged files for a root in this state."""
    own = {path: content for path, content in state.files.items() if f"/{OWN}/" in path}
    return st.lists(_forgery(own), min_size=1, max_size=3)


@st.composite
def _forgery(draw: st.DrawFn, own: Mapping[str, bytes]) -> Forgery:
    true = draw(st.sampled_from(sorted(own)))
    return Forgery(draw(_path(true)), draw(_content(own[true])))


def _path(true: str) -> st.SearchStrategy[str]:
    """The path of the true file, or of one that would come next, or far later."""
    folder, _, name = true.rpartition("/")
    others = [name]
    if "/journal/" in true:
        others += [
            name.replace("_000003-", f"_{number}-")
            for number in ("000001", "000002", "000004", "000099", "999999999")
        ]
        stem = name.split(".")[0]
        others += [f"{stem}.{part}.json" for part in ("intent", "end", "progress-0001")]
        others += [name.replace(NAME.replace("_", "-"), "other"), "readme.txt", "x" * 200]
    else:
        rest = name.partition(".")[2]
        numbers = ("00000001", "00000003", "00000004", "00000005", "99999999", "9999999999")
        others += [f"{number}.{rest}" for number in numbers]
        others += [f"00000004.{part}.json" for part in ("claim", f"alive-{_NONCE}")]
        others += [f"00000004.intent-{_NONCE}-{lease}.json" for lease in ("1", "3600", "9999", "0")]
        others += [f"{number}.{_NONCE}.released.json" for number in ("00000003", "00000004")]
        others += ["00000000.claim.json", "9999999999.claim.json", "odd"]
    return st.sampled_from(sorted(set(others))).map(lambda one: f"{folder}/{one}")


def _content(true: bytes) -> st.SearchStrategy[bytes]:
    changed = st.lists(_changes(json.loads(true)), min_size=1, max_size=3).map(
        lambda changes: _changed(json.loads(true), changes)
    )
    cut = st.integers(0, len(true)).map(lambda end: true[:end])
    return st.one_of(changed, changed, changed, st.sampled_from(_GARBAGE), cut, st.just(true))


def _changes(document: Any) -> st.SearchStrategy[tuple[Path, Any]]:
    """A way into the document, and what shall stand there."""
    ways = sorted(set(_ways(document)), key=str)
    return st.tuples(st.sampled_from(ways or [()]), st.sampled_from(_VALUES))


def _ways(node: Any, way: Path = ()) -> Iterator[Path]:
    if way:
        yield way
    children = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, child in children:
        yield from _ways(child, (*way, key))


def _changed(document: Any, changes: list[tuple[Path, Any]]) -> bytes:
    for way, value in changes:
        node = document
        try:
            for step in way[:-1]:
                node = node[step]
            node[way[-1]] = copy.deepcopy(value)
        except (LookupError, TypeError):
            continue  # an earlier change took that way away
    return json.dumps(document).encode()
