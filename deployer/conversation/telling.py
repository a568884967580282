"""What is told on a pull request: of a plan while it is open, of a deployment once it was merged.

Owns when a run comments, on which pull request, and what is said when it can't. Nothing here can change how
a run ends: whatever GitHub answers becomes one line, or one warning that says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from deployer.contract import Mode
from deployer.conversation.ports import Comments, Proposal
from deployer.conversation.posting import Became, Posting, post
from deployer.conversation.sticky import LONGEST_MARKER, Key, Style, Wanted
from deployer.event.model import Event, Kind
from deployer.forge import Denied, ForgeError, NotFound
from deployer.report.comment import LIMIT, Around, to_comment
from deployer.report.model import Report

_SHORT = 8_000  # bytes, for the case that GitHub takes less than it says
_PROPOSALS = frozenset({Kind.PULL_REQUEST, Kind.PULL_REQUEST_TARGET})
_WRITING = "=write"  # in what GitHub would accept: something was found, and could not be changed
PERMISSION = """\
The token may not do that. Give the job the permission, beside those that it has:

  permissions:
    contents: read
    pull-requests: write"""
_SECOND_HALF = (
    "No comment: a run for a fork or for Dependabot may only read. A workflow on `workflow_run` with "
    "`mode: comment` can write it."
)


@dataclass(frozen=True)
class Told:
    """Where the comment is, a line for the log, and what deserves a warning; each may be empty."""

    url: str = ""
    line: str = ""
    warning: str = ""


@dataclass(frozen=True)
class Speaker:
    """Tells of one run on the pull request that it belongs to.

    `event` is None where the run has none that is understood; `connect` is None without a token. `id` is the
    input `comment-id`. `clean` takes secrets out of a text.
    """

    style: Style
    id: str
    event: Event | None
    run_url: str
    connect: Callable[[], Comments] | None
    clean: Callable[[str], str]

    def tell(self, report: Report) -> Told:
        """Tell of `report`, where there is somebody to tell. Never raises a ForgeError."""
        event = self.event
        if self.style is Style.OFF or event is None:
            return Told()
        planned = event.kind in _PROPOSALS and report.mode is Mode.PLAN
        deployed = event.kind is Kind.PUSH and bool(event.head.branch and event.head.sha)
        deployed = deployed and report.mode is Mode.DEPLOY
        if not planned and not deployed:
            return Told()
        if planned and (event.is_fork or event.by_dependabot):
            return Told(line=_SECOND_HALF)
        if self.connect is None:
            return Told(line="No comment: the input `github-token` is empty.")
        try:
            comments = self.connect()
            if planned:
                return self._plan(comments, event, report)
            return self._deployment(comments, event, report)
        except Denied as error:
            # Who never let a plan comment need not let a deployment look for the comment.
            if deployed and _WRITING not in error.accepted:
                return Told(line=f"No comment: {error}. {PERMISSION}")
            return Told(warning=why_not(error))
        except ForgeError as error:
            return Told(warning=why_not(error))

    def _plan(self, comments: Comments, event: Event, report: Report) -> Told:
        objection = moved_on(comments.proposal(event.number), event.head.sha)
        if objection:
            return Told(line=f"No comment: {objection}.")
        around = Around(self.run_url, event.head.sha)
        return self.write(comments, (event.number,), report, around)

    def _deployment(self, comments: Comments, event: Event, report: Report) -> Told:
        sha = event.head.sha
        number = merged_by(comments.proposals_of(sha), sha)
        if not number:
            return Told(line="No comment: this commit merged no pull request.")
        around = Around(self.run_url, sha, after_merge=True)
        return self.write(comments, (number,), report, around, only_edit=True)

    def write(
        self,
        comments: Comments,
        numbers: Sequence[int],
        report: Report,
        around: Around,
        *,
        only_edit: bool = False,
    ) -> Told:
        """Bring the comment to each of the pull requests. Raises ForgeError."""
        budget = LIMIT - LONGEST_MARKER
        wanted = Wanted(
            key=self.key(report, around),
            digest=report.plan.digest if report.plan else "",
            body=self._body(report, around, budget),
            style=self.style,
            only_edit=only_edit,
        )
        told = Told()
        for number in numbers:
            posting = post(comments, number, wanted, lambda: self._body(report, around, _SHORT))
            said = " ".join(filter(None, (told.line, _said(number, posting))))
            warning = f"{posting.left}." if posting.left else told.warning
            told = Told(posting.url or told.url, said, warning)
        return told

    def key(self, report: Report, around: Around) -> Key:
        """What the comment is about. What a stranger's run claims never replaces what ours said."""
        library = report.library.name if report.library else ""
        named = Key(report.environment, library, self.id)
        return replace(named, id=f"claimed {self.id}") if around.claimed else named

    def _body(self, report: Report, around: Around, budget: int) -> str:
        return self.clean(to_comment(report, around, budget))


def moved_on(proposal: Proposal, sha: str) -> str:
    """Why a run for the commit `sha` says nothing on the pull request as it is now; "" where it does."""
    called = f"pull request {proposal.number}"
    if proposal.merged:
        return f"{called} was merged meanwhile"
    if not proposal.is_open:
        return f"{called} was closed meanwhile"
    if proposal.head_sha != sha:
        return f"{called} has another head meanwhile, and the run for that writes the comment"
    return ""


def merged_by(proposals: Sequence[Proposal], sha: str) -> int:
    """The number of the pull request that the commit `sha` merged; 0 when there is none or no saying.

    A rebase puts many commits on the base, of which only the last is the merge commit.
    """
    merged = [one for one in proposals if one.merged]
    found = [one for one in merged if one.merge_sha == sha] or merged
    return found[0].number if len(found) == 1 else 0


def why_not(error: ForgeError) -> str:
    """One warning that says what to do."""
    said = f"The comment on the pull request was not written. {error}."
    if isinstance(error, Denied):
        accepted = f" GitHub accepts: {error.accepted}." if error.accepted else ""
        return f"{said}{accepted} {PERMISSION}"
    if isinstance(error, NotFound):
        return f"{said} {PERMISSION}"  # a private repository does not show what may not be seen
    return said


def _said(number: int, posting: Posting) -> str:
    what = {
        Became.CREATED: "A comment was written on",
        Became.EDITED: "The comment was updated on",
        Became.UNCHANGED: "The comment stands already on",
        Became.NONE: "There is no comment to update on",
    }[posting.became]
    return f"{what} pull request {number}."
