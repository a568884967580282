"""Builds the releases of the example library from source: `python examples/build_releases.py OUT_DIR`.

`examples/library` is release 1.5.0. What changed in each release is a readable diff in
`examples/releases/`: applied backwards they lead to 1.4.1 and 1.4.0, forwards to 2.0.0. With `--egg` it
builds eggs, as old projects do, for runtimes before 14.0.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from uv import find_uv_bin

EXAMPLES = Path(__file__).resolve().parent
LIBRARY = EXAMPLES / "library"
CURRENT = "1.5.0"
STEPS = {
    "1.4.0": ("-1.5.0", "-1.4.1"),
    "1.4.1": ("-1.5.0",),
    "1.5.0": (),
    "2.0.0": ("+2.0.0",),
}
"""How to get from the current source to each release: + applies a diff, - takes it back."""

EPOCH = "1772323200"  # 2026-03-01; the same sources always give the same bytes
EGG_MAKER = "setuptools==80.9.0"  # the project itself is built by hatchling, which makes no eggs
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_NOT_SOURCES = shutil.ignore_patterns("__pycache__", ".*", "build", "dist", "*.egg-info")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the releases asked for, and print the path of each file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out_dir", type=Path, help="where the files go")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="default: all of them")
    parser.add_argument("--egg", action="store_true", help="build eggs instead of wheels")
    options = parser.parse_args(arguments)
    unknown = [version for version in options.versions if version not in STEPS]
    if unknown:
        parser.error(f"there is no release {unknown[0]}; there are {', '.join(STEPS)}")
    for version in options.versions or STEPS:
        print((build_egg if options.egg else build)(version, options.out_dir))
    return 0


def build(version: str, out_dir: Path) -> Path:
    """Build one release into `out_dir` and give back the wheel's path."""
    out_dir = out_dir.resolve()
    with tempfile.TemporaryDirectory() as folder:
        source = write_source(version, Path(folder) / "source")
        command = [find_uv_bin(), "build", "--quiet", "--wheel", "--no-create-gitignore"]
        command += ["--python", sys.executable, "--out-dir", str(out_dir), str(source)]
        # A umask and a clock of its own: two builds on two machines give the same bytes.
        subprocess.run(
            command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, umask=0o022
        )
    (wheel,) = out_dir.glob(f"retail_metrics-{version}-*.whl")
    return wheel


def build_egg(version: str, out_dir: Path) -> Path:
    """Build one release as an egg into `out_dir` and give back its path; its times are those of now."""
    with tempfile.TemporaryDirectory() as folder:
        source = write_source(version, Path(folder) / "source")
        command = [find_uv_bin(), "run", "--quiet", "--isolated", "--no-project"]
        command += ["--python", sys.executable, "--with", EGG_MAKER, "python", "-W", "ignore", "-c"]
        command += ["import setuptools; setuptools.setup()", "--quiet", "bdist_egg"]
        subprocess.run(
            [*command, "--dist-dir", str(out_dir.resolve())], check=True, cwd=source, umask=0o022
        )
    (egg,) = out_dir.resolve().glob(f"retail_metrics-{version}-*.egg")
    return egg


def write_source(version: str, target: Path) -> Path:
    """Write the sources of one release into the new folder `target`."""
    shutil.copytree(LIBRARY, target, ignore=_NOT_SOURCES)
    for step in STEPS[version]:
        patch = (EXAMPLES / "releases" / f"{step[1:]}.patch").read_text(encoding="utf-8")
        apply(patch, target, backwards=step.startswith("-"))
    return target


def apply(patch: str, folder: Path, *, backwards: bool = False) -> None:
    """Apply a unified diff to existing files, exactly: a line that differs is an error."""
    for name, hunks in _files(patch, backwards=backwards):
        path = folder / name
        lines = path.read_text(encoding="utf-8").splitlines()
        moved = 0
        for start, before, after in hunks:
            at = start - 1 + moved
            if lines[at : at + len(before)] != before:
                raise ValueError(f"The diff does not fit {name} at line {at + 1}.")
            lines[at : at + len(before)] = after
            moved += len(after) - len(before)
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")


Hunk = tuple[int, list[str], list[str]]


def _files(patch: str, *, backwards: bool) -> Iterator[tuple[str, list[Hunk]]]:
    """Each file of a diff with its hunks: first line before, lines before, lines after."""
    old, new = ("+", "-") if backwards else ("-", "+")
    for part in re.split(r"^--- a/", patch, flags=re.MULTILINE)[1:]:
        name, _, *body = part.splitlines()
        hunks: list[Hunk] = []
        for line in body:
            if header := _HUNK.match(line):
                hunks.append((int(header[2 if backwards else 1]), [], []))
                continue
            _, before, after = hunks[-1]
            if line[:1] != new:
                before.append(line[1:])
            if line[:1] != old:
                after.append(line[1:])
        yield name, hunks


if __name__ == "__main__":
    sys.exit(main())
