"""What was asked: inputs as typed values, with all problems of all inputs told at once.

Owns parsing and the checks that need nothing but the inputs themselves. Must not read the
environment: the doors (CLI, entrypoint) hand over plain text by input name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from packaging.version import Version

from deployer.approval import Approval, parse_approval
from deployer.contract import INPUTS, Input, InputType, Mode, input_named
from deployer.errors import FailureReason, Problem, raise_if_any

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_DURATION = re.compile(r"([0-9]{1,9}) *([smhd])|0")  # whoever writes 7 may mean days
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
NEEDS_ROOT = frozenset({Mode.PLAN, Mode.DEPLOY, Mode.ROLLBACK, Mode.CLEANUP})
_SHORTEST_EXPIRY_S, _LONGEST_EXPIRY_S = 1, 3600


@dataclass(frozen=True)
class Credentials:
    """How to reach the workspace; empty parts leave it to Databricks' unified authentication."""

    host: str = ""
    token: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    auth_type: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be masked before anything else happens."""
        return tuple(one for one in (self.token, self.client_secret) if one)


@dataclass(frozen=True)
class Notifications:
    """Who is told of the run, and of which runs: `wish` is a value of the input `notify`."""

    wish: str = "off"
    slack_url: str = field(default="", repr=False)
    teams_url: str = field(default="", repr=False)
    webhook_url: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Conversation:
    """How to comment on a pull request; `style` is a value of the input `comment`."""

    style: str = "off"
    id: str = ""
    from_report: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Settings:
    """The inputs, parsed. Durations are seconds; an empty text means that the input was not given."""

    mode: Mode
    environment: str
    config: str
    wheel: str
    version: Version | None
    publish: bool
    project: str
    root: str
    folder: str
    allow_dbfs: bool
    policy: str
    from_versions: frozenset[Version]
    allow_prereleases: bool
    owned: str
    clusters: str
    read_notebooks: bool
    cleanup: bool
    keep: int
    min_age_s: int
    checks: bool
    check_timeout_s: int
    approval: Approval | None
    approved_plan: str
    to: str
    library: str
    on_failure: str
    lock_timeout_s: int
    lock_expiry_s: int
    lock_path: str
    force_unlock: bool
    trust_project: bool
    credentials: Credentials
    notifications: Notifications
    conversation: Conversation
    log_level: str
    report_path: str
    host_paths: str
    checks_too: bool = False  # no input: `auto` wants the project checked besides
    why: str = ""  # no input: what `auto` chose, and why

    @property
    def builds(self) -> bool:
        """Whether the library has to be built, because no file is given."""
        return not self.wheel and self.version is None


def parse(texts: Mapping[str, str], places: Mapping[str, str] | None = None) -> Settings:
    """The settings that `texts` (input name → text, blank = not given) ask for.

    `places` says of texts that are no inputs where they stand, for messages.
    Raises DeployError(invalid-input) with every problem of every input.
    """
    reader = _Reader(texts, places or {})
    settings = _read(reader)
    raise_if_any((*reader.problems, *_contradictions(settings, reader.problems)))
    return settings


def value_problems(texts: Mapping[str, str], places: Mapping[str, str]) -> tuple[Problem, ...]:
    """What is wrong with each of `texts` for itself; nothing about what is missing."""
    reader = _Reader(texts, places)
    _read(reader)
    return tuple(reader.problems)


def _read(reader: _Reader) -> Settings:
    return Settings(
        mode=Mode(reader.choice("mode")),
        environment=reader.text("environment"),
        config=reader.text("config"),
        wheel=reader.text("wheel"),
        version=reader.version("version"),
        publish=reader.boolean("publish"),
        project=reader.text("project"),
        root=reader.text("root"),
        folder=reader.text("folder"),
        allow_dbfs=reader.boolean("allow-dbfs"),
        policy=reader.choice("policy"),
        from_versions=reader.versions("from-versions"),
        allow_prereleases=reader.boolean("allow-prereleases"),
        owned=reader.choice("owned"),
        clusters=reader.choice("clusters"),
        read_notebooks=reader.boolean("read-notebooks"),
        cleanup=reader.boolean("cleanup"),
        keep=reader.integer("keep"),
        min_age_s=reader.duration("min-age"),
        checks=reader.boolean("checks"),
        check_timeout_s=reader.duration("check-timeout"),
        approval=reader.approval("expected-plan-digest"),
        approved_plan=reader.text("approved-plan"),
        to=reader.text("to"),
        library=reader.text("library"),
        on_failure=reader.choice("on-failure"),
        lock_timeout_s=reader.duration("lock-timeout"),
        lock_expiry_s=reader.duration("lock-expiry", _SHORTEST_EXPIRY_S, _LONGEST_EXPIRY_S),
        lock_path=reader.text("lock-path"),
        force_unlock=reader.boolean("force-unlock"),
        trust_project=reader.boolean("trust-project"),
        credentials=Credentials(
            host=reader.text("databricks-host"),
            token=reader.text("databricks-token"),
            client_id=reader.text("databricks-client-id"),
            client_secret=reader.text("databricks-client-secret"),
            auth_type=reader.text("auth-type"),
        ),
        notifications=_notifications(reader),
        conversation=_conversation(reader),
        log_level=reader.choice("log-level"),
        report_path=reader.text("report-path"),
        host_paths=reader.text("host-paths"),
    )


def notifications(texts: Mapping[str, str]) -> Notifications:
    """Who is told of a run, even of one whose inputs are wrong."""
    return _notifications(_Reader(texts, {}))


def _notifications(reader: _Reader) -> Notifications:
    return Notifications(
        wish=reader.choice("notify"),
        slack_url=reader.text("slack-url"),
        teams_url=reader.text("teams-url"),
        webhook_url=reader.text("webhook-url"),
        webhook_secret=reader.text("webhook-secret"),
    )


def conversation(texts: Mapping[str, str]) -> Conversation:
    """How to comment, even on a run whose inputs are wrong."""
    return _conversation(_Reader(texts, {}))


def _conversation(reader: _Reader) -> Conversation:
    return Conversation(
        style=reader.choice("comment"),
        id=reader.text("comment-id"),
        from_report=reader.text("from-report"),
        token=reader.text("github-token"),
    )


def unknown_inputs(names: Iterable[str]) -> tuple[str, ...]:
    """One sentence for each name that is no input, with the nearest name that is one."""
    known = [one.name for one in INPUTS]
    return tuple(
        f"There is no input `{name}`{did_you_mean(name, known)}; it is ignored."
        for name in names
        if name not in known
    )


class _Reader:
    """Reads one input after another, and remembers every problem instead of stopping at the first."""

    def __init__(self, texts: Mapping[str, str], places: Mapping[str, str]) -> None:
        self._texts = texts
        self._places = places
        self.problems: list[Problem] = []

    def text(self, name: str) -> str:
        given = self._texts.get(name, "").strip()
        if "\0" in given or "\n" in given:
            self._problem(name, "holds a line break or a NUL character", "Give it on one line.")
            return ""
        return given or input_named(name).default

    def choice(self, name: str) -> str:
        text, declared = self.text(name), input_named(name)
        if text in declared.choices:
            return text
        choices = ", ".join(f"`{one}`" for one in declared.choices)
        self._wrong(declared, text, f"It takes one of {choices}.", declared.choices)
        return declared.default

    def boolean(self, name: str) -> bool:
        text, declared = self.text(name).lower(), input_named(name)
        if text not in _TRUE | _FALSE:
            self._wrong(declared, text, "It takes `true` or `false`.", ("true", "false"))
        return text in _TRUE

    def integer(self, name: str) -> int:
        text, declared = self.text(name), input_named(name)
        if text.isdecimal() and text.isascii() and len(text) < 10:  # noqa: PLR2004 - nine digits are plenty
            return int(text)
        self._wrong(declared, text, "It takes a whole number from 0.")
        return 0

    def duration(self, name: str, least: int = 0, most: int | None = None) -> int:
        text, declared = self.text(name), input_named(name)
        found = _DURATION.fullmatch(text)
        if found is None:
            self._wrong(declared, text, "It takes a number with s, m, h or d, such as `12h`.")
            return least
        seconds = int(found[1]) * _SECONDS[found[2]] if found[1] else 0
        if seconds < least or (most is not None and seconds > most):
            self._wrong(declared, text, f"It takes {least} to {most} seconds.")
            return least
        return seconds

    def approval(self, name: str) -> Approval | None:
        text = self.text(name).lower().removeprefix("sha256:")
        found = parse_approval(text)
        if text and found is None:
            takes = "It takes the output `plan-digest` of a plan, as it is."
            self._wrong(input_named(name), text, takes)
        return found

    def version(self, name: str) -> Version | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return Version(text)
        except ValueError:
            self._wrong(input_named(name), text, "It takes a version, such as `1.4.0`.")
            return None

    def versions(self, name: str) -> frozenset[Version]:
        found = set()
        for text in filter(None, (part.strip() for part in self.text(name).split(","))):
            try:
                found.add(Version(text))
            except ValueError:  # InvalidVersion is one, and so are numbers of thousands of digits
                self._wrong(input_named(name), text, "It takes PEP 440 versions, such as `1.4.0`.")
        return frozenset(found)

    def _wrong(self, declared: Input, text: str, takes: str, near: Iterable[str] = ()) -> None:
        shown = "***" if declared.type is InputType.SECRET else text
        self._problem(declared.name, f"can't be `{shown}`{did_you_mean(text, near)}", takes)

    def _problem(self, name: str, what: str, remedy: str) -> None:
        subject = self._places.get(name) or f"The input `{name}`"
        self.problems.append(Problem(FailureReason.INVALID_INPUT, f"{subject} {what}.", "", remedy))


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """` (did you mean …?)` with the nearest of `known`, or nothing."""
    found = difflib.get_close_matches(text, list(known), n=1)
    return f" (did you mean `{found[0]}`?)" if found else ""


def _contradictions(settings: Settings, earlier: list[Problem]) -> list[Problem]:
    """What no single input shows: inputs that are missing or that exclude each other."""
    found: list[Problem] = []
    if any("`mode`" in problem.title for problem in earlier):
        return found  # what is missing depends on a mode that is not known
    if settings.mode in NEEDS_ROOT and not settings.root:
        found.append(_missing("root", settings.mode, "/Volumes/main/libraries/released"))
    if settings.mode is Mode.UPLOAD and not (settings.root or settings.folder):
        found.append(_missing("folder", settings.mode, "/Volumes/main/libraries/try-out"))
    if settings.mode is Mode.COMMENT and not settings.conversation.from_report:
        found.append(_missing("from-report", settings.mode, "report"))
    if settings.policy == "exact" and not settings.from_versions:
        found.append(_missing("from-versions", settings.mode, "1.4.0, 1.4.1"))
    if settings.to and settings.mode not in {Mode.PLAN, Mode.ROLLBACK}:
        found.append(
            Problem(
                FailureReason.INVALID_INPUT,
                f"`to: {settings.to}` means nothing for `mode: {settings.mode.value}`.",
                "Only a rollback, or the plan of one, goes back to something.",
                "Give `mode: rollback`, or leave `to` out.",
            )
        )
    if settings.version is not None:
        found.extend(_about_version(settings))
    if settings.credentials.token and settings.credentials.client_secret:
        found.append(
            Problem(
                FailureReason.INVALID_INPUT,
                "Two ways to authenticate are given: `databricks-token` and `databricks-client-secret`.",
                "Which one counts would be a guess.",
                "Give one of them.",
            )
        )
    return found


def _about_version(settings: Settings) -> Iterator[Problem]:
    """Why `version` can't be there."""
    asked = f"`version: {settings.version}`"
    if settings.mode not in {Mode.PLAN, Mode.DEPLOY} or settings.to:
        yield Problem(
            FailureReason.INVALID_INPUT,
            f"{asked} means nothing for `mode: {settings.mode.value}`{' with `to`' if settings.to else ''}.",
            "Only a deployment, or the plan of one, takes the file of a release.",
            "Give `mode: deploy`, or leave `version` out. For a way back there is `mode: rollback`.",
        )
    for name in ("wheel", "publish"):
        if getattr(settings, name):
            yield Problem(
                FailureReason.INVALID_INPUT,
                f"{asked} and `{name}` can't be given both.",
                "With `version` the file is that of a release, which is published already.",
                f"Leave `version` or `{name}` out.",
            )


def _missing(name: str, mode: Mode, example: str) -> Problem:
    in_file = (
        "\n\nor to the environment in `spark-deploy.yml`." if input_named(name).in_file else ""
    )
    return Problem(
        FailureReason.INVALID_INPUT,
        f"The input `{name}` is missing.",
        f"`mode: {mode.value}` needs it.",
        f"Add it:\n\n  with:\n    {name}: {example}{in_file}",
    )
