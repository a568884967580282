"""`report.json` read back as data that anybody may have written: bytes in, one `Report` or a refusal out.

Owns the bounds and the closed vocabularies: every value has the type, the size and the words that `document`
writes, or nothing of the document is taken. What a document has beside that is ignored: a newer version may
write more. That it is well formed makes nothing in it true.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TypeVar

from deployer.contract import Mode
from deployer.errors import FailureReason
from deployer.report.clusters import OUTCOMES
from deployer.report.model import (
    SCHEMA_VERSION,
    ApiUse,
    ChangedReference,
    Check,
    CheckStatus,
    ClusterChange,
    ClusterOutcome,
    Decision,
    Deployment,
    Elsewhere,
    Failure,
    Finding,
    Identity,
    InventoryEntry,
    JobName,
    JobOutcome,
    Library,
    Outcome,
    Plan,
    Removal,
    Report,
    Rewire,
    StoredVersion,
    Untouched,
    Upload,
)
from deployer.report.reasons import EXPLANATIONS

MOST = 16_000_000  # bytes of a document; 20,000 moved jobs fit
_TEXT = 20_000  # characters of one text
_OUTPUT = 200_000  # characters of the last output of a check
_ENTRIES = 50_000  # of one list
_LARGEST = 2**63  # ids are 64 bits
_MAJOR = SCHEMA_VERSION.partition(".")[0]
_VERSION = re.compile(r"([0-9]{1,4})\.[0-9]{1,4}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}")

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


class Unreadable(ValueError):
    """It is no report; the text is half a sentence that says where, and holds nothing of the document."""


def read_report(content: bytes) -> Report:
    """The report that `content` writes. Raises Unreadable; nothing else, whatever the bytes are."""
    if len(content) > MOST:
        raise Unreadable(f"it has more than {MOST:,} bytes")
    try:
        document = json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except Unreadable:
        raise
    except (
        ValueError,
        RecursionError,
    ) as error:  # no UTF-8, no JSON, numbers without end, too deep
        raise Unreadable(f"it is no JSON ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise Unreadable("it is no JSON object")
    return _report(_Fields(document))


def _no_number(_: str) -> object:
    raise Unreadable("it holds a number that is none")


class _Fields:
    """One object, read field by field; `where` is the path to it."""

    def __init__(self, values: Mapping[str, object], where: str = "") -> None:
        self._values = values
        self._where = where

    def text(self, name: str, most: int = _TEXT) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or len(value) > most:
            raise self._wrong(name)
        return value

    def later_text(self, name: str) -> str:
        """A text that older versions don't write."""
        return self.text(name) if name in self._values else ""

    def optional_text(self, name: str) -> str | None:
        return None if self._needed(name) is None else self.text(name)

    def hash(self, name: str) -> str:
        text = self.text(name)
        if not _HASH.fullmatch(text):
            raise self._wrong(name)
        return text

    def number(self, name: str) -> int:
        value = self._values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST:
            raise self._wrong(name)
        return value

    def optional_number(self, name: str) -> int | None:
        return None if self._needed(name) is None else self.number(name)

    def seconds(self, name: str) -> float:
        value = self._values.get(name)
        # An integer may be larger than any float; compared with a bound it need not become one.
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value < _LARGEST
        ):
            raise self._wrong(name)
        return float(value)

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if not isinstance(value, bool):
            raise self._wrong(name)
        return value

    def word(self, name: str, words: type[E]) -> E:
        value = self._values.get(name)
        found = next((one for one in words if one.value == value), None)
        if found is None or not isinstance(value, str):
            raise self._wrong(name)
        return found

    def one_of(self, name: str, words: Mapping[str, object]) -> str:
        text = self.text(name)
        if text not in words:
            raise self._wrong(name)
        return text

    def part(self, name: str, read: Callable[[_Fields], T]) -> T:
        value = self._values.get(name)
        if not isinstance(value, dict):
            raise self._wrong(name)
        return read(_Fields(value, self._path(name)))

    def optional_part(self, name: str, read: Callable[[_Fields], T]) -> T | None:
        return None if self._needed(name) is None else self.part(name, read)

    def parts(self, name: str, read: Callable[[_Fields], T]) -> tuple[T, ...]:
        found = []
        for index, value in enumerate(self._list(name)):
            if not isinstance(value, dict):
                raise self._wrong(f"{name}/{index}")
            found.append(read(_Fields(value, self._path(f"{name}/{index}"))))
        return tuple(found)

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._list(name)
        for value in found:
            if not isinstance(value, str) or len(value) > _TEXT:
                raise self._wrong(name)
        return tuple(str(value) for value in found)

    def table(self, name: str) -> Mapping[str, float]:
        def read(fields: _Fields) -> Mapping[str, float]:
            if len(fields._values) > _ENTRIES or any(len(key) > _TEXT for key in fields._values):
                raise self._wrong(name)
            return {key: fields.seconds(key) for key in fields._values}

        return self.part(name, read)

    def _list(self, name: str) -> list[object]:
        value = self._values.get(name)
        if not isinstance(value, list) or len(value) > _ENTRIES:
            raise self._wrong(name)
        return value

    def _needed(self, name: str) -> object:
        if name not in self._values:
            raise self._wrong(name)
        return self._values[name]

    def _path(self, name: str) -> str:
        return f"{self._where}/{name}"

    def _wrong(self, name: str) -> Unreadable:
        return Unreadable(f"`{self._path(name)}` is not what a report has there")


