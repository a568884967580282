"""Why a reference stays, in words: for each reason a heading and what the job's owner can do.

Owns the prose of the closed list `plan.model.Reason`; a test compares the two. What is never edited has
a sentence for each place, because its owner does something else in each. Must not decide anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """`heading` completes "N jobs stay: …"; `advice` is one sentence to the owner of the job."""

    heading: str
    advice: str


EXPLANATIONS: dict[str, Explanation] = {
    "file-gone": Explanation(
        "on a version whose way back is gone",
        "The old file is not there any more: put it back into the root, or choose another version.",
    ),
    "not-as-recorded": Explanation(
        "not as the journal says",
        "The journal's entry names more than this library's reference, so somebody changed it: its owner "
        "moves the job by hand.",
    ),
    "changed-since": Explanation(
        "changed since the deployment",
        "Somebody else wrote this reference after the deployment: its owner decides what it names.",
    ),
    "no-permission": Explanation(
        "no permission to edit", "Grant the deployer `CAN_MANAGE` on the job, then run again."
    ),
    "owned-by-bundle": Explanation(
        "owned by an Asset Bundle",
        "The bundle's next deploy would undo a move: change the version in the bundle's source, or "
        "set `owned: move`.",
    ),
    "runtime-refuses": Explanation(
        "on a runtime that refuses the file",
        "The move would break the job: its owner changes the runtime or the root, or the library is "
        "built in the form that the note names.",
    ),
    "main-class-missing": Explanation(
        "on a main class that the new jar lacks",
        "The move would break the job: its owner names a class that the new jar has, or the library "
        "brings the old one back.",
    ),
    "not-edited": Explanation(
        "in a place that is only reported",
        "This place is never edited automatically: its owner changes the version by hand.",
    ),
    "outside-root": Explanation(
        "outside the root",
        "Only files under the root move: its owner points the job at the released file once.",
    ),
    "ambiguous-name": Explanation(
        "a file name with more than one reading",
        "Nothing tells where name and version part: its owner points the job at the released file "
        "once.",
    ),
    "no-version": Explanation(
        "no version in the reference",
        "Nothing tells which version the job uses: its owner points it at the released file once.",
    ),
    "unresolved-value": Explanation(
        "a value that is only known at run time",
        "The reference holds a parameter: change the parameter's value where it is set.",
    ),
    "pinned-by-hash": Explanation(
        "pinned by a hash",
        "The line names the hash of its file: its owner changes version and hash together.",
    ),
    "pinned": Explanation(
        "pinned by its owner", "The job moves once its owner removes the pin tag."
    ),
    "system-managed": Explanation(
        "managed by Databricks", "Such a job is read-only for everybody but Databricks."
    ),
    "another-kind": Explanation(
        "another kind of file",
        "Wheels, eggs and jars never replace each other: its owner changes the library once.",
    ),
    "another-classifier": Explanation(
        "another build of the library",
        "Jars with another classifier, such as `sources` or `assembly`, never replace each other: its "
        "owner points the job at the wanted one once.",
    ),
    "another-major": Explanation(
        "on another MAJOR",
        "Its owner moves it by hand when the code is ready for the new MAJOR.",
    ),
    "another-minor": Explanation(
        "on another MINOR",
        "`policy: same-minor` holds it: its owner moves it by hand, or deploy with "
        "`policy: same-major`.",
    ),
    "not-selected": Explanation(
        "not selected", "`policy: exact` does not name this version: add it to `from-versions`."
    ),
    "prerelease": Explanation(
        "held back from a pre-release",
        "A pre-release or local version replaces a final one only with `allow-prereleases: true`.",
    ),
    "newer": Explanation(
        "on a newer version",
        "A deployment never moves a job back: release the wanted code under a higher version.",
    ),
    "already-current": Explanation("on this version already", "Nothing to do."),
}


NOT_EDITED = "not-edited"
# By place, in the order in which they are tried: a pattern of the JSON pointer, and what to say. All
# rows of docs/places.md that are reported from a job's settings have one.
_PLACES: dict[str, tuple[re.Pattern[str], Explanation]] = {
    "package-index": (
        re.compile(r"/pypi/package$|/dependencies/\d+$|/cran/package$"),
        Explanation(
            "installed from a package index or a URL",
            "Its owner changes the version in this line, or names the released file in its place, which "
            "deployments then move.",
        ),
    ),
    "maven": (
        re.compile(r"/maven/coordinates$"),
        Explanation(
            "installed from a Maven repository",
            "Its owner changes the version in the coordinates, or names the released file as a `jar` in "
            "their place, which deployments then move.",
        ),
    ),
    "spark-conf": (
        re.compile(r"/spark_conf/"),
        Explanation(
            "in a Spark setting",
            "Its owner changes the setting in `spark_conf`, or names the file under `libraries` of the "
            "task, where deployments move it.",
        ),
    ),
    "environment-variable": (
        re.compile(r"/(?:spark_env_vars|env_vars)/"),
        Explanation(
            "in an environment variable",
            "Its owner changes the variable of the cluster, and whatever reads it finds the new version "
            "when the cluster starts.",
        ),
    ),
    "init-script": (
        re.compile(r"/init_scripts/"),
        Explanation(
            "in the path of an init script",
            "Its owner changes the script's path: a library file is no script.",
        ),
    ),
    "job-parameter": (
        re.compile(r"^/parameters/"),
        Explanation(
            "in a parameter of the job",
            "Its owner changes the default of the parameter; a value that a caller gives with a run is "
            "not visible here.",
        ),
    ),
    "dbt": (
        re.compile(r"/dbt_task/"),
        Explanation("in a dbt task", "Its owner changes the command of the dbt task."),
    ),
    "code-source": (
        re.compile(r"/(?:code_source_path|code_source_tar_path|requirements_yaml_path)$"),
        Explanation(
            "the code of an AI runtime task",
            "Its owner deploys that task anew with the new version: its code is a snapshot.",
        ),
    ),
    "program": (
        re.compile(r"/python_file$|/main_class_name$|/notebook_path$"),
        Explanation(
            "the program of a task",
            "Its owner points the task at the new file, or runs an entry point of the library instead.",
        ),
    ),
    "task-parameter": (
        re.compile(r"^/tasks/.*(?:[/_]parameters/|_params/|/sql_task/)"),
        Explanation(
            "in a parameter of a task",
            "Its owner changes the parameter: what the task does with it can't be seen from outside.",
        ),
    ),
    "job-library": (
        re.compile(r"^/libraries/"),
        Explanation(
            "a library of the job itself",
            "This is the format of Jobs API 2.0: its owner moves the library into the tasks, where "
            "deployments move it.",
        ),
    ),
}


def group_of(reason: str, place: str) -> str:
    """What an untouched reference is told under: its reason, and for what is never edited its place.

    `place` is the JSON pointer of the reference.
    """
    if reason == NOT_EDITED:
        for key, (pattern, _) in _PLACES.items():
            if pattern.search(place):
                return f"{NOT_EDITED}/{key}"
    return reason


def explanation(group: str) -> Explanation:
    """The explanation of a reason or of a group; its own name when this version does not know it."""
    place = _PLACES.get(group.removeprefix(f"{NOT_EDITED}/"))
    if place is not None and group.startswith(NOT_EDITED):
        return place[1]
    return EXPLANATIONS.get(group, Explanation(group, ""))
