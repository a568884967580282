"""The report as the outputs that later steps read.

Owns the value of every output of `contract.OUTPUTS`, and the shortening of the one that holds the
report. Must not write them: `gh.core` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

from deployer.report import view
from deployer.report.document import Document, to_document
from deployer.report.model import Report
from deployer.report.untrusted import cut, units

BUDGET = 200_000  # UTF-16 code units, as GitHub counts the 1 MB of a job's outputs (fact 19)
_LONGEST = 8_000  # characters of every other output; real values are far shorter
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_TEXT_LIMITS = (4_000, 500, 100)  # characters of one string, tried in this order


def to_outputs(
    report: Report, *, report_path: str, wheel_path: str, run_url: str = ""
) -> dict[str, str]:
    """The text of every output; empty where the run did not get that far. `run_url` is the run's page.

    All together stay far below GitHub's limit, whatever names the workspace holds.
    """
    library, plan, deployment = report.library, report.plan, report.deployment
    rewires = view.moved(report)
    from_versions = chain.from_iterable(rewire.from_versions for rewire in rewires)
    removed = deployment.removed if deployment else ()
    texts = {
        "outcome": report.outcome.value,
        "failure-reason": report.failure.reason if report.failure else "",
        "version": library.version if library else "",
        "previous-version": view.newest(from_versions),
        "sha256": library.sha256 if library else "",
        "wheel-path": wheel_path,
        "remote-path": library.remote_path if library else "",
        "plan-digest": plan.digest if plan else "",
        "jobs-updated": str(len(rewires)),
        "jobs-untouched": str(view.staying_jobs(report)),
        "removed-versions": _listed([removal.version for removal in removed]),
        "deployment-id": deployment.id if deployment else "",
        "comment-url": report.comment_url,
        "release-url": report.release_url,
        "environment-url": run_url,
        "report-path": report_path,
    }
    shortened = {name: cut(value, _LONGEST) for name, value in texts.items()}
    return {**shortened, "report": shortened_json(to_document(report))}


def _listed(versions: Sequence[str]) -> str:
    """As many of the versions as fit, separated by commas."""
    said = ",".join(versions)
    return said if len(said) <= _LONGEST else said[: _LONGEST + 1].rpartition(",")[0]


def shortened_json(document: Document, budget: int = BUDGET) -> str:
    """`document` as compact JSON of at most `budget` UTF-16 code units.

    Where it is longer, every list keeps only its first entries, as many as fit, and `truncated`
    tells for each shortened list (by its path, such as `plan.changes`) how many entries went. If
    that is not enough, long texts are cut too. The result stays valid against the schema.
    Raises ValueError for a budget in which not even that fits.
    """
    if _is_within(document, budget):
        return _compact(document)
    for limit in _TEXT_LIMITS:
        texts_cut = _with_texts_cut(document, limit)
        longest = _longest_list(texts_cut)
        kept = _largest(longest, partial(_fits, texts_cut, budget))
        if kept is not None:
            return _compact(_with_lists_cut(texts_cut, kept))
    raise ValueError(f"The report does not fit into {budget} characters")


def _is_within(document: Document, budget: int) -> bool:
    """Whether the whole document fits; a huge one is not written out to see that it does not."""
    used = 0
    for part in _ENCODER.iterencode(document):
        used += units(part)
        if used > budget:
            return False
    return True


def _fits(document: Document, budget: int, size: int) -> bool:
    return _is_within(_with_lists_cut(document, size), budget)


def _largest(limit: int, fits: Callable[[int], bool]) -> int | None:
    """The largest number from 0 to `limit` that fits, if more never fits better; None if 0 fails.

    What is far too large costs most, so the search comes from below.
    """
    if not fits(0):
        return None
    low, step = 0, 1
    while low < limit and fits(min(low + step, limit)):
        low, step = min(low + step, limit), step * 2
    high = min(low + step, limit)  # too large, or the limit
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _with_lists_cut(document: Document, size: int) -> Document:
    dropped: dict[str, int] = {}
    short = {key: _cut_lists(value, key, size, dropped) for key, value in document.items()}
    return {**short, "truncated": dropped}


def _cut_lists(value: object, path: str, size: int, dropped: dict[str, int]) -> object:
    if isinstance(value, dict):
        return {key: _cut_lists(one, f"{path}.{key}", size, dropped) for key, one in value.items()}
    if isinstance(value, list):
        if len(value) > size:
            dropped[path] = dropped.get(path, 0) + len(value) - size
        return [_cut_lists(one, path, size, dropped) for one in value[:size]]
    return value


def _with_texts_cut(document: Document, limit: int) -> Document:
    return {key: _cut_texts(value, limit) for key, value in document.items()}


def _cut_texts(value: object, limit: int) -> object:
    if isinstance(value, dict):
        return {key: _cut_texts(one, limit) for key, one in value.items()}
    if isinstance(value, list):
        return [_cut_texts(one, limit) for one in value]
    return cut(value, limit) if isinstance(value, str) else value


def _longest_list(value: object) -> int:
    if isinstance(value, dict):
        return max((_longest_list(one) for one in value.values()), default=0)
    if isinstance(value, list):
        return max(len(value), max((_longest_list(one) for one in value), default=0))
    return 0


def _compact(document: Document) -> str:
    """ASCII only: a lone surrogate or a line separator then survives any later reader."""
    return _ENCODER.encode(document)
