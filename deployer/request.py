"""What was asked of a run: inputs over the configuration file over defaults, as one value.

Owns finding and reading spark-deploy.yml and the payload of the event, and the order of the three. What the
file may say is the room `config`'s business, what a value means that of `settings`, what `mode: auto` stands
for that of `auto`, and what a run may do with a proposal that of `trust`.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deployer.auto import Decision, Given, decide, not_on_github
from deployer.config.choice import choose
from deployer.config.environments import Configuration, Entry, place
from deployer.config.revision import Revision, revision
from deployer.config.trust import CONNECTION, objections
from deployer.contract import Mode
from deployer.errors import DeployError, FailureReason, Problem, fail, gather, raise_if_any
from deployer.event.fields import MOST, unusable
from deployer.event.model import Event
from deployer.event.reading import AT_SECOND_HAND, is_of_a_proposal, read_event
from deployer.settings import Settings, parse, value_problems
from deployer.trust import can_log_in, objections_to_event
from deployer.trust import objections as objections_to_code

FILE = "spark-deploy.yml"
_TWIN = "spark-deploy.yaml"
_READ = 1_000_001  # bytes at most, whatever the size of the file: one more than it may have
_WITHOUT_TARGET = frozenset({Mode.AUTO.value, Mode.COMMENT.value})  # nothing is done to one
# These need no target, and use no credential of one.
_OFFLINE = frozenset({Mode.CHECK.value, Mode.PUBLISH.value})


@dataclass(frozen=True)
class Request:
    """The settings, a line for the log on each choice that was made, and why it may not be done.

    Whoever does it raises the `objections` first, before any credential is used and any code runs.
    """

    settings: Settings
    told: str = ""
    objections: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Target:
    """What the file says for this run."""

    file: str
    environment: str
    entries: Mapping[str, Entry]
    told: str


def read_request(texts: Mapping[str, str], environ: Mapping[str, str], folder: Path) -> Request:
    """What `texts` (input name → text, blank = not given) ask for, with the file in `folder`.

    Raises:
        DeployError: invalid-input, invalid-configuration, untrusted-configuration, invalid-event or,
            for an event that is none for us, untrusted-code; with every problem.
    """
    given = {name: text for name, text in texts.items() if text.strip()}
    mode = given.get("mode", "").strip()
    raise_if_any(objections_to_event(mode, environ))
    problems: list[Problem] = []
    decision = target = None
    with gather(problems):
        configuration = _configuration(given, folder) if mode != Mode.CONFIGURE.value else None
        if mode == Mode.AUTO.value:
            decision = _decide(given, environ, configuration)
            given = _as_decided(given, decision)
        if configuration is not None and given.get("mode") not in _WITHOUT_TARGET:
            target = _target(configuration, given, environ)
    if problems:
        raise DeployError(*problems, *value_problems(given, {}))
    request = _asked(given, environ, target)
    if decision is not None:
        settings = replace(request.settings, checks_too=decision.checks_too, why=decision.told)
        request = Request(settings, "\n".join(filter(None, (decision.told, request.told))))
    second_hand = _at_second_hand(environ)
    found = objections_to_code(request.settings, given, environ, at_second_hand=second_hand)
    return replace(request, objections=tuple(found))


def _asked(given: dict[str, str], environ: Mapping[str, str], target: _Target | None) -> Request:
    """Inputs over the file over defaults. Raises DeployError."""
    if given.get("mode") == Mode.CONFIGURE.value:
        return Request(parse(_from_variables(environ) | given))
    if target is None:
        return Request(parse(given))
    from_file = {name: one for name, one in target.entries.items() if name not in given}
    settings = parse(
        {name: one.text for name, one in from_file.items()} | given,
        {name: place(target.file, name, one) for name, one in from_file.items()},
    )
    return Request(replace(settings, environment=target.environment), target.told)


def _decide(
    given: Mapping[str, str], environ: Mapping[str, str], configuration: Configuration | None
) -> Decision:
    """What `mode: auto` stands for in this run. Raises DeployError."""
    event = event_of(environ)
    in_file = any(
        "databricks-client-id" in one.entries
        for one in (configuration.environments if configuration else ())
    )
    return decide(event, Given(given, configuration, can_log_in(given, environ, known=in_file)))


def event_of(environ: Mapping[str, str]) -> Event:
    """What started the run. Raises DeployError(invalid-event)."""
    name = environ.get("GITHUB_EVENT_NAME", "").strip()
    if not name:
        raise not_on_github()
    return read_event(name, _payload(name, environ.get("GITHUB_EVENT_PATH", "")))


def _at_second_hand(environ: Mapping[str, str]) -> bool:
    """Whether a proposal caused this run, which has the rights of the repository all the same."""
    name = environ.get("GITHUB_EVENT_NAME", "").strip()
    if name not in AT_SECOND_HAND:
        return False
    try:
        payload = _payload(name, environ.get("GITHUB_EVENT_PATH", ""))
    except DeployError:
        return True
    return is_of_a_proposal(name, payload)


def _payload(name: str, path: str) -> bytes:
    """The payload of the event `name`, and no more of it than it may have. Raises DeployError."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(MOST + 1)
    except (OSError, ValueError) as error:
        why = f"the file of GITHUB_EVENT_PATH can't be read ({type(error).__name__})"
        raise unusable(name, why) from error


