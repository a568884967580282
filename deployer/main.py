"""The composition root: builds the adapters, runs the story, delivers the report, says the exit code.

Both doors (`cli` and `entrypoint.py`) come through here. Owns what a run is made of and how it ends;
reading the environment is the doors' business, deciding is the pipeline's.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from deployer import pipeline
from deployer.checking import Checking
from deployer.config.revision import revision
from deployer.connections import addresses, speaker_of
from deployer.context import RunContext
from deployer.contract import INPUTS, InputType, Mode
from deployer.delivery import Delivery, Streams
from deployer.deployment.claims import Holder
from deployer.deployment.holding import API_ERRORS, Me, Taken
from deployer.deployment.lock import Lock
from deployer.deployment.ports import Interrupted, Workspace
from deployer.doors import Doors, Origin, Releasing
from deployer.draft import Draft, outcome_of
from deployer.errors import DeployError, ExitCode, FailureReason, exit_code, fail, raise_if_any
from deployer.gh.core import Actions, CommandFiles
from deployer.leftover import LockNotes
from deployer.narrator import Narrator
from deployer.narrators import ActionsNarrator, TerminalNarrator, telling_logs
from deployer.notify.notifier import Notifier
from deployer.process import is_alive, machine, this_process
from deployer.redaction import Redactor, secrets_in
from deployer.release.ports import Releases
from deployer.report.model import Failure, Report
from deployer.request import read_request
from deployer.settings import Credentials, Settings, notifications
from deployer.stopping import Stop

_TAGS = "refs/tags/"


def perform(
    texts: Mapping[str, str],
    *,
    environ: Mapping[str, str],
    context: RunContext,
    streams: Streams,
    warnings: Sequence[str] = (),
    stop: Stop | None = None,
) -> int:
    """Do what the inputs `texts` ask and deliver the report. Returns the exit code; never raises.

    `stop` is one that listens for signals already; without it this does.
    """
    run = _run_of(texts, environ, context, streams, warnings=warnings, stop=stop)
    with telling_logs(run.narrator):
        return run.to_its_end()


def give_back_locks(
    left: Sequence[Taken],
    texts: Mapping[str, str],
    *,
    environ: Mapping[str, str],
    context: RunContext,
    streams: Streams,
) -> None:
    """The action's post step: give back locks that the main step had to leave. Never raises."""
    run = _run_of(texts, environ, context, streams)
    with telling_logs(run.narrator):
        run.give_back(left)


def _run_of(
    texts: Mapping[str, str],
    environ: Mapping[str, str],
    context: RunContext,
    streams: Streams,
    *,
    warnings: Sequence[str] = (),
    stop: Stop | None = None,
) -> _Run:
    redactor = Redactor.of([*_given_secrets(texts), *secrets_in(environ)])
    debug = context.debug or texts.get("log-level") == "debug"
    log = streams.stderr if streams.json_output or not context.on_github else streams.stdout
    files = CommandFiles(context.output_file, context.summary_file, context.state_file)
    actions = Actions(files, log)
    if context.on_github:
        for secret in _given_secrets(texts):
            actions.mask(secret)
    narrator: Narrator = (
        ActionsNarrator(actions, redactor, debug=debug)
        if context.on_github
        else TerminalNarrator(log, redactor, debug=debug)
    )
    at_home = context.with_host_paths(texts.get("host-paths", ""))
    notifier = _notifier(texts, environ, context.run_url)
    stop = stop or Stop()
    speaker = speaker_of(texts, environ, context, stop, redactor)
    delivery = Delivery(at_home, streams, actions, redactor, narrator, notifier, speaker)
    return _Run(texts, environ, context, narrator, warnings, stop, delivery)


