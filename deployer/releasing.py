"""The library file and its release: putting the one into the other, and getting it out again.

Owns what a release of a library consists of, where its notes come from, and where a fetched file is kept. The
order of publishing and the verification of a file are the room `release`'s business.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path

from packaging.version import Version

from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason, fail
from deployer.forge import ForgeError
from deployer.library.model import Kind, Library
from deployer.ownership import adopt, make_folder
from deployer.release import notes, sums
from deployer.release.agreement import disagreement, is_prerelease
from deployer.release.fetching import find, take
from deployer.release.ports import (
    LARGEST,
    Attachment,
    Releases,
    release_error,
)
from deployer.release.publishing import Order, Publishing, conflict
from deployer.release.sbom import SUFFIX, bill_of_materials
from deployer.release.statement import statement_of

_CHANGELOG = "CHANGELOG.md"
_MEDIA_TYPES = {
    Kind.WHEEL: "application/zip",
    Kind.EGG: "application/zip",
    Kind.JAR: "application/java-archive",
}


def publish_library(draft: Draft, doors: Doors, library: Library, file: Path) -> bool:
    """Have the release of the run's tag public, with `file`, its bill of materials and its hashes.

    Returns whether anything was changed. Raises DeployError, Interrupted.
    """
    order = _order(draft, doors, library, file)
    with _releases(draft, doors, "publish", f"Publish the release {order.tag}") as releases:
        published = Publishing(order, releases, doors.pause).to_its_end()
    draft.release_url = published.release.url
    told = ", ".join(published.attached) or "nothing; everything is there already"
    draft.narrator.info(f"Attached to the release {order.tag}: {told}")
    return published.made_public or bool(published.attached)


def fetch_library(draft: Draft, doors: Doors, version: Version) -> Path:
    """The library file of the published release of `version`, verified. Raises DeployError."""
    folder = make_folder(doors.releasing.folder)
    with _releases(draft, doors, "release", f"Fetch version {version}") as releases:
        found = find(releases, version, draft.settings.library)
        number, name = tempfile.mkstemp(prefix=".spark-deploy-", dir=folder)
        part, kept = Path(name), folder / found.asset.name
        try:
            with os.fdopen(number, "wb") as into:
                digest = take(releases, found, into)
            part.chmod(0o644)
            part.replace(kept)
        finally:
            part.unlink(missing_ok=True)
    adopt(kept)
    draft.release_url = found.release.url
    draft.narrator.info(f"{kept.name} of the release {found.release.tag}, SHA-256 {digest}")
    return kept


@contextmanager
def _releases(draft: Draft, doors: Doors, phase: str, title: str) -> Iterator[Releases]:
    """The releases of the run's repository; what nobody knew better becomes a DeployError."""
    with draft.phase(phase, title):
        releases = doors.releasing.connect(draft.settings)
        try:
            yield releases
        except ForgeError as error:
            raise release_error(error, releases.repository) from error


def _order(draft: Draft, doors: Doors, library: Library, file: Path) -> Order:
    """What the release consists of. Raises DeployError, when the tag is another version's, for instance."""
    tag = doors.releasing.tag
    if not tag or not doors.origin.git_sha:
        raise _no_tag(library)
    if problem := disagreement(tag, library):
        raise DeployError(problem)
    if library.size > LARGEST:
        raise conflict(
            f"{library.file_name} has {library.size:,} bytes, and a release takes {LARGEST:,}.",
            "GitHub takes no larger file.",
            "Leave `publish` out, or make the library smaller.",
        )
    with file.open("rb") as content:
        materials = bill_of_materials(library, statement_of(library, content))
    kind = _MEDIA_TYPES[library.kind]
    main = Attachment(
        library.file_name, library.size, library.sha256, kind, lambda: file.open("rb")
    )
    bom = _made(f"{library.file_name}{SUFFIX}", materials, "application/vnd.cyclonedx+json")
    written = sums.written({one.name: one.sha256 for one in (main, bom)})
    return Order(
        tag=tag,
        sha=doors.origin.git_sha,
        title=tag,
        notes=_notes(draft, doors, library.version),
        prerelease=is_prerelease(library.version),
        files=(main, bom),
        sums=_made(sums.NAME, written, "text/plain"),
    )


def _made(name: str, content: bytes, media_type: str) -> Attachment:
    """A file that this run wrote, in memory."""
    digest = sha256(content).hexdigest()
    return Attachment(
        name, len(content), digest, media_type, lambda: nullcontext(io.BytesIO(content))
    )


def _notes(draft: Draft, doors: Doors, version: Version) -> str:
    """The version's section in the project's changelog, else in the repository's."""
    folders = (doors.workspace_folder / draft.settings.project, doors.workspace_folder)
    for folder in dict.fromkeys(folders):
        if found := notes.section(_text_of(folder / _CHANGELOG), version):
            return found
    draft.narrator.info(f"{_CHANGELOG} has no section of {version}; GitHub writes the notes")
    return ""


def _text_of(path: Path) -> str:
    """The beginning of a text file; "" for what is none. Links could lead to a file of the machine."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return ""
        with path.open("rb") as content:
            return content.read(notes.READ).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _no_tag(library: Library) -> DeployError:
    return fail(
        FailureReason.TAG_MISMATCH,
        f"{library.display_name} {library.version} can't be published: this run is for no tag.",
        detail="A release belongs to a tag, and the run's ref is a branch or is not known.",
        remedy="Let a tag start the workflow:\n\n"
        f'on:\n  push:\n    tags: ["v*.*.*"]\n\nand tag this commit v{library.version}.',
    )
