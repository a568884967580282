"""The mode `configure`: a first spark-deploy.yml and workflow, from what the folder shows.

Owns looking at the repository and writing the two files. It asks nothing and nobody, overwrites nothing,
and writes nothing outside of the folder; what the files say is `config.starter`'s.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from deployer.config import starter
from deployer.config.environments import BRANCH_FORM
from deployer.config.starter import Seen
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason, fail
from deployer.ownership import adopt, make_folder
from deployer.report.model import Check, CheckStatus
from deployer.settings import Settings

CONFIGURATION = "spark-deploy.yml"
WORKFLOW = ".github/workflows/spark-deploy.yml"
_READ = 1_000_000  # bytes of a file that is there, to compare
_DIFFERENCES = 200  # lines that are shown
_HEADS, _REMOTE_HEADS = "ref: refs/heads/", "ref: refs/remotes/origin/"


@dataclass(frozen=True)
class _File:
    """One of the two: where, what it would say, and what it says now, None where there is none."""

    name: str
    path: Path
    text: str
    now: str | None


def write_first_files(draft: Draft, folder: Path) -> bool:
    """Write the files that are missing in `folder`, and tell of those that are there; whether one was.

    Raises:
        DeployError: invalid-input, when something would be written elsewhere or could not be read back.
    """
    seen = look(folder, draft.settings)
    texts = {
        CONFIGURATION: starter.configuration_text(seen),
        WORKFLOW: starter.workflow_text(seen),
    }
    # Other modes need not wait for the YAML reader.
    from deployer.config.file import read_configuration  # noqa: PLC0415

    read_configuration(texts[CONFIGURATION].encode(), CONFIGURATION)
    files = [_File(name, folder / name, text, _now(folder, name)) for name, text in texts.items()]
    for one in files:
        if one.now is None:
            _write(one)
        _tell(draft, one)
    draft.next_steps = starter.next_steps(seen, fresh=files[0].now is None)
    return any(one.now is None for one in files)


def look(folder: Path, settings: Settings) -> Seen:
    """What `folder` and the inputs say about the repository."""
    project = PurePosixPath(settings.project)
    if project != PurePosixPath() and (
        ".." in project.parts or not re.fullmatch(starter.FOLDER_FORM, str(project))
    ):
        raise fail(
            FailureReason.INVALID_INPUT,
            f"A workflow can't name the project {settings.project}.",
            remedy="Give a folder below this one, of letters, digits and `.`, `_`, `-`.",
        )
    return Seen(
        library=_library(folder / project / "pyproject.toml"),
        branch=_default_branch(folder / ".git"),
        environment=settings.environment,
        host=_host(settings.credentials.host),
        client_id=settings.credentials.client_id,
        root=settings.root,
        project="" if project == PurePosixPath() else str(project),
    )


def _library(pyproject: Path) -> str:
    try:
        name = tomllib.loads(_bounded(pyproject)).get("project", {}).get("name", "")
    except (OSError, AttributeError, tomllib.TOMLDecodeError):
        return ""
    return name if isinstance(name, str) else ""


def _default_branch(git: Path) -> str:
    """The branch that clones begin with, else the one that is checked out; "" when neither is known."""
    for file, start in (("refs/remotes/origin/HEAD", _REMOTE_HEADS), ("HEAD", _HEADS)):
        try:
            said = _bounded(git / file).strip()
        except OSError:
            continue
        branch = said.removeprefix(start)
        if branch != said and re.fullmatch(BRANCH_FORM, branch) and not set(branch) & set("*?"):
            return branch
    return ""


def _host(text: str) -> str:
    """The address without anything that follows it, or stands before it: that could be a credential."""
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    name = parts.hostname or ""
    return f"{parts.scheme}://{name}{port}" if re.fullmatch(r"[a-z0-9.-]+", name) else ""


def _now(folder: Path, name: str) -> str | None:
    """What the file says now; None where there is none."""
    path = folder
    for part in PurePosixPath(name).parts:
        path /= part
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return None
        wanted = stat.S_ISREG if path == folder / name else stat.S_ISDIR
        if not wanted(mode):
            raise fail(
                FailureReason.INVALID_INPUT,
                f"{path.relative_to(folder)} is a link or something else that {name} can't be written to.",
                detail="Links are not followed: what they lead to may lie outside of this folder. "
                "Nothing was written.",
                remedy="Move it away, or write the file by hand.",
            )
    return _bounded(path)


def _write(file: _File) -> None:
    try:
        make_folder(file.path.parent)
        # Exclusive: a file or link that appeared meanwhile stays what it is.
        opened = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(opened, "w", encoding="utf-8") as stream:
            stream.write(file.text)
    except OSError as error:
        raise _unwritten(file, error) from error
    adopt(file.path)


def _unwritten(file: _File, error: OSError) -> DeployError:
    return fail(
        FailureReason.INVALID_INPUT,
        f"{file.name} can't be written.",
        detail=str(error),
        remedy="Run it in a folder that you may write to.",
    )


def _tell(draft: Draft, file: _File) -> None:
    if file.now is None:
        check = Check(file.name, CheckStatus.PASSED, 0.0, "written")
    elif file.now == file.text:
        check = Check(file.name, CheckStatus.SKIPPED, 0.0, "is there, just as it would be written")
    else:
        difference = _difference(file)
        said = "is there and stays as it is; it would be written differently"
        check = Check(file.name, CheckStatus.WARNED, 0.0, said, output_tail=difference)
        for line in difference.splitlines():
            draft.narrator.info(line)
    draft.note_check(check)


def _difference(file: _File) -> str:
    lines = list(
        difflib.unified_diff(
            (file.now or "").splitlines(),
            file.text.splitlines(),
            f"{file.name} (is there)",
            f"{file.name} (would be written)",
            lineterm="",
        )
    )
    more = len(lines) - _DIFFERENCES
    return "\n".join([*lines[:_DIFFERENCES], *([f"… and {more} more lines"] if more > 0 else [])])


def _bounded(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(_READ).decode("utf-8", "replace")
