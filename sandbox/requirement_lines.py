"""Reads what a job says about its libraries, and rewrites workspace paths to local ones.

Owns the two descriptions: `libraries` of a classic task and `spec` of a serverless environment,
whose `dependencies` are lines of pip's requirements-file format; and which of them the runtime
refuses. Files come through a `Fetch` that the caller passes. Must not install anything.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from sandbox.runtimes import SERVERLESS, Runtime

Fetch = Callable[[str], Path]
"""Gives a workspace file, under its own base name, as a local file."""

NOT_PLAYED: Final = "is not played by the embedded workspace"

_OBJECT_STORAGE: Final = re.compile(r"(s3[an]?|abfss?|wasbs?|gs|gcs|adls?):", re.IGNORECASE)
_FILE_SCHEME: Final = re.compile(r"^file:(?://)?(?=/(?:Volumes|Workspace|dbfs)/)")
_FUSE: Final = re.compile(r"^/dbfs(?=/)")
_VOLUME: Final = re.compile(r"^dbfs:(?=/Volumes/)")
_EGG: Final = re.compile(r"[^;#]*\.egg\s*(?:[;#].*)?", re.IGNORECASE)
_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_INCLUDE: Final = re.compile(r"(?:-r\s*=?|--requirement(?:\s+|=))\s*(?P<path>.+)")
_CONSTRAINT: Final = re.compile(r"(?:-c\s*=?|--constraint(?:\s+|=))\s*(?P<path>.+)")
_FOLDER_OPTION: Final = re.compile(
    r"(?P<option>-e|--editable|-f|--find-links)(?:\s+|=)(?P<value>.+)"
)
# Archive paths may hold spaces, and brackets and markers follow: the archive's suffix is the seam.
_ARCHIVE: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\]\s*)?@\s*)?"
    r"(?P<path>(?:/|dbfs:/|file:/|\.{1,2}/).*?\.(?:whl|zip|tar\.gz|tgz))"
    r"(?P<extras>\s*\[[^\]]*\])?(?P<rest>\s*;.*|\s+--hash.*|)",
    re.IGNORECASE,
)
_PATH: Final = re.compile(r"(?:[\w.-]+\s*(?:\[[^\]]*\]\s*)?@\s*)?(?:/|dbfs:/|file:/|\.{1,2}/)")


class InstallationError(Exception):
    """The libraries of a task can't be installed; `output` is what the installer printed."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


@dataclass(frozen=True)
class Step:
    """One installation: the lines of a requirements file and of a constraints file, paths local."""

    lines: tuple[str, ...]
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Requirements:
    """All that a task needs: installations in their order, jars for the class path, and eggs.

    Jars and eggs are local files. They change no environment: they go on the paths of each run.
    """

    steps: tuple[Step, ...] = ()
    jars: tuple[Path, ...] = ()
    eggs: tuple[Path, ...] = ()


_Each = TypeVar("_Each")


def _distinct(values: Iterable[_Each]) -> tuple[_Each, ...]:
    """Each value once, in the order of their first appearance."""
    return tuple(dict.fromkeys(values))


def workspace_path(reference: str) -> str:
    """The path to ask the workspace for: one spelling of the volume, file and DBFS forms.

    Raises:
        InstallationError: the reference names object storage, which no workspace token reaches
            (facts C, "Object storage").
    """
    if _OBJECT_STORAGE.match(reference):
        raise InstallationError(
            f"Library installation failed: object storage can't be reached: {reference}"
        )
    return _VOLUME.sub("", _FUSE.sub("dbfs:", _FILE_SCHEME.sub("", reference)))


def of_libraries(
    libraries: Iterable[Mapping[str, object]], fetch: Fetch, runtime: Runtime
) -> Requirements:
    """What the `libraries` of a classic task ask for.

    Each library is a step of its own: a cluster installs one after the other, so that of two
    versions in one list the last one wins instead of conflicting.

    Raises:
        InstallationError: a file is missing, or this runtime can't install that kind of library.
    """
    steps: list[Step] = []
    jars: list[Path] = []
    eggs: list[Path] = []
    fetch = _library_fetch(fetch, runtime)
    for library in libraries:
        if isinstance(jar := library.get("jar"), str):
            jars.append(fetch(workspace_path(jar)))
        elif isinstance(egg := library.get("egg"), str):
            if not runtime.takes_eggs:
                raise _no_egg(egg, runtime)
            eggs.append(fetch(workspace_path(egg)))
        else:
            steps.append(_step_of(library, fetch))
    return Requirements(_distinct(steps), _distinct(jars), _distinct(eggs))


