"""Who answers for a job and when it runs: what a reader wants to know of a job that is to move.

Owns what raw settings say about both, in few words. Display only: nothing is decided by it. Total: any JSON
object is a job.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.jobs.places import JsonObject

_OWNER_TAGS = ("owner", "team")
_NUMBER = re.compile(r"\d{1,2}")
_LATEST_HOUR, _LATEST_MINUTE = 23, 59
_QUARTZ_FIELDS = 6  # the seventh, the year, is optional
_LONGEST = 120  # characters


def owner_of(settings: JsonObject, creator: str = "") -> str:
    """Whom to ask: the tag `owner` or `team`, as whom the job runs, or who made it. "" when unknown."""
    tags = settings.get("tags")
    for key, value in (tags if isinstance(tags, dict) else {}).items():
        if key.lower() in _OWNER_TAGS and isinstance(value, str) and value.strip():
            return value.strip()[:_LONGEST]
    run_as = settings.get("run_as")
    for name in ("user_name", "service_principal_name", "group_name"):
        value = run_as.get(name) if isinstance(run_as, dict) else None
        if isinstance(value, str) and value:
            return value[:_LONGEST]
    return creator[:_LONGEST]


def runs_when(settings: JsonObject) -> str:
    """When the job starts by itself, such as `daily 02:00 Europe/Berlin`; "" when somebody starts it."""
    for key, told in (
        ("continuous", _continuous),
        ("schedule", _schedule),
        ("trigger", _trigger),
    ):
        found = settings.get(key)
        if isinstance(found, dict) and found:
            paused = "paused: " if found.get("pause_status") == "PAUSED" else ""
            return f"{paused}{told(found)}"[:_LONGEST]
    return ""


def _continuous(_: Mapping[str, object]) -> str:
    return "continuously"


def _schedule(schedule: Mapping[str, object]) -> str:
    cron, zone = schedule.get("quartz_cron_expression"), schedule.get("timezone_id")
    said = _cron(cron) if isinstance(cron, str) else "on a schedule"
    return f"{said} {zone}" if isinstance(zone, str) and zone else said


def _cron(cron: str) -> str:
    """A Quartz expression in words where it is one of the usual few; else as it is."""
    fields = cron.split()
    if len(fields) != _QUARTZ_FIELDS or fields[4] != "*" or fields[3] not in {"*", "?"}:
        return f"cron {cron}"
    _, minute, hour, _, _, day = fields
    if not _is(minute, _LATEST_MINUTE):
        return f"cron {cron}"
    every = {"*": "daily", "?": "daily", "MON-FRI": "weekdays"}.get(day.upper())
    if every is None and re.fullmatch(r"(MON|TUE|WED|THU|FRI|SAT|SUN)", day.upper()):
        every = f"every {day.capitalize()}"
    if every and hour == "*":
        return f"hourly at :{int(minute):02}" if every == "daily" else f"cron {cron}"
    if every and _is(hour, _LATEST_HOUR):
        return f"{every} {int(hour):02}:{int(minute):02}"
    return f"cron {cron}"


def _is(text: str, most: int) -> bool:
    return bool(_NUMBER.fullmatch(text)) and text.isascii() and int(text) <= most


def _trigger(trigger: Mapping[str, object]) -> str:
    periodic = trigger.get("periodic")
    if isinstance(periodic, dict):
        number, unit = periodic.get("interval"), periodic.get("unit")
        if isinstance(number, int) and isinstance(unit, str):
            one = unit.lower().removesuffix("s")
            return f"every {one}" if number == 1 else f"every {number} {one}s"
    if "file_arrival" in trigger:
        return "when files arrive"
    if "table" in trigger or "table_update" in trigger:
        return "when tables change"
    return "by a trigger"
