"""Why a reference stays, in words: for each reason a heading and what the job's owner can do.

Owns the prose of the closed list `plan.model.Reason`; a test compares the two. Must not decide
anything.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """`heading` completes "N jobs stay: …"; `advice` is one sentence to the owner of the job."""

    heading: str
    advice: str


EXPLANATIONS: dict[str, Explanation] = {
    "no-permission": Explanation(
        "no permission to edit", "Grant the deployer `CAN_MANAGE` on the job, then run again."
    ),
    "owned-by-bundle": Explanation(
        "owned by an Asset Bundle",
        "The bundle's next deploy would undo a move: change the version in the bundle's source, or "
        "set `owned: move`.",
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


def explanation(reason: str) -> Explanation:
    """The explanation of `reason`; its own name when this version does not know it."""
    return EXPLANATIONS.get(reason, Explanation(reason, ""))
