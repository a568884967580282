"""The form of an intent: a journal entry as JSON, and back from JSON that anybody may have written.

Owns the keys of the journal's files and every check of what stands in them. Pure. Must not believe that
an entry is true: it only says that it could be one of ours.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TypeVar

from packaging.version import InvalidVersion, Version

from deployer.jobs.places import Place
from deployer.library.model import Distribution, Kind
from deployer.library.names import normalized
from deployer.plan.history import Action, Ending, Entry, Moved, MovedJob

FORMAT = 1
_PLAIN = 1024 * 1024  # bytes; a larger intent is written compressed
_UNPACKED = (
    32 * 1024 * 1024
)  # bytes; about 80,000 strings, and JSON takes up to 20 times that in memory
_LONGEST_TEXT = 1024 * 1024  # characters of one string of a job
_LONGEST_VERSION = 255  # characters: it stands in a file's name
_HIGHEST = 2**63 - 1  # of every number
_SHA256 = re.compile("[0-9a-f]{64}")


_Word = TypeVar("_Word", bound=StrEnum)


class Unusable(ValueError):
    """An entry is not what this program writes; the message says why."""


def text(document: Mapping[str, object]) -> bytes:
    """A document as the bytes of a file of ours: ASCII, readable, the same for equal documents."""
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode("ascii")


def packed(document: Mapping[str, object]) -> bytes:
    """A document as bytes, compressed where it is large."""
    plain = text(document)
    if len(plain) <= _PLAIN:
        return plain
    dense = json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")
    squeezed = base64.b64encode(zlib.compress(dense)).decode("ascii")
    return text({"format": FORMAT, "zlib": squeezed})


def _unpacked(content: bytes) -> Mapping[str, object]:
    document = _document(content)
    squeezed = document.get("zlib")
    if not isinstance(squeezed, str):
        return document
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(base64.b64decode(squeezed, validate=True), _UNPACKED)
    except (ValueError, zlib.error) as error:
        raise Unusable("it is not what was packed") from error
    if unpacker.unconsumed_tail:
        raise Unusable(f"it has more than {_UNPACKED:,} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise Unusable("it is not what was packed")
    return _document(plain)


def _document(content: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unusable("it is no JSON") from error
    if not isinstance(document, dict):
        raise Unusable("it is no JSON object")
    if document.get("format") != FORMAT:
        raise Unusable("it was written by another version of spark-deploy")
    return document


def intent_of(entry: Entry) -> Mapping[str, object]:
    """The intent as a JSON document."""
    return {
        "format": FORMAT,
        "id": entry.id,
        "sequence": entry.sequence,
        "action": entry.action.value,
        "library": {
            "name": entry.distribution.name,
            "kind": entry.distribution.kind.value,
            "classifier": entry.distribution.classifier,
            "version": entry.version,
            "path": entry.path,
            "sha256": entry.sha256,
            "size": entry.size,
        },
        "digest": entry.digest,
        "jobs": [
            {
                "job_id": job.job_id,
                "job_name": job.job_name,
                "versions": list(job.versions),
                "strings": [
                    {"place": one.place.to_json(), "before": one.before, "after": one.after}
                    for one in job.strings
                ],
            }
            for job in entry.jobs
        ],
        "removals": list(entry.removals),
        "carries": list(entry.carries),
        "undoes": list(entry.undoes),
        "clusters": list(entry.clusters),
        "actor": entry.actor,
        "user": entry.user,
        "git_sha": entry.git_sha,
        "run_url": entry.run_url,
        "started_ms": entry.started_ms,
    }


def entry_from(content: bytes, distribution: Distribution | None, root: str) -> Entry:
    """The entry that an intent's file holds: about this library (None: any), in this root.

    Raises Unusable.
    """
    document = _unpacked(content)
    library = _object(document, "library")
    named = _distribution(library)
    path = _str(library, "path")
    if distribution not in {None, named}:
        raise Unusable("it is about another library")
    if not _is_below(path, root):
        raise Unusable(f"it names no file in {root}")
    return Entry(
        id=_str(document, "id"),
        sequence=_int(document, "sequence"),
        action=_word(document, "action", Action),
        distribution=named,
        version=_version(library.get("version")),
        path=path,
        sha256=_sha256(library, "sha256"),
        size=_int(library, "size"),
        digest=_sha256(document, "digest"),
        jobs=tuple(_jobs(document)),
        removals=_texts(document, "removals"),
        carries=_texts(document, "carries"),
        undoes=_texts(document, "undoes"),
        clusters=_texts(document, "clusters"),
        actor=_str(document, "actor"),
        user=_str(document, "user"),
        git_sha=_str(document, "git_sha"),
        run_url=_str(document, "run_url"),
        started_ms=_int(document, "started_ms"),
    )


def _distribution(library: Mapping[str, object]) -> Distribution:
    name = _str(library, "name")
    found = normalized(name)
    if found is None or found != name:
        raise Unusable("its library's name is none")
    return Distribution(found, _word(library, "kind", Kind), _str(library, "classifier"))


def _is_below(path: str, root: str) -> bool:
    """Whether `path` names something in `root`, and in no roundabout way."""
    folder = f"{root.rstrip('/')}/"
    parts = path.removeprefix(folder).split("/")
    return path.startswith(folder) and not {"", ".", ".."} & set(parts)


def _version(written: object) -> str:
    """A version as `str` of one spells it."""
    try:
        if not isinstance(written, str) or len(written) > _LONGEST_VERSION:
            raise Unusable("one of its versions is no text, or too long")
        if str(Version(written)) != written:
            raise Unusable("one of its versions is spelled in another way than we do")
    except InvalidVersion as error:
        raise Unusable("one of its versions is none") from error
    return written


def _sha256(document: Mapping[str, object], name: str) -> str:
    """A hash; or nothing, where a rollback goes to a file that no entry has."""
    value = _str(document, name)
    if value and not _SHA256.fullmatch(value):
        raise Unusable(f"its {name} is no SHA-256")
    return value


def _jobs(document: Mapping[str, object]) -> Iterator[MovedJob]:
    seen: set[int] = set()
    for job in _list(document, "jobs"):
        if not isinstance(job, dict):
            raise Unusable("a job is no object")
        job_id = _int(job, "job_id")
        if job_id in seen:
            raise Unusable(f"it has job {job_id} twice")
        seen.add(job_id)
        strings = tuple(_string(one) for one in _list(job, "strings"))
        if len({one.place for one in strings}) != len(strings):
            raise Unusable(f"it has a place of job {job_id} twice")
        versions = tuple(_version(one) for one in _list(job, "versions"))
        yield MovedJob(job_id, _str(job, "job_name"), strings, versions)


def _string(one: object) -> Moved:
    if not isinstance(one, dict):
        raise Unusable("a string is no object")
    try:
        place = Place.from_json(one.get("place"))
    except ValueError as error:
        raise Unusable(str(error)) from error
    return Moved(place, _str(one, "before"), _str(one, "after"))


def ending_from(content: bytes) -> Ending:
    """How an entry ended, by its end's file. Raises Unusable."""
    return _word(_document(content), "ending", Ending)


def _texts(document: Mapping[str, object], name: str) -> tuple[str, ...]:
    found = _list(document, name)
    texts = tuple(one for one in found if isinstance(one, str))
    if len(texts) != len(found):
        raise Unusable(f"its {name} are no texts")
    return texts


def _str(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise Unusable(f"its {name} is no text, or too long")
    return value


def _word(document: Mapping[str, object], name: str, known: type[_Word]) -> _Word:
    value = document.get(name)
    if isinstance(value, str) and value in set(known):
        return known(value)
    raise Unusable(f"its {name} is none of {', '.join(known)}")


def _int(document: Mapping[str, object], name: str) -> int:
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _HIGHEST:
        raise Unusable(f"its {name} is no whole number from 0")
    return value


def _list(document: Mapping[str, object], name: str) -> list[object]:
    value = document.get(name)
    if not isinstance(value, list):
        raise Unusable(f"its {name} is no list")
    return value


def _object(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise Unusable(f"its {name} is no object")
    return value