def _as_decided(given: Mapping[str, str], decision: Decision) -> dict[str, str]:
    """`given`, as if somebody had said what was decided."""
    decided = {**given, **decision.texts, "mode": decision.mode.value}
    if decision.environment:
        decided["environment"] = decision.environment
    if decision.publish:
        decided["publish"] = "true"
    return {name: text for name, text in decided.items() if text.strip()}


def _from_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """What Databricks' variables say where inputs would; elsewhere they are left to the SDK."""
    return {
        name: environ[variable] for name, variable in CONNECTION.items() if environ.get(variable)
    }


def _target(
    configuration: Configuration, given: Mapping[str, str], environ: Mapping[str, str]
) -> _Target:
    """What the file says for this run. Raises DeployError."""
    now = revision(environ)
    if given.get("mode") in _OFFLINE:
        return _offline(configuration, given, now)
    chosen = choose(configuration, given.get("environment", "").strip(), now)
    file, name, entries = configuration.file, chosen.environment.name, chosen.environment.entries
    raise_if_any(
        objections(entries, file, texts=given, environ=environ, under_review=now.under_review)
    )
    if now.under_review:  # the same is said outside of the file
        entries = {name: one for name, one in entries.items() if name not in CONNECTION}
    return _Target(file, name, entries, f"Environment {name} of {file}: {chosen.why}.")


def _offline(configuration: Configuration, given: Mapping[str, str], now: Revision) -> _Target:
    """For a mode without a workspace: where no environment is certain, what is true of all of them."""
    file, named = configuration.file, given.get("environment", "").strip()
    try:
        chosen = choose(configuration, named, now)
    except DeployError:
        if named:
            raise
        return _Target(file, "", configuration.defaults, f"The defaults of {file}.")
    one = chosen.environment
    return _Target(file, one.name, one.entries, f"Environment {one.name} of {file}: {chosen.why}.")


def _configuration(given: Mapping[str, str], folder: Path) -> Configuration | None:
    """The file that the input `config` names, or the usual one, which may be missing."""
    named = given.get("config", "").strip()
    file = named or FILE
    content = _content(folder / file, file)
    if content is not None:
        # Only who has such a file waits for the YAML reader to be imported.
        from deployer.config.file import read_configuration  # noqa: PLC0415

        return read_configuration(content, file)
    if named:
        raise fail(
            FailureReason.INVALID_INPUT,
            f"The input `config` names {file}, and there is no such file.",
            detail=f"It is looked for in {folder}.",
            remedy="Correct the path, or check out the repository before this step.",
        )
    if (folder / _TWIN).exists():
        raise fail(
            FailureReason.INVALID_CONFIGURATION,
            f"There is a file {_TWIN}, which is not read.",
            remedy=f"Call it {FILE}, or name it by the input `config`.",
        )
    return None


def _content(path: Path, file: str) -> bytes | None:
    """The bytes of the file; None when there is none."""
    try:
        # A link could lead to a file of the machine, whose content messages would then show.
        if not stat.S_ISREG(path.lstat().st_mode):
            raise fail(
                FailureReason.INVALID_CONFIGURATION,
                f"{file} is no regular file, and was not read.",
                detail="Links are not followed.",
                remedy="Put the file itself there.",
            )
        with path.open("rb") as stream:
            return stream.read(_READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise fail(
            FailureReason.INVALID_CONFIGURATION, f"{file} can't be read.", detail=str(error)
        ) from error