def _report(fields: _Fields) -> Report:
    version = _VERSION.fullmatch(fields.text("schema_version"))
    if version is None or version[1] != _MAJOR:
        raise Unreadable(f"it is of another version than {_MAJOR}.x")
    return Report(
        mode=fields.word("mode", Mode),
        environment=fields.text("environment"),
        outcome=fields.word("outcome", Outcome),
        failure=fields.optional_part("failure", _failure),
        identity=fields.optional_part(
            "identity", lambda one: Identity(one.text("user"), one.flag("admin"))
        ),
        library=fields.optional_part("library", _library),
        checks=fields.parts("checks", _check),
        plan=fields.optional_part("plan", _plan),
        versions=fields.parts("versions", _version),
        deployment=fields.optional_part("deployment", _deployment),
        inventory=fields.parts("inventory", _inventory_entry),
        elsewhere=fields.parts("elsewhere", _elsewhere),
        next_steps=fields.texts("next_steps"),
        warnings=fields.texts("warnings"),
        timings=fields.table("timings"),
        api=fields.part("api", _api),
        host=fields.text("host"),
        root=fields.text("root"),
        back_to=fields.text("back_to"),
        release_url=fields.later_text("release_url"),
        comment_url=fields.later_text("comment_url"),
        why=fields.later_text("why"),
    )


def _failure(fields: _Fields) -> Failure:
    first = _problem(fields)
    problems = fields.parts("problems", _problem)
    return Failure(first.reason, first.title, first.detail, first.remedy, problems)


def _problem(fields: _Fields) -> Failure:
    return Failure(
        fields.word("reason", FailureReason).value,
        fields.text("title"),
        fields.text("detail"),
        fields.text("remedy"),
    )


def _library(fields: _Fields) -> Library:
    return Library(
        name=fields.text("name"),
        version=fields.text("version"),
        sha256=fields.text("sha256"),
        file=fields.text("file"),
        remote_path=fields.text("remote_path"),
        size=0,  # the document does not say
    )


def _check(fields: _Fields) -> Check:
    return Check(
        name=fields.text("name"),
        status=fields.word("status", CheckStatus),
        seconds=fields.seconds("seconds"),
        summary=fields.text("summary"),
        findings=fields.parts("findings", _finding),
        output_tail=fields.text("output_tail", _OUTPUT),
    )


def _finding(fields: _Fields) -> Finding:
    return Finding(
        message=fields.text("message"),
        path=fields.text("path"),
        line=fields.optional_number("line"),
        column=fields.optional_number("column"),
        code=fields.text("code"),
    )


def _plan(fields: _Fields) -> Plan:
    changes = fields.parts("changes", _change)
    uploads = [one for one in changes if isinstance(one, Upload)]
    return Plan(
        digest=fields.text("digest"),
        upload=uploads[0] if uploads else None,
        rewires=tuple(one for one in changes if isinstance(one, Rewire)),
        removals=tuple(one for one in changes if isinstance(one, Removal)),
        untouched=fields.parts("untouched", _untouched),
        jobs_seen=fields.part("counts", lambda counts: counts.number("jobs_seen")),
        clusters=tuple(one for one in changes if isinstance(one, ClusterChange)),
    )


