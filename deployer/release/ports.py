"""The port: what the story needs of the place where releases are, and the values that cross it.

Owns the Protocol and its exceptions; how GitHub behaves is fact 40. The adapter is `gh.releases`. Whatever a
release says comes from others: its texts are shown as such, its sizes are bounds and no promises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from deployer.errors import DeployError, FailureReason, fail
from deployer.forge import Denied, ForgeError, NotFound

LARGEST = 2 * 1024**3 - 1
"""Bytes that one file of a release may have (GitHub, "About releases": under 2 GiB)."""
WRITE = "permissions:\n  contents: write"
"""What a workflow must grant for a release to be made, as YAML to paste."""
_READ = "permissions:\n  contents: read # `write` to publish"


class Taken(ForgeError):
    """There is one of that name already."""


class Sealed(ForgeError):
    """The release is immutable and published: nothing of it changes any more."""


@dataclass(frozen=True)
class Asset:
    """One file of a release. `sha256` is what GitHub says of it, "" where it says nothing."""

    id: int
    name: str
    size: int  # bytes
    whole: bool = True  # false for what is being uploaded, or was given up
    sha256: str = ""


@dataclass(frozen=True)
class Release:
    """One release as it is now. `immutable` counts only once it is published."""

    id: int
    tag: str
    title: str
    body: str
    draft: bool
    prerelease: bool
    url: str
    immutable: bool = False
    assets: tuple[Asset, ...] = ()

    def asset(self, name: str) -> Asset | None:
        """The file of that name."""
        return next((one for one in self.assets if one.name == name), None)


@dataclass(frozen=True)
class Text:
    """What a release says of itself. `latest` is `true`, `false` or `legacy` (by its version)."""

    title: str
    body: str
    prerelease: bool
    latest: str = "legacy"


@dataclass(frozen=True)
class Attachment:
    """A file for a release; `opened` gives its bytes from the start, each time anew."""

    name: str
    size: int
    sha256: str
    media_type: str
    opened: Callable[[], AbstractContextManager[BinaryIO]]


class Releases(Protocol):
    """The releases of one repository.

    Every method may raise what `forge` has; other exceptions, and what NotFound means, are named.
    """

    @property
    def repository(self) -> str:
        """`owner/name`, for messages."""
        ...

    def commits_of(self, tag: str) -> frozenset[str]:
        """The objects that the tag stands for now: its commit, and itself if it has a message. Or none."""
        ...

    def of_tag(self, tag: str) -> tuple[Release, ...]:
        """All releases of the tag, drafts among them, the oldest first."""
        ...

    def published(self) -> Iterator[Release]:
        """All published releases, the newest first."""
        ...

    def read(self, release_id: int) -> Release:
        """The release with all its files, as it is now. Raises NotFound."""
        ...

    def create(self, tag: str, text: Text) -> Release:
        """A new draft; that there is another one is no error. Raises Taken where one is published."""
        ...

    def publish(self, release: Release, text: Text) -> Release:
        """Make the draft public. Raises NotFound, and Taken where another one is published."""
        ...

    def delete(self, release: Release) -> None:
        """Delete the draft; that it is gone is no error."""
        ...

    def upload(self, release: Release, file: Attachment) -> Asset:
        """Attach the file. Raises Taken, NotFound, Sealed."""
        ...

    def remove(self, asset: Asset) -> None:
        """Remove a file; that it is gone is no error."""
        ...

    def download(self, asset: Asset) -> Iterator[bytes]:
        """The bytes of a file, in pieces. Raises NotFound."""
        ...

    def generated_notes(self, tag: str) -> str:
        """What GitHub itself would write about the tag."""
        ...


def release_error(error: ForgeError, repository: str) -> DeployError:
    """What the user is told of an exception of the port that nobody on the way knew better."""
    if isinstance(error, Denied):
        accepts = f" It takes {error.accepted}." if error.accepted else ""
        return fail(
            FailureReason.PERMISSION_DENIED,
            f"The token may not do this with the releases of {repository}.",
            detail=f"{error}.{accepts}",
            remedy=f"Give the job the right, in its workflow:\n\n{WRITE}",
        )
    if isinstance(error, NotFound):  # GitHub's answer also where a token may not look
        return fail(
            FailureReason.PERMISSION_DENIED,
            f"The releases of {repository} can't be seen.",
            detail=f"There is no such repository, or the token may not read it. {error}.",
            remedy=f"Give the job the right, in its workflow:\n\n{_READ}",
        )
    return fail(
        FailureReason.RELEASE_UNAVAILABLE,
        f"The releases of {repository} could not be used: GitHub did not answer as it should.",
        detail=str(error),
        remedy="Run it again: what is there already is found.",
    )
