"""Getting hold of the library: the file that is given, or the one that the project's checks build.

Owns finding and opening the file. What is in it is `library.file`'s business.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from packaging.version import Version

from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason, fail
from deployer.library.file import read_library
from deployer.library.model import Library
from deployer.releasing import fetch_library
from deployer.report.model import Check


def obtain_library(draft: Draft, doors: Doors) -> tuple[Library, Path]:
    """The library to ship: the given file, or what the project's checks build."""
    return built_library(draft, doors) if draft.settings.builds else given_library(draft, doors)


def given_library(draft: Draft, doors: Doors) -> tuple[Library, Path]:
    """The file that `wheel` means, or the release of `version`. Raises DeployError."""
    version = draft.settings.version
    if version is not None:
        file = fetch_library(draft, doors, version)
        library = _read(draft, file)
        if library.version != version:
            raise _other_version(library, version)
        return library, file
    file = _one_file(doors.workspace_folder, draft.settings.wheel)
    return _read(draft, file), file


def built_library(draft: Draft, doors: Doors) -> tuple[Library, Path]:
    """What the checks of `project` build. Raises DeployError with all that they found."""
    checked = doors.check(doors.workspace_folder / draft.settings.project, draft.settings, draft)
    draft.checks = tuple(_from_workspace(one, draft.settings.project) for one in checked.checks)
    if checked.problems:
        raise DeployError(*checked.problems)
    assert checked.wheel is not None  # noqa: S101 - a wheel or problems, says Checked
    return _read(draft, checked.wheel), checked.wheel


def _from_workspace(check: Check, project: str) -> Check:
    """`check` with its findings' paths from the workspace, where annotations look for files."""
    findings = (
        replace(one, path=(PurePosixPath(project) / one.path).as_posix()) if one.path else one
        for one in check.findings
    )
    return replace(check, findings=tuple(findings))


def _read(draft: Draft, file: Path) -> Library:
    with file.open("rb") as content:
        library = read_library(file.name, content)
    draft.note_library(library, str(file), "")
    draft.narrator.info(f"{library.display_name} {library.version} ({file.name})")
    return library


def _other_version(library: Library, version: Version) -> DeployError:
    return fail(
        FailureReason.RELEASE_UNVERIFIED,
        f"The release of {version} has a file that is {library.display_name} {library.version} inside.",
        detail=f"It is {library.file_name}.",
        remedy="Publish a new version, or give the file itself by `wheel`.",
    )


def _one_file(folder: Path, pattern: str) -> Path:
    """The one file that `pattern`, a path or a glob below `folder`, means."""
    literal = folder / pattern
    if literal.is_file():
        return literal
    anchor, relative = (
        (Path("/"), pattern.lstrip("/")) if pattern.startswith("/") else (folder, pattern)
    )
    found = sorted(path for path in anchor.glob(relative) if path.is_file())
    if len(found) == 1:
        return found[0]
    shown = "\n".join(f"- {path.name}" for path in found[:20])
    if found:
        raise fail(
            FailureReason.SEVERAL_LIBRARY_FILES,
            f"`wheel: {pattern}` matches {len(found)} files, and only one can be deployed.",
            detail=shown,
            remedy="Empty the folder before the build, or name the file whole.",
        )
    raise fail(
        FailureReason.NO_LIBRARY_FILE,
        f"`wheel: {pattern}` matches no file.",
        detail=_siblings(anchor / relative),
        remedy="Build the library before this step, or correct the pattern. It is relative to the workspace.",
    )


def _siblings(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder}."
    names = sorted(one.name for one in folder.iterdir())[:20]
    return f"In {folder} there is: {', '.join(names) or 'nothing'}."