def _change(fields: _Fields) -> Upload | Rewire | ClusterChange | Removal:
    readers: dict[str, Callable[[_Fields], Upload | Rewire | ClusterChange | Removal]] = {
        "upload": lambda one: Upload(one.text("path"), one.text("sha256"), one.number("size")),
        "rewire": _rewire,
        "cluster": _cluster,
        "remove": _removal,
    }
    return readers[fields.one_of("kind", readers)](fields)


def _rewire(fields: _Fields) -> Rewire:
    return Rewire(
        job_id=fields.number("job_id"),
        job_name=fields.text("job_name"),
        references=fields.parts(
            "references",
            lambda one: ChangedReference(one.text("place"), one.text("before"), one.text("after")),
        ),
        from_versions=fields.texts("from_versions"),
        note=fields.text("note"),
        owner=fields.later_text("owner"),
        runs=fields.later_text("runs"),
    )


def _cluster(fields: _Fields) -> ClusterChange:
    return ClusterChange(
        cluster_id=fields.text("cluster_id"),
        cluster_name=fields.text("cluster_name"),
        before=fields.texts("before"),
        after=fields.text("after"),
        from_versions=fields.texts("from_versions"),
        restart=fields.flag("restart"),
    )


def _removal(fields: _Fields) -> Removal:
    return Removal(fields.text("path"), fields.text("version"))


def _untouched(fields: _Fields) -> Untouched:
    return Untouched(
        job_id=fields.number("job_id"),
        job_name=fields.text("job_name"),
        place=fields.text("place"),
        value=fields.text("value"),
        version=fields.optional_text("version"),
        reason=fields.one_of("reason", EXPLANATIONS),
        note=fields.text("note"),
    )


def _version(fields: _Fields) -> StoredVersion:
    return StoredVersion(
        fields.text("version"),
        fields.text("path"),
        fields.word("decision", Decision),
        fields.texts("reasons"),
    )


def _deployment(fields: _Fields) -> Deployment:
    return Deployment(
        id=fields.text("id"),
        uploaded=fields.flag("uploaded"),
        applied=fields.parts("applied", _job),
        drifted=fields.parts("drifted", _job),
        failed=fields.parts("failed", _job),
        rolled_back=fields.parts("rolled_back", _job),
        pending=fields.parts("pending", _job),
        removed=fields.parts("removed", _removal),
        clusters=fields.parts("clusters", _cluster_outcome),
    )


def _job(fields: _Fields) -> JobOutcome:
    return JobOutcome(fields.number("job_id"), fields.text("job_name"), fields.text("detail"))


def _cluster_outcome(fields: _Fields) -> ClusterOutcome:
    return ClusterOutcome(
        fields.text("cluster_id"),
        fields.text("cluster_name"),
        fields.one_of("outcome", OUTCOMES),
        fields.text("detail"),
    )


def _inventory_entry(fields: _Fields) -> InventoryEntry:
    reason = fields.optional_text("reason")
    return InventoryEntry(
        job_id=fields.number("job_id"),
        job_name=fields.text("job_name"),
        place=fields.text("place"),
        value=fields.text("value"),
        kind=fields.text("kind"),
        name=fields.optional_text("name"),
        version=fields.optional_text("version"),
        reason=None if reason is None else fields.one_of("reason", EXPLANATIONS),
    )


def _elsewhere(fields: _Fields) -> Elsewhere:
    return Elsewhere(
        where=fields.text("where"),
        holder=fields.text("holder"),
        holder_id=fields.text("holder_id"),
        spot=fields.text("spot"),
        value=fields.text("value"),
        kind=fields.text("kind"),
        name=fields.optional_text("name"),
        version=fields.optional_text("version"),
        standing=fields.text("standing"),
        advice=fields.text("advice"),
        jobs=fields.parts("jobs", lambda one: JobName(one.number("job_id"), one.text("job_name"))),
        jobs_count=fields.number("jobs_count"),
    )


def _api(fields: _Fields) -> ApiUse:
    return ApiUse(fields.number("calls"), fields.number("retries"), fields.seconds("waited_s"))
