"""Generates what the public contract says elsewhere: `action.yml`, the README's tables, the list of reasons.

`python -m tools.generate` writes the files; with `--check` it writes nothing and names each stale file.
Owns the layout of what is generated. The words come from `deployer.contract` and `deployer.errors`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from deployer.contract import INPUTS, OUTPUTS
from deployer.errors import FailureReason, exit_code

REPOSITORY = Path(__file__).resolve().parent.parent
WIDTH = 100
CALL = "python -m tools.generate"

ACTION = "action.yml"
README = "README.md"
ERRORS = "docs/errors.md"

_HEAD = f"""\
# Generated from deployer/contract.py by `{CALL}`; edits here are lost.
name: spark-deploy
author: the spark-deploy-action authors
"""
# Shown whole by the Marketplace up to 125 characters.
_DESCRIPTION = (
    "Ships a Spark library: uploads it, moves every job on its MAJOR, and shows what moved."
)
# Marketplace: a Feather 4.28 icon and one of nine colours (GitHub docs, "Metadata syntax").
_TAIL = """\
runs:
  using: docker
  image: Dockerfile

branding:
  icon: upload-cloud
  color: orange
"""


class StaleMarkers(Exception):
    """A file has no place, or several, for a generated part."""


def action_yml() -> str:
    """`action.yml`, whole."""
    return "\n".join(
        (
            f"{_HEAD}description: {json.dumps(_DESCRIPTION)}\n",
            "inputs:\n" + "".join(_inputs()),
            "outputs:\n" + "".join(_outputs()),
            _TAIL,
        )
    )


def _inputs() -> Iterator[str]:
    for one in INPUTS:
        default = f"    default: {json.dumps(one.default)}\n" if one.default else ""
        yield f"  {one.name}:\n{_folded('description', one.meaning, 4)}{default}"


def _outputs() -> Iterator[str]:
    for one in OUTPUTS:
        yield f"  {one.name}:\n{_folded('description', one.meaning, 4)}"


def _folded(key: str, text: str, indent: int) -> str:
    """A YAML folded block scalar: lines are joined by one blank when it is read."""
    margin = " " * (indent + 2)
    lines = textwrap.wrap(text, WIDTH - len(margin), break_long_words=False, break_on_hyphens=False)
    return " " * indent + f"{key}: >-\n" + "".join(f"{margin}{line}\n" for line in lines)


def input_table() -> str:
    """The inputs as a Markdown table."""
    rows = (
        (f"`{one.name}`", one.meaning, f"`{one.default}`" if one.default else "") for one in INPUTS
    )
    return _table(("input", "meaning", "default"), rows)


def output_table() -> str:
    """The outputs as a Markdown table."""
    return _table(("output", "meaning"), ((f"`{one.name}`", one.meaning) for one in OUTPUTS))


def reason_table() -> str:
    """Every failure reason with its exit code, linked to its section."""
    rows = (
        (f"[`{reason.value}`](#{reason.value})", str(exit_code(reason))) for reason in FailureReason
    )
    return _table(("reason", "exit code"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def with_part(text: str, name: str, part: str) -> str:
    """`text` with `part` between the markers called `name`. Raises StaleMarkers."""
    begin, end = f"<!-- begin {name}: {CALL} -->\n", f"<!-- end {name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    found = pattern.findall(text)
    if len(found) != 1:
        raise StaleMarkers(f"{len(found)} places for the {name}, not one: {begin.strip()} … {end}")
    return pattern.sub(lambda _: f"{begin}\n{part}\n{end}", text)


def generated(root: Path) -> dict[str, str]:
    """What each file with generated parts should say, by its path below `root`. Raises StaleMarkers."""
    readme = (root / README).read_text(encoding="utf-8")
    errors = (root / ERRORS).read_text(encoding="utf-8")
    return {
        ACTION: action_yml(),
        README: with_part(with_part(readme, "inputs", input_table()), "outputs", output_table()),
        ERRORS: with_part(errors, "reasons", reason_table()),
    }


def stale_files(root: Path) -> list[str]:
    """The files below `root` that do not say what they should."""
    return [
        name
        for name, text in generated(root).items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None, root: Path = REPOSITORY) -> int:
    """Write the files, or with `--check` only say which are stale; 1 when some are."""
    parser = argparse.ArgumentParser(prog=CALL, description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a stale file")
    check = parser.parse_args(arguments).check
    try:
        stale = stale_files(root)
    except StaleMarkers as error:
        print(error, file=sys.stderr)
        return 1
    if check:
        for name in stale:
            print(f"{name} is stale: run `{CALL}` and commit it.", file=sys.stderr)
        return 1 if stale else 0
    texts = generated(root)
    for name in stale:
        (root / name).write_text(texts[name], encoding="utf-8")
        print(f"{name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
