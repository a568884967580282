"""The command line: `spark-deploy MODE [options]`; every input of the action is an option.

Owns the mapping from arguments to input texts, and the names that people know from apparate. Reads
the environment and hands it on; everything else is `main`'s.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from deployer import __version__
from deployer.context import RunContext
from deployer.contract import INPUTS, Input, InputType, Mode
from deployer.errors import ExitCode

# What argparse quotes of the arguments, in the forms of its messages.
_VALUE = re.compile(
    r"(?P<what>invalid choice|invalid \w+ value|ignored explicit argument):? .*?(?= \(choose|$)",
    re.S,
)
_OPTION = re.compile(r"--?[\w-]{1,60}", re.ASCII)
_SHOWN = 60
_OWN_SECRETS = ("slack-url", "teams-url", "webhook-url", "webhook-secret")
OLD_MODES = {"upload-and-update": Mode.DEPLOY, "upload_and_update": Mode.DEPLOY}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.mode == "sandbox":
        return _sandbox(arguments)
    texts = _from_variables() | {
        one.name: value
        for one in INPUTS
        if (value := getattr(arguments, _attribute(one.name), None)) is not None
    }
    texts["mode"] = OLD_MODES.get(arguments.mode, arguments.mode)
    context = RunContext.from_environ(os.environ, cwd=Path.cwd(), temp=Path(tempfile.gettempdir()))
    from deployer.delivery import Streams  # noqa: PLC0415
    from deployer.main import perform  # noqa: PLC0415 - --help need not load adapters

    streams = Streams.standard(sys.stdout, sys.stderr, json_output=arguments.output == "json")
    return perform(texts, environ=os.environ, context=context, streams=streams)


def _from_variables() -> dict[str, str]:
    """Secrets that no other program gives: arguments stand in the machine's list of processes."""
    variables = {name: f"SPARK_DEPLOY_{name.upper().replace('-', '_')}" for name in _OWN_SECRETS}
    variables["github-token"] = "GITHUB_TOKEN"  # as GitHub's own programs call it
    return {name: os.environ[one] for name, one in variables.items() if os.environ.get(one)}


class _Parser(argparse.ArgumentParser):
    """argparse, with the nearest name for an option or mode that there is not.

    Values are not quoted: what was given in the wrong place, or behind a misspelt name, may be a secret.
    """

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and end with the exit code of invalid input."""
        said = _VALUE.sub(r"\g<what>", message)
        self.exit(ExitCode.INVALID, f"{self.prog}: {said}{self._hint(message)}\n")

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """As argparse does, but an unknown option is told with the nearest one there is."""
        parsed, rest = self.parse_known_args(args, namespace)
        unknown = [one.partition("=")[0] for one in rest if one.startswith("-")]
        if unknown:
            self.error(f"there is no option {' '.join(map(_on_one_line, unknown))}")
        if rest:
            self.error(f"{len(rest)} more than the mode; every option begins with --")
        return parsed

    def _hint(self, message: str) -> str:
        words = [word.strip("'\",:()").split("=")[0] for word in message.split()]
        known = [*_option_names(), *(mode.value for mode in Mode), "sandbox"]
        for word in words:
            near = difflib.get_close_matches(word, known, n=1, cutoff=0.75)
            if near and word not in known:
                return f"; did you mean {near[0]}?"
        return ". See spark-deploy --help."


def _on_one_line(option: str) -> str:
    """An option as it was given, unless it holds what a terminal or the runner could take for an order."""
    return option if _OPTION.fullmatch(option) else ascii(option[:_SHOWN])


def _option_names() -> list[str]:
    return [f"--{one.name}" for one in INPUTS]


def _parser() -> _Parser:
    parser = _Parser(
        prog="spark-deploy",
        description="Ships a Spark library: uploads it, moves every job on its MAJOR, shows what moved.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"spark-deploy {__version__}")
    modes = parser.add_subparsers(dest="mode", required=True, metavar="MODE", parser_class=_Parser)
    for mode in Mode:
        old = [name for name, stands_for in OLD_MODES.items() if stands_for is mode]
        one = modes.add_parser(mode.value, aliases=old, help=_MODE_HELP[mode], allow_abbrev=False)
        _add_options(one)
    _add_sandbox(modes.add_parser("sandbox", help="run the embedded workspace on this machine"))
    return parser


_MODE_HELP = {
    Mode.CHECK: "lint, test and build the project",
    Mode.PLAN: "show what a deployment would change, and change nothing",
    Mode.DEPLOY: "upload the library and move the jobs",
    Mode.ROLLBACK: "move the jobs back to what they named before a deployment",
    Mode.UPLOAD: "upload the library only",
    Mode.PUBLISH: "make the release of the tag, with the library and its hashes",
    Mode.CLEANUP: "remove old versions that nothing uses",
    Mode.STATUS: "list the library references of the workspace",
    Mode.DOCTOR: "check credentials, rights and the root, and change nothing",
    Mode.CONFIGURE: "write a first spark-deploy.yml and workflow into this folder",
    Mode.COMMENT: "on GitHub Actions: comment on a pull request with the report of another run",
    Mode.AUTO: "on GitHub Actions: do what the event of the run asks for",
}


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        choices=("text", "json"),
        default="text",
        help="`json` prints the report document, and nothing else, on standard output",
    )
    for one in INPUTS:
        if one.name != "mode":
            _add_option(parser, one)
    parser.add_argument(
        "--no-cleanup", dest="cleanup", action="store_const", const="false", help="--cleanup false"
    )
    parser.add_argument(
        "-v", dest="log_level", type=str.lower, metavar="LEVEL", help="--log-level LEVEL"
    )


def _add_option(parser: argparse.ArgumentParser, one: Input) -> None:
    text = one.meaning.replace("%", "%%") + (f" Default: `{one.default}`." if one.default else "")
    if one.type is InputType.BOOLEAN:  # --cleanup alone means true
        parser.add_argument(
            f"--{one.name}",
            dest=_attribute(one.name),
            nargs="?",
            const="true",
            help=text,
            metavar="true|false",
        )
    else:
        metavar = "|".join(one.choices) if one.choices else one.type.value.upper()
        parser.add_argument(f"--{one.name}", dest=_attribute(one.name), help=text, metavar=metavar)


def _attribute(name: str) -> str:
    return name.replace("-", "_")


def _add_sandbox(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--state", type=Path, help="file that keeps the state; default: memory")
    parser.add_argument("--seed", type=Path, help="folder with one JSON file per job")
    parser.add_argument("--latency-ms", type=int, default=0, help="delay of every call")
    parser.add_argument("--limits", choices=("documented", "off"), default="off")
    parser.add_argument("--faults", type=Path, help="JSON file with faults to play")


def _sandbox(arguments: argparse.Namespace) -> int:
    from sandbox.command import run_sandbox  # noqa: PLC0415 - only this command needs the server

    return run_sandbox(
        port=arguments.port,
        state=arguments.state,
        seed=arguments.seed,
        latency_ms=arguments.latency_ms,
        limits=arguments.limits,
        faults=arguments.faults,
    )


if __name__ == "__main__":
    sys.exit(main())
