"""Generates what the public contract says elsewhere: `action.yml`, tables in documents, the JSON Schema.

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

from deployer.config.environments import FILE_INPUTS
from deployer.contract import INPUTS, OUTPUTS, Input
from deployer.errors import FailureReason, exit_code
from tools.config_schema import config_schema, described

REPOSITORY = Path(__file__).resolve().parent.parent
WIDTH = 100
CALL = "python -m tools.generate"

ACTION = "action.yml"
COMPOSITE = "composite/action.yml"
README = "README.md"
ERRORS = "docs/errors.md"
CONFIGURATION = "docs/configuration.md"
CONFIG_SCHEMA = "docs/spark-deploy.schema.json"
RECIPES = "docs/recipes"

_HEAD = f"""\
# Generated from deployer/contract.py by `{CALL}`; edits here are lost.
name: spark-deploy
author: the spark-deploy-action authors
"""
# Shown whole by the Marketplace up to 125 characters.
_DESCRIPTION = (
    "Ships a Spark library: uploads it, moves every job on its MAJOR, and shows what moved."
)
_COMPOSITE_DESCRIPTION = "spark-deploy for runners without Docker: the same inputs and outputs."
# Marketplace: a Feather 4.28 icon and one of nine colours (GitHub docs, "Metadata syntax").
_TAIL = """\
runs:
  using: docker
  image: Dockerfile
  # Gives back locks that a killed run had to leave; does nothing else, and usually nothing at all.
  post-entrypoint: /opt/spark-deploy/post.py

branding:
  icon: upload-cloud
  color: orange
"""


# Nothing of an input is ever part of a script: all come as variables. Underscores, because shells drop
# variables with hyphens; composite/start.py puts them back. `exec`, because the runner sends its signals
# to this one process.
_COMPOSITE_RUN = """\
        for name in "${pythonLocation:-/usr}/bin/python3" python3 python3.14 python3.13 python3.12 python3.11
        do
          if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            exec "$name" -I "$GITHUB_ACTION_PATH/start.py" SCRIPT
          fi
        done
        echo '::error title=spark-deploy needs Python 3.11 or newer::Add actions/setup-python before it.'
        exit 2
"""
_IN_CONTAINERS_ONLY = frozenset({"host-paths"})


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


def composite_yml() -> str:
    """`composite/action.yml`, whole: the same contract for machines without Docker."""
    names = [one.name for one in INPUTS if one.name not in _IN_CONTAINERS_ONLY]
    environ = "".join(
        f"        INPUT_{name.replace('-', '_').upper()}: ${{{{ inputs.{name} }}}}\n"
        for name in names
    )
    steps = (
        "runs:\n  using: composite\n  steps:\n    - id: run\n      shell: bash\n"
        f"      env:\n{environ}      run: |\n{_COMPOSITE_RUN.replace('SCRIPT', 'entrypoint.py')}"
        # A composite action has no post step, so its last one gives back locks that were left.
        "    - if: always()\n      shell: bash\n"
        f"      env:\n{environ}      run: |\n{_COMPOSITE_RUN.replace('SCRIPT', 'post.py')}"
    )
    return "\n".join(
        (
            f"{_HEAD}description: {json.dumps(_COMPOSITE_DESCRIPTION)}\n",
            "inputs:\n" + "".join(_inputs(names)),
            "outputs:\n" + "".join(_outputs("    value: ${{{{ steps.run.outputs.{} }}}}\n")),
            steps,
        )
    )


def _inputs(names: Iterable[str] | None = None) -> Iterator[str]:
    for one in INPUTS:
        if names is not None and one.name not in names:
            continue
        default = one.action_default
        told = f"    default: {json.dumps(default)}\n" if default else ""
        yield f"  {one.name}:\n{_folded('description', action_meaning(one), 4)}{told}"


def _outputs(more: str = "") -> Iterator[str]:
    for one in OUTPUTS:
        yield f"  {one.name}:\n{_folded('description', one.meaning, 4)}{more.format(one.name)}"


def action_meaning(one: Input) -> str:
    """What `action.yml` says of an input: a default that it can't declare is told in words."""
    return described(one) if one.in_file else one.meaning


def _folded(key: str, text: str, indent: int) -> str:
    """A YAML folded block scalar: lines are joined by one blank when it is read."""
    margin = " " * (indent + 2)
    lines = textwrap.wrap(text, WIDTH - len(margin), break_long_words=False, break_on_hyphens=False)
    return " " * indent + f"{key}: >-\n" + "".join(f"{margin}{line}\n" for line in lines)


def input_table() -> str:
    """The inputs as a Markdown table."""
    rows = ((f"`{one.name}`", one.meaning, _default(one)) for one in INPUTS)
    return _table(("input", "meaning", "default"), rows)


def _default(one: Input) -> str:
    told = f"`{one.default}`" if one.default else ""
    if not one.only_in_action:
        return told
    return f"`{one.only_in_action}`" + (f"; on a command line {told}" if told else "")


def output_table() -> str:
    """The outputs as a Markdown table."""
    return _table(("output", "meaning"), ((f"`{one.name}`", one.meaning) for one in OUTPUTS))


def key_table() -> str:
    """The keys of an environment in spark-deploy.yml as a Markdown table."""
    rows = (
        (f"`{key}`", one.meaning, f"`{one.default}`" if one.default else "")
        for key, one in FILE_INPUTS.items()
    )
    return _table(("key", "meaning", "default"), rows)


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


def with_files(text: str, root: Path) -> str:
    """`text` with every file of `examples/` that its markers name, whole, as a block of code."""
    for name in re.findall(rf"<!-- begin (examples/[\w./-]+): {re.escape(CALL)} -->", text):
        content = (root / name).read_text(encoding="utf-8")
        language = "yaml" if name.endswith(".yml") else "groovy"
        text = with_part(text, name, f"```{language}\n{content}```\n")
    return text


def generated(root: Path) -> dict[str, str]:
    """What each file with generated parts should say, by its path below `root`. Raises StaleMarkers."""
    readme = (root / README).read_text(encoding="utf-8")
    errors = (root / ERRORS).read_text(encoding="utf-8")
    configuration = (root / CONFIGURATION).read_text(encoding="utf-8")
    return {
        ACTION: action_yml(),
        COMPOSITE: composite_yml(),
        README: with_part(with_part(readme, "inputs", input_table()), "outputs", output_table()),
        ERRORS: with_part(errors, "reasons", reason_table()),
        CONFIGURATION: with_part(configuration, "keys", key_table()),
        CONFIG_SCHEMA: config_schema(),
        **{
            str(page.relative_to(root)): with_files(page.read_text(encoding="utf-8"), root)
            for page in sorted((root / RECIPES).glob("*.md"))
        },
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
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(texts[name], encoding="utf-8")
        print(f"{name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
