"""The composition root: builds the adapters, runs the story, delivers the report, says the exit code.

Both doors (`cli` and `entrypoint.py`) come through here. Owns which sink gets which rendering; reading
the environment is the doors' business, deciding is the pipeline's.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console

from deployer import pipeline
from deployer.checks.steps import Checked, run_checks
from deployer.checks.toolbox import Toolbox
from deployer.context import RunContext
from deployer.contract import Mode
from deployer.deployment.ports import Workspace
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, ExitCode, FailureReason, exit_code
from deployer.gh.core import Actions, CommandFiles
from deployer.narrator import Narrator
from deployer.narrators import ActionsNarrator, TerminalNarrator
from deployer.redaction import Redactor, secrets_in
from deployer.report.annotations import Annotation, Level, to_annotations
from deployer.report.document import to_json
from deployer.report.model import Failure, Outcome, Report
from deployer.report.outputs import to_outputs
from deployer.report.sentences import apparate_sentences
from deployer.report.summary import to_summary
from deployer.report.terminal import to_lines, to_renderable
from deployer.report.untrusted import visible
from deployer.settings import Credentials, Settings, parse


@dataclass(frozen=True)
class Streams:
    """Where texts go. With `json_output` standard output gets the report document and nothing else."""

    stdout: TextIO
    stderr: TextIO
    json_output: bool = False


def perform(
    texts: Mapping[str, str],
    *,
    environ: Mapping[str, str],
    context: RunContext,
    streams: Streams,
    warnings: Sequence[str] = (),
) -> int:
    """Do what the inputs `texts` ask and deliver the report. Returns the exit code; never raises."""
    redactor = Redactor.of([*_given_secrets(texts), *secrets_in(environ)])
    debug = context.debug or texts.get("log-level") == "debug"
    log = streams.stderr if streams.json_output or not context.on_github else streams.stdout
    actions = Actions(CommandFiles(context.output_file, context.summary_file), log)
    if context.on_github:
        for secret in _given_secrets(texts):
            actions.mask(secret)
    narrator: Narrator = (
        ActionsNarrator(actions, redactor, debug=debug)
        if context.on_github
        else TerminalNarrator(log, redactor, debug=debug)
    )
    settings: Settings | None = None
    try:
        settings = parse(texts)
    except DeployError as error:
        report = _unparsed(texts, error)
    else:
        report = _run(settings, environ, context, narrator, warnings)
    delivery = _Delivery(context, streams, actions, redactor, narrator)
    delivery.deliver(report, settings)
    return (
        ExitCode.OK if report.failure is None else exit_code(FailureReason(report.failure.reason))
    )


def _run(
    settings: Settings,
    environ: Mapping[str, str],
    context: RunContext,
    narrator: Narrator,
    warnings: Sequence[str],
) -> Report:
    stop = threading.Event()
    with (
        _signals(stop),
        tempfile.TemporaryDirectory(prefix="spark-deploy-", dir=_made(context.temp)) as scratch,
        ExitStack() as opened,
    ):
        doors = Doors(
            workspace_folder=context.workspace,
            connect=lambda credentials: _connect(credentials, environ, opened),
            check=_checker(environ, context, Path(scratch), narrator),
            stopped=stop.is_set,
            new_id=lambda: (
                f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:8]}"
            ),
            now_ms=lambda: int(time.time() * 1000),
        )
        return pipeline.run(settings, doors, narrator, warnings)


def _connect(credentials: Credentials, environ: Mapping[str, str], opened: ExitStack) -> Workspace:
    # `--help` and `check` need not wait for the import of the SDK.
    from deployer.platforms.databricks.connect import connect  # noqa: PLC0415

    workspace = connect(
        host=credentials.host or None,
        token=credentials.token or None,
        client_id=credentials.client_id or None,
        client_secret=credentials.client_secret or None,
        auth_type=credentials.auth_type or None,
        environ=environ,
    )
    opened.callback(workspace.close)
    return workspace


def _checker(
    environ: Mapping[str, str], context: RunContext, scratch: Path, narrator: Narrator
) -> Callable[[Path, Settings, Draft], Checked]:
    """What lints, tests and builds a project; the built wheel outlives the scratch folder."""

    def check(project: Path, settings: Settings, draft: Draft) -> Checked:
        home = environ.get("XDG_CACHE_HOME") or f"{environ.get('HOME') or scratch}/.cache"
        with draft.phase("checks", f"Check and build {project}"), narrator.untrusted() as on_line:
            checked = run_checks(
                project,
                tools=Toolbox.installed(environ, Path(home) / "spark-deploy"),
                environ=environ,
                scratch=scratch,
                timeout_s=settings.check_timeout_s,
                on_line=on_line,
                on_start=lambda name: on_line(f"{name} …"),
                on_check=lambda one: on_line(f"{one.name}: {one.status.value} - {one.summary}"),
                only_build=not settings.checks,
            )
        if checked.wheel is None:
            return checked
        kept = _made(context.temp / "spark-deploy" / "dist") / checked.wheel.name
        shutil.copyfile(checked.wheel, kept)
        return Checked(checked.checks, checked.problems, kept)

    return check


@dataclass(frozen=True)
class _Delivery:
    """Brings a report to every sink. What fails here is told, and never changes the outcome (rule 11)."""

    context: RunContext
    streams: Streams
    actions: Actions
    redactor: Redactor
    narrator: Narrator

    def deliver(self, report: Report, settings: Settings | None) -> None:
        document = self.redactor.clean(to_json(report))
        path = self._report_path(settings)
        self._try(lambda: self._write(path, document), f"{path} could not be written")
        if self.context.on_github:
            self._to_runner(report, path)
        elif self.context.summary_file or self.context.output_file:
            self._files(report, path)
        if self.streams.json_output:
            self.streams.stdout.write(document + "\n")
        elif not self.context.on_github:
            self._to_terminal(report, path)
        self.streams.stdout.flush()

    def _to_runner(self, report: Report, path: Path) -> None:
        for sentence in apparate_sentences(report):
            self.actions.info(visible(self.redactor.clean(sentence)))
        for line in to_lines(report, report_path=str(path)):
            self.actions.info(self.redactor.clean(line))
        for one in to_annotations(report):
            self._annotate(one)
        self._files(report, path)

    def _annotate(self, one: Annotation) -> None:
        tell = {
            Level.ERROR: self.actions.error,
            Level.WARNING: self.actions.warning,
            Level.NOTICE: self.actions.notice,
        }[one.level]
        clean = self.redactor.clean
        place = {"file": one.file, "line": one.line, "col": one.column} if one.file else {}
        tell(clean(one.message), title=clean(one.title), **place)

    def _files(self, report: Report, path: Path) -> None:
        def summary() -> None:
            room = self.actions.summary_room()
            text = to_summary(report, report_path=str(path), budget=min(room, 1_000_000))
            self.actions.append_summary(self.redactor.clean(text))

        def outputs() -> None:
            wheel = report.library.file if report.library else ""
            for name, value in to_outputs(report, report_path=str(path), wheel_path=wheel).items():
                self.actions.set_output(name, self.redactor.clean(value))

        self._try(summary, "the job summary could not be written")
        self._try(outputs, "the outputs could not be written")

    def _to_terminal(self, report: Report, path: Path) -> None:
        for sentence in apparate_sentences(report):
            self.streams.stdout.write(visible(self.redactor.clean(sentence)) + "\n")
        console = Console(file=self.streams.stdout, highlight=False)
        if console.is_terminal:
            with console.capture() as rendered:
                console.print(to_renderable(report, report_path=str(path)))
            self.streams.stdout.write(self.redactor.clean(rendered.get()))
            return
        for line in to_lines(report, report_path=str(path)):
            self.streams.stdout.write(self.redactor.clean(line) + "\n")

    def _report_path(self, settings: Settings | None) -> Path:
        if settings is not None and settings.report_path:
            return self.context.workspace / settings.report_path
        return self.context.temp / "spark-deploy" / "report.json"

    @staticmethod
    def _write(path: Path, document: str) -> None:
        _made(path.parent)
        path.write_text(document + "\n", encoding="utf-8")

    def _try(self, action: Callable[[], None], failing: str) -> None:
        try:
            action()
        except (OSError, ValueError) as error:
            self.narrator.info(f"Warning: {failing}: {error}")


def _given_secrets(texts: Mapping[str, str]) -> tuple[str, ...]:
    return Credentials(
        token=texts.get("databricks-token", ""),
        client_secret=texts.get("databricks-client-secret", ""),
    ).secrets


def _unparsed(texts: Mapping[str, str], error: DeployError) -> Report:
    """The report of a run whose inputs could not be read."""
    mode = texts.get("mode", "")
    failures = tuple(Failure(p.reason.value, p.title, p.detail, p.remedy) for p in error.problems)
    first = failures[0]
    several = failures if len(failures) > 1 else ()
    return Report(
        mode=Mode(mode) if mode in set(Mode) else Mode.PLAN,
        environment=texts.get("environment", ""),
        outcome=Outcome.FAILED,
        failure=Failure(first.reason, first.title, first.detail, first.remedy, several),
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM ask the story to stop at the next change boundary.

    PID 1 in a container ignores both unless it installs handlers (facts, "Contract facts" 13).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        one: signal.signal(one, lambda *_: stop.set()) for one in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
