"""The story of `mode: comment`: the trusted half of a pull request whose own run may write nothing.

Owns the reading of the report that the other half left, and what it is good for. The report is data of a
stranger: it never says which pull request it is for. That is derived from the event, by what GitHub says of
it now. Nothing of the project is checked out or run, and no workspace is asked.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from deployer.contract import Mode
from deployer.conversation.ports import Comments
from deployer.conversation.telling import PERMISSION, Speaker, moved_on
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason, fail
from deployer.event.model import Event, Kind
from deployer.forge import Denied, ForgeError
from deployer.report.comment import Around
from deployer.report.model import Outcome, Report
from deployer.report.reading import MOST, Unreadable, read_report

_FILE = "report.json"
_TOLD = frozenset({Mode.CHECK, Mode.PLAN})  # what a run for a proposal may have done
_PROPOSALS = frozenset({Kind.PULL_REQUEST.value, Kind.PULL_REQUEST_TARGET.value})
_MOST_PROPOSALS = 5  # one branch can be proposed to several


def comment(draft: Draft, doors: Doors) -> Outcome:
    """Write what the other half reported on its pull request, if that is still what it was.

    Raises:
        DeployError: invalid-input, invalid-event, invalid-report, permission-denied, api-error.
    """
    speaker = doors.speaker
    event = speaker.event if speaker else None
    if speaker is None or event is None or (event.run is None and not event.number):
        raise _no_event()
    if speaker.connect is None:
        raise fail(
            FailureReason.INVALID_INPUT,
            "The input `github-token` is empty.",
            remedy="Leave it out: the action takes the token of the job then.",
        )
    with draft.phase("read", "Read the report"):
        report = _report(doors.workspace_folder, draft.settings.conversation.from_report)
    with draft.phase("comment", "Comment"):
        try:
            return _tell(draft, speaker, speaker.connect(), event, report)
        except ForgeError as error:
            raise _failure(error) from error


def _tell(
    draft: Draft, speaker: Speaker, comments: Comments, event: Event, report: Report
) -> Outcome:
    numbers, why_none = _proposals(comments, event)
    if not numbers:
        draft.warn(f"No comment was written: {why_none}.")
        return Outcome.NOTHING_TO_DO
    sha = event.run.head.sha if event.run else event.head.sha
    around = Around(_page(speaker, event), sha, claimed=True)
    told = speaker.write(comments, numbers, report, around)
    draft.note_comment(told.url)
    draft.narrator.info(told.line)
    if told.warning:
        draft.warn(told.warning)
    return Outcome.SUCCEEDED


def _page(speaker: Speaker, event: Event) -> str:
    """The page of the run that the report is from."""
    base = speaker.run_url.rpartition("/")[0]
    return f"{base}/{event.run.id}" if event.run and base else speaker.run_url


def _proposals(comments: Comments, event: Event) -> tuple[Sequence[int], str]:
    """The numbers of the open pull requests that the other half ran for, or why there is none."""
    if event.run is None:
        objection = moved_on(comments.proposal(event.number), event.head.sha)
        return ((), objection) if objection else ((event.number,), "")
    run = event.run
    if run.event not in _PROPOSALS:
        return (), "the workflow that this one follows did not run for a pull request"
    if not run.head.repository or not run.head.branch:
        return (), "the repository or the branch of the pull request was deleted meanwhile"
    # `workflow_run.pull_requests` is empty for forks (fact 25), so GitHub is asked by the head.
    found = comments.proposals_from(run.head.repository, run.head.branch)
    there = [one.number for one in found if not moved_on(one, run.head.sha)]
    if there:
        return there[:_MOST_PROPOSALS], ""
    if found:
        return (), moved_on(found[0], run.head.sha)
    return (), "no open pull request has that branch any more"


def _report(folder: Path, given: str) -> Report:
    """The report in the file that `from-report` names. Raises DeployError."""
    path = folder / given
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            path /= _FILE
        # An archive of a stranger may hold links, which would lead to files of the machine.
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _unusable("it is no regular file")
        with path.open("rb") as stream:
            report = read_report(stream.read(MOST + 1))
    except (OSError, ValueError) as error:
        why = str(error) if isinstance(error, Unreadable) else type(error).__name__
        raise _unusable(why) from error
    if report.mode not in _TOLD:
        raise _unusable("it is neither of a check nor of a plan")
    return report


def _unusable(why: str) -> DeployError:
    return fail(
        FailureReason.INVALID_REPORT,
        f"The file that `from-report` names is no report that can be told: {why}.",
        detail="It comes from the run of a pull request, whose author may have written anything.",
        remedy="Look at the run that left it, and at the step that downloads it:\n\n"
        "  - uses: actions/download-artifact@v6\n"
        "    with:\n"
        "      name: spark-deploy-report\n"
        "      path: report\n"
        "      run-id: ${{ github.event.workflow_run.id }}\n"
        "      github-token: ${{ github.token }}",
    )


def _no_event() -> DeployError:
    return fail(
        FailureReason.INVALID_EVENT,
        "This run does not say which pull request to comment on.",
        detail="`mode: comment` takes it from the event `workflow_run`; the report's word is not taken.",
        remedy="Let the workflow follow the one for pull requests:\n\n"
        "  on:\n"
        "    workflow_run:\n"
        "      workflows: [name of the workflow for pull requests]\n"
        "      types: [completed]",
    )


def _failure(error: ForgeError) -> DeployError:
    accepted = error.accepted if isinstance(error, Denied) else ""
    denied = isinstance(error, Denied)
    return fail(
        FailureReason.PERMISSION_DENIED if denied else FailureReason.API_ERROR,
        "The comment could not be written.",
        detail=f"{error}." + (f" GitHub accepts: {accepted}." if accepted else ""),
        remedy=PERMISSION if denied else "Run the job again.",
    )
