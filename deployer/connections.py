"""How a run reaches GitHub: addresses, token and patience, put together for those who comment.

Owns the building of what speaks on pull requests, so that PyGithub is imported only where it is used. Must
not decide when a run comments: that is `conversation`'s business.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deployer.context import RunContext
from deployer.conversation.ports import Comments
from deployer.conversation.sticky import Style
from deployer.conversation.telling import Speaker
from deployer.errors import DeployError
from deployer.event.model import Event
from deployer.forge import Unavailable
from deployer.redaction import Redactor
from deployer.request import event_of
from deployer.settings import conversation
from deployer.stopping import Stop

if TYPE_CHECKING:
    from deployer.gh.api import Addresses


def speaker_of(
    texts: Mapping[str, str],
    environ: Mapping[str, str],
    context: RunContext,
    stop: Stop,
    redactor: Redactor,
) -> Speaker | None:
    """Who tells of the run on its pull request; nobody outside of GitHub."""
    if not context.on_github or not context.repository:
        return None
    asked = conversation(texts)

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise Unavailable("the run was asked to stop")

    def connected() -> Comments:
        # Only who comments waits for the import of PyGithub.
        from deployer.gh.api import Api  # noqa: PLC0415
        from deployer.gh.comments import GitHubComments  # noqa: PLC0415
        from deployer.gh.patience import Patience  # noqa: PLC0415

        api = Api(addresses(environ), asked.token, Patience(pause, time.time))
        return GitHubComments(api, context.repository)

    return Speaker(
        style=Style(asked.style),
        id=asked.id,
        event=_event(environ),
        run_url=context.run_url,
        connect=connected if asked.token else None,
        clean=redactor.clean,
    )


def addresses(environ: Mapping[str, str]) -> Addresses:
    """Where GitHub is, as the runner says."""
    from deployer.gh.api import Addresses  # noqa: PLC0415 - it imports PyGithub

    usual = Addresses()
    return Addresses(
        environ.get("GITHUB_API_URL") or usual.api,
        environ.get("GITHUB_GRAPHQL_URL") or usual.graphql,
        environ.get("GITHUB_SERVER_URL") or usual.server,
    )


def _event(environ: Mapping[str, str]) -> Event | None:
    """What started the run; None for what is not understood: whoever needs it says so."""
    try:
        return event_of(environ)
    except DeployError:
        return None
