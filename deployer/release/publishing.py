"""The story of publishing: draft first, its files next, public last (ADR 25).

Owns the order and what counts as done. Whatever it meets half done it finishes; two runs at once end with
one release; what was published once is never replaced. Has no I/O but the port's. Must not know GitHub's API.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from deployer.errors import DeployError, FailureReason, fail
from deployer.forge import ForgeError, NotFound, Unavailable, Uncertain
from deployer.release import sums
from deployer.release.notes import fitting
from deployer.release.ports import (
    Asset,
    Attachment,
    Release,
    Releases,
    Sealed,
    Taken,
    Text,
)

_TRIES = 6  # looks at one thing that others change meanwhile
_WAITS = 10  # for an upload of another run
_PAUSE_S = 2.0


@dataclass(frozen=True)
class Order:
    """What is to be published.

    `sha` is the commit of this run; `notes` are the project's own, "" to have GitHub write them. `sums` is
    `SHA256SUMS` of `files`.
    """

    tag: str
    sha: str
    title: str
    notes: str
    prerelease: bool
    files: tuple[Attachment, ...]
    sums: Attachment


@dataclass(frozen=True)
class Published:
    """The release as it is public now, and the names of the files that this run attached."""

    release: Release
    attached: tuple[str, ...]
    made_public: bool


@dataclass
class Publishing:
    """One try to have a release as ordered. `pause` waits some seconds, or raises when the run is to stop."""

    order: Order
    releases: Releases
    pause: Callable[[float], None]

    def __post_init__(self) -> None:
        self._attached: list[str] = []
        self._made: Release | None = None

    def to_its_end(self) -> Published:
        """Have the release public, with its files.

        Raises:
            DeployError: RELEASE_CONFLICT for what can't be as ordered.
            ForgeError: as the port.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                return self._once()
            except (
                NotFound,
                Taken,
                Uncertain,
            ) as error:  # others were quicker, or an answer is lost
                if not tries_left:
                    self._look()
                    raise Unavailable(
                        f"the release of {self.order.tag} changes all the time"
                    ) from error
                self.pause(_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def _once(self) -> Published:
        self._check_tag()
        release = self._release()
        for file in self.order.files:
            release = self._with(release, file)
        release = self._with(release, self._sums_for(release))
        made_public = release.draft
        if made_public:
            self._check_tag()
            release = self._made_public(release)
        return Published(release, tuple(self._attached), made_public)

    def _made_public(self, release: Release) -> Release:
        self.pause(0)
        try:
            return self.releases.publish(release, self._text(release))
        except Sealed as error:
            raise conflict(
                f"The tag {self.order.tag} belonged to an immutable release that was deleted.",
                f"GitHub lets no other release have it: {error}",
                "Raise the version and tag that.",
            ) from error

    def _check_tag(self) -> None:
        """The tag is still that of our commit: else the file would not be what the tag says."""
        commits = self.releases.commits_of(self.order.tag)
        if self.order.sha in commits:
            return
        if not commits:
            self._look()
        tag = self.order.tag
        moved = f"points to {min(commits)[:12]}, and" if commits else "is gone, and"
        raise conflict(
            f"The tag {tag} {moved} this run is of commit {self.order.sha[:12]}.",
            "The tag was moved or deleted since this run began; its file may be another one now.",
            "Run the workflow again for the tag as it is, or tag this commit with a new version.",
        )

    def _look(self) -> None:
        """Raises NotFound where the repository itself can't be seen: then a missing tag says nothing."""
        next(iter(self.releases.published()), None)

    # ── The release ──────────────────────────────────────────────────────────────────────────────

    def _release(self) -> Release:
        """The one release of the tag: the published one, or the oldest draft, or a new draft.

        GitHub takes several drafts of one tag. So whoever made one looks again, and all runs choose the same.
        """
        found = self.releases.of_tag(self.order.tag)
        if not found:
            self._made = self.releases.create(self.order.tag, self._text(None))
            found = (self._made, *self.releases.of_tag(self.order.tag))
        chosen = _chosen(found)
        if self._made is not None and self._made.id != chosen.id:
            self.releases.delete(self._made)
            self._made = None
        return self.releases.read(chosen.id)

    def _text(self, release: Release | None) -> Text:
        """What the release is to say. What a person wrote into a draft stays."""
        order = self.order
        body = release.body if release is not None and release.body.strip() else self._notes()
        prerelease = order.prerelease or (release is not None and release.prerelease)
        return Text(
            title=(release.title if release is not None else "") or order.title,
            body=body,
            prerelease=prerelease,
            latest="false" if prerelease else "legacy",
        )

    def _notes(self) -> str:
        if self.order.notes.strip():
            return fitting(self.order.notes)
        try:
            return fitting(self.releases.generated_notes(self.order.tag))
        except ForgeError:
            return ""  # a release without notes is better than none

    # ── Its files ────────────────────────────────────────────────────────────────────────────────

    def _with(self, release: Release, file: Attachment) -> Release:
        """The release with `file` attached, by this run or an earlier one. Raises NotFound, DeployError."""
        tries, waits, failure = _TRIES, _WAITS, None
        while True:
            asset = release.asset(file.name)
            if asset is not None and asset.whole:
                if not self._same(asset, file):
                    raise _other_bytes(release, file)
                return release
            if asset is not None and failure is None and waits:
                waits -= 1  # another run may be at it
                self.pause(_PAUSE_S)
            elif not tries:
                raise failure or Unavailable(f"{file.name} could not be attached")
            else:
                tries -= 1
                if asset is not None:
                    self.releases.remove(asset)
                failure = self._uploaded(release, file) or failure
            release = self.releases.read(release.id)

    def _uploaded(self, release: Release, file: Attachment) -> Unavailable | None:
        """Upload once; what went wrong, if a second try may help."""
        if release.immutable and not release.draft:
            raise _sealed(release, file)
        self.pause(0)  # a run that is to stop begins no further file
        try:
            asset = self.releases.upload(release, file)
        except Taken:
            return None
        except Sealed:
            if self.releases.read(release.id).asset(file.name) is None:
                raise _sealed(release, file) from None
            return None  # another run attached it, and then made the release public
        except Unavailable as error:
            self.pause(_PAUSE_S)
            return error
        if asset.name != file.name:
            self.releases.remove(asset)
            raise conflict(
                f"GitHub would call the file {asset.name} instead of {file.name}.",
                "It replaces characters that it does not like, and nobody would find the file again.",
                "Use a version without an epoch or other special characters.",
            )
        self._attached.append(file.name)
        return None

    def _same(self, asset: Asset, file: Attachment) -> bool:
        """Whether the file of the release has the very bytes; where GitHub does not say, they are read."""
        if asset.size != file.size:
            return False
        if asset.sha256:
            return asset.sha256 == file.sha256
        hasher = hashlib.sha256()
        for chunk in self.releases.download(asset):
            hasher.update(chunk)
        return hasher.hexdigest() == file.sha256

    def _sums_for(self, release: Release) -> Attachment:
        """`SHA256SUMS`; under a name of its own where another library of the same tag has that one."""
        mine, library = self.order.sums, self.order.files[0]
        there = release.asset(mine.name)
        if there is None or not there.whole or self._same(there, mine):
            return mine
        if sums.sum_of(read_whole(self.releases, there, sums.LIMIT), library.name) is not None:
            return mine  # it speaks of our file, in other words: the comparison will say so
        name = f"{sums.NAME}.{library.name}"
        return Attachment(name, mine.size, mine.sha256, mine.media_type, mine.opened)


def read_whole(releases: Releases, asset: Asset, limit: int) -> bytes:
    """The first `limit` bytes of a small file."""
    content = bytearray()
    for chunk in releases.download(asset):
        content += chunk
        if len(content) >= limit:
            break
    return bytes(content[:limit])


def _chosen(found: tuple[Release, ...]) -> Release:
    return min(found, key=lambda one: (one.draft, one.id))


def conflict(title: str, detail: str, remedy: str) -> DeployError:
    """A release that can't be as ordered."""
    return fail(FailureReason.RELEASE_CONFLICT, title, detail=detail, remedy=remedy)


def _other_bytes(release: Release, file: Attachment) -> DeployError:
    return conflict(
        f"The release {release.tag} has a file {file.name} already, with other bytes.",
        f"This run's has SHA-256 {file.sha256} and {file.size:,} bytes. What was published stays.",
        "Raise the version and tag that. To deploy what was published, use `mode: deploy` with `version`.",
    )


def _sealed(release: Release, file: Attachment) -> DeployError:
    return conflict(
        f"The release {release.tag} is immutable and published, so {file.name} can't be attached.",
        "GitHub takes files for an immutable release only while it is a draft.",
        "Let the push of the tag start this run, which makes the draft itself, instead of a release that "
        "was published before.",
    )