def _library_fetch(fetch: Fetch, runtime: Runtime) -> Fetch:
    """`fetch`, without libraries in DBFS where the runtime refuses them (facts A3)."""

    def fetch_library(path: str) -> Path:
        if path.startswith("dbfs:") and not runtime.takes_dbfs_libraries:
            raise InstallationError(
                f"Library installation failed: Library from {path} : DBFS library installations "
                f"are not supported on {runtime}. Error code: DRIVER_LIBRARY_INSTALLATION_FAILURE"
            )
        return fetch(path)

    return fetch_library


def _no_egg(reference: str, runtime: Runtime) -> InstallationError:
    return InstallationError(
        f"Library installation failed: Library from {reference} : eggs are not supported on "
        f"{runtime}, only on runtimes before 14.0. Error code: DRIVER_LIBRARY_INSTALLATION_FAILURE"
    )


def _step_of(library: Mapping[str, object], fetch: Fetch) -> Step:
    match library:
        case {"whl": str() as reference}:
            return Step((fetch(workspace_path(reference)).as_uri(),))
        case {"requirements": str() as reference}:
            path = workspace_path(reference)
            if path.startswith("dbfs:"):
                raise InstallationError(
                    f"Library installation failed: requirements of {reference} must lie in "
                    "/Workspace or /Volumes (SDK docstring of Library.requirements)."
                )
            return _step([f"-r {path}"], fetch)
        case {"pypi": {"package": str() as package, **more}}:
            repository = [f"--index-url {more['repo']}"] if more.get("repo") else []
            return _step([*repository, package], fetch)
        case _:
            kind = ", ".join(library) or "empty library"
            raise InstallationError(f"Library installation failed: {kind} {NOT_PLAYED}.")


def of_dependencies(
    dependencies: Sequence[str], fetch: Fetch, *, java_dependencies: Sequence[str] = ()
) -> Requirements:
    """What the `spec` of a serverless environment asks for: lines in one installation, and jars.

    Raises:
        InstallationError: a file is missing, or a line can't be played.
    """
    fetch = _library_fetch(fetch, SERVERLESS)
    step = _step(dependencies, fetch)
    jars = [fetch(workspace_path(jar)) for jar in java_dependencies]
    return Requirements((step,) if step.lines else (), _distinct(jars))


def _step(dependencies: Sequence[str], fetch: Fetch) -> Step:
    lines: list[str] = []
    constraints: list[str] = []
    for option, line in _expanded(dependencies, fetch, folder="", above=()):
        (constraints if option else lines).append(line)
    return Step(_distinct(lines), _distinct(constraints))


def _expanded(
    dependencies: Sequence[str], fetch: Fetch, *, folder: str, above: tuple[str, ...]
) -> Iterator[tuple[bool, str]]:
    """Each line with local paths, included files in place; True marks a constraint."""
    for line in _logical_lines(dependencies):
        include = _INCLUDE.fullmatch(line)
        constraint = _CONSTRAINT.fullmatch(line)
        if found := include or constraint:
            path = posixpath.join(folder, workspace_path(_unquoted(found["path"])))
            if path in above:
                raise InstallationError(f"Library installation failed: {path} includes itself.")
            text = fetch(path).read_text(encoding="utf-8-sig", errors="replace")
            inner = _expanded(
                text.splitlines(), fetch, folder=posixpath.dirname(path), above=(*above, path)
            )
            for is_constraint, each in inner:
                yield is_constraint or constraint is not None, each
        else:
            yield False, _localised(line, fetch)


def _logical_lines(lines: Iterable[str]) -> Iterator[str]:
    """Lines without comments, blank lines, continuations and the quotes around a whole line."""
    held = ""
    single = (part for line in lines for part in line.splitlines())
    for line in (*single, ""):
        if line.endswith("\\"):
            held += line[:-1]
            continue
        bare = _unquoted(_COMMENT.sub("", held + line).strip())
        held = ""
        if bare:
            yield bare


def _unquoted(text: str) -> str:
    stripped = text.strip()
    quoted = len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "'\""
    return stripped[1:-1].strip() if quoted else stripped


def _localised(line: str, fetch: Fetch) -> str:
    """A requirement line whose path, if it has one, is a local file's URL."""
    if _OBJECT_STORAGE.match(line):
        return workspace_path(line)  # raises
    if archive := _ARCHIVE.fullmatch(line):
        local = fetch(workspace_path(archive["path"]))
        extras = (archive["extras"] or "").strip()
        rest = archive["rest"].strip()
        return f"{archive['name'] or ''}{local.as_uri()}{extras}" + (f" {rest}" if rest else "")
    folder = _FOLDER_OPTION.fullmatch(line)
    if folder and "://" not in folder["value"]:
        raise InstallationError(
            f"Library installation failed: a folder of the workspace {NOT_PLAYED}: {line}"
        )
    if _PATH.match(line) and _EGG.fullmatch(line):
        raise _no_egg(line, SERVERLESS)
    if _PATH.match(line):
        raise InstallationError(
            f"Library installation failed: a path to no archive {NOT_PLAYED}: {line}"
        )
    return line