@dataclass
class _Run:
    """One run between its signals and its report."""

    texts: Mapping[str, str]
    environ: Mapping[str, str]
    context: RunContext
    narrator: Narrator
    warnings: Sequence[str]
    stop: Stop
    delivery: Delivery
    draft: Draft | None = None
    asked: Settings | None = None  # once the inputs are read

    def to_its_end(self) -> int:
        """The story and its report; the exit code. Only one thread reports, see `_last_word`."""
        self.stop.overdue(self._last_word)
        with self.stop.listening():
            try:
                report = self._story(self._settings())
            except DeployError as error:
                report = self._unbegun(error)
            except Exception as error:  # noqa: BLE001 - Python would print it as it is, secrets and all
                report = self._unbegun(self._bug(error))
            if not self.stop.claim():
                threading.Event().wait()  # the last word is being said, and ends the process
            return self._deliver(report)

    def give_back(self, left: Sequence[Taken]) -> None:
        """Give back the locks that an earlier step of this job left; what fails is told, and no more."""
        try:
            settings = self._settings()
            with ExitStack() as opened:
                workspace = self._connect(settings.credentials, opened)
                me = Me(self._holder(), lambda: secrets.token_hex(8), self._pause, workspace.now_ms)
                for one in left:
                    records = workspace.records(one.folder, allow_dbfs=settings.allow_dbfs)
                    if Lock(records, me).release_left(one):
                        self.narrator.info(f"The lock in {one.folder} was given back.")
        except (DeployError, Interrupted, *API_ERRORS) as error:
            self.narrator.info(f"A lock could not be given back, and is void soon: {error}")

    def _bug(self, error: Exception) -> DeployError:
        self.narrator.debug("".join(traceback.format_exception(error)))
        return fail(
            FailureReason.INTERNAL,
            f"spark-deploy has a bug: {type(error).__name__}.",
            detail="The log at level `debug` shows where.",
            remedy="Please report it, with that part of the log.",
        )

    def _settings(self) -> Settings:
        request = read_request(self.texts, self.environ, self.context.workspace)
        if request.told:
            self.narrator.info(request.told)
        self.asked = request.settings
        raise_if_any(request.objections)
        return request.settings

    def _unbegun(self, error: DeployError) -> Report:
        """The report of a run whose inputs could not be read, or that may not do what they ask."""
        if self.asked is not None:
            report = _unbegun(self.asked.mode.value, self.asked.environment, error)
            return replace(report, why=self.asked.why)
        return _unbegun(self.texts.get("mode", ""), self.texts.get("environment", ""), error)

    def _last_word(self) -> None:
        """Report what is known of a run that does not come to a change boundary, and end it."""
        if self.stop.claim():
            cancelled = fail(FailureReason.CANCELLED, "The run was cancelled before it began.")
            report = self.draft.cancelled() if self.draft else self._unbegun(cancelled)
            os._exit(self._deliver(report))

    def _deliver(self, report: Report) -> int:
        if self.asked is not None and self.delivery.notifier is not None:
            self.delivery.notifier.hosts.append(self.asked.credentials.host)  # may be the file's
        self.delivery.deliver(report, self.texts.get("report-path", "").strip())
        failure = report.failure
        return ExitCode.OK if failure is None else exit_code(FailureReason(failure.reason))

    def _story(self, settings: Settings) -> Report:
        with ExitStack() as opened:
            doors = Doors(
                workspace_folder=self.context.workspace,
                connect=lambda credentials: self._connect(credentials, opened),
                check=Checking(self.context, self.environ, self.narrator, self.stop.asked),
                stopped=self.stop.asked,
                new_id=lambda: secrets.token_hex(4),
                now_ms=lambda: int(time.time() * 1000),
                watch=self._watch,
                id_token=self.context.id_token if self.context.on_github else None,
                origin=Origin(self._actor(), self.context.sha, self.context.run_url),
                releasing=self._releasing(),
                speaker=self.delivery.speaker,
                holder=self._holder(),
                alive=is_alive,
                pause=self._pause,
                on_lock=LockNotes(self.delivery.actions.save_state),
            )
            return pipeline.run(settings, doors, self.narrator, self.warnings)

    def _releasing(self) -> Releasing:
        """The releases of the repository that the run is of, where there is one."""
        folder = self.context.temp / "spark-deploy" / "release"
        tag = self.context.ref.removeprefix(_TAGS) if self.context.ref.startswith(_TAGS) else ""
        repository = self.environ.get("GITHUB_REPOSITORY", "")
        token = self.texts.get("github-token") or self.environ.get("GITHUB_TOKEN", "")
        if not repository or not token:
            return Releasing(tag=tag, folder=folder)

        def connected(_: Settings) -> Releases:
            # Only who wants a release waits for the import of PyGithub.
            from deployer.gh.api import Api  # noqa: PLC0415
            from deployer.gh.patience import Patience  # noqa: PLC0415
            from deployer.gh.releases import GitHubReleases  # noqa: PLC0415

            patience = Patience(self._pause, time.time)
            return GitHubReleases(Api(addresses(self.environ), token, patience), repository)

        return Releasing(connected, tag, folder)

    def _actor(self) -> str:
        """Who started the run: the account on GitHub, elsewhere the user of the machine."""
        user = self.environ.get("USER") or self.environ.get("LOGNAME") or "somebody"
        return self.context.actor or f"{user} on {socket.gethostname()}"

    def _holder(self) -> Holder:
        """Who holds the locks of this run."""
        return Holder(
            name=self._actor(),
            run_url=self.context.run_url,
            run=self.context.run,
            attempt=self.context.attempt,
            runner=self.context.runner,
            machine=machine(),
            process=this_process(),
        )

    def _watch(self, draft: Draft) -> None:
        self.draft = draft

    def _pause(self, seconds: float) -> None:
        """Wait, unless the run is to stop. Raises Interrupted."""
        if self.stop.wait(seconds):
            raise Interrupted

    def _learn(self, secret: str) -> None:
        """A credential came up: no sink shows it, nor does any later step on GitHub."""
        if self.delivery.redactor.learn(secret) and self.context.on_github:
            self.delivery.actions.mask(secret)

    def _connect(self, credentials: Credentials, opened: ExitStack) -> Workspace:
        # `--help` and `check` need not wait for the import of the SDK.
        from deployer.platforms.databricks.connect import connect  # noqa: PLC0415

        workspace = connect(
            host=credentials.host or None,
            token=credentials.token or None,
            client_id=credentials.client_id or None,
            client_secret=credentials.client_secret or None,
            auth_type=credentials.auth_type or None,
            environ=self.environ,
            sleep=self._pause,
            proceed=lambda: self._pause(0),
            learn=self._learn,
            clean=self.delivery.redactor.clean,
        )
        opened.callback(workspace.close)
        return workspace


def _given_secrets(texts: Mapping[str, str]) -> tuple[str, ...]:
    names = (one.name for one in INPUTS if one.type is InputType.SECRET)
    return tuple(texts[name] for name in names if texts.get(name))


def _notifier(texts: Mapping[str, str], environ: Mapping[str, str], run_url: str) -> Notifier:
    return Notifier(
        notifications(texts),
        run_url,
        under_review=revision(environ).under_review,
        hosts=[texts.get("databricks-host", ""), environ.get("DATABRICKS_HOST", "")],
        now_s=lambda: int(time.time()),
        new_id=lambda: secrets.token_hex(16),
    )


def _unbegun(mode: str, environment: str, error: DeployError) -> Report:
    """The report of a run that did not begin."""
    failures = tuple(Failure(p.reason.value, p.title, p.detail, p.remedy) for p in error.problems)
    first = failures[0]
    several = failures if len(failures) > 1 else ()
    return Report(
        mode=Mode(mode) if mode in set(Mode) else Mode.PLAN,
        environment=environment,
        outcome=outcome_of(error.reason),
        failure=Failure(first.reason, first.title, first.detail, first.remedy, several),
    )
