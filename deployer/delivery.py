"""The delivery: one report to every sink.

Owns which sink gets which rendering, that secrets are taken out before anything is cut or escaped, and
that no sink can stop another one or change how the run ends (design.md, rule 11): what fails here is told
and no more. Must not decide anything about the run.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO, cast

from rich.console import Console

from deployer.context import RunContext
from deployer.conversation.telling import Speaker
from deployer.gh.core import Actions
from deployer.narrator import Narrator
from deployer.notify.notifier import Notifier
from deployer.ownership import adopt, make_folder
from deployer.redaction import Redactor
from deployer.report.annotations import Annotation, Level, to_annotations
from deployer.report.document import to_json, without_commands
from deployer.report.markdown import prose
from deployer.report.model import Report
from deployer.report.outputs import to_outputs
from deployer.report.sentences import apparate_sentences
from deployer.report.summary import to_summary
from deployer.report.terminal import to_lines, to_renderable
from deployer.report.texts import with_texts
from deployer.report.untrusted import visible

_SUMMARY_BUDGET = 1_000_000  # bytes; the runner drops a summary above 1 MiB (fact 20)


class _Calm(io.TextIOBase):
    """A stream that nobody may read: once a write fails, the rest goes nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # rich asks for it
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str, /) -> int:
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(lambda stream: stream.flush())

    def _try(self, action: Callable[[TextIO], object]) -> None:
        stream = self._stream
        if stream is None:
            return
        try:
            action(stream)
        except (OSError, ValueError):
            self._stream = None
            # What it still holds would fail again when Python ends, and change the exit code.
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


@dataclass(frozen=True)
class Streams:
    """Where texts go. With `json_output` standard output gets the report document and nothing else."""

    stdout: TextIO
    stderr: TextIO
    json_output: bool = False

    @classmethod
    def standard(
        cls,
        stdout: TextIO | None,
        stderr: TextIO | None,
        *,
        encoding: str | None = None,
        json_output: bool = False,
    ) -> Streams:
        """The process's streams, which may be closed (None), full, or of a narrow encoding.

        `encoding` is the one to write; None leaves that of the terminal.
        """
        return cls(_calm(stdout, encoding), _calm(stderr, encoding), json_output=json_output)


def _calm(stream: TextIO | None, encoding: str | None) -> TextIO:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding=encoding, errors="replace")
    return cast("TextIO", _Calm(stream or io.StringIO()))


@dataclass(frozen=True)
class Delivery:
    """Brings a report to every sink of one run."""

    context: RunContext
    streams: Streams
    actions: Actions
    redactor: Redactor
    narrator: Narrator
    notifier: Notifier | None = None
    speaker: Speaker | None = None

    def deliver(self, report: Report, wanted: str) -> None:
        """Deliver `report`; `wanted` is the input `report-path`.

        Files come first: a log that nobody reads can block whoever writes it.
        """
        if report.library is not None:
            file = self.context.outside(report.library.file)
            report = replace(report, library=replace(report.library, file=file))
        # First of all: half a secret, or one with a backslash in it, would not be known any more.
        report = with_texts(report, self.redactor.clean)
        path = ""
        with self._alone("the report could not be written"):
            path = self._write_report(to_json(report), wanted)
        if self.context.output_file:
            with self._alone("the outputs could not be written"):
                self._set_outputs(report, path)
        if self.context.summary_file:
            with self._alone("the job summary could not be written"):
                self._append_summary(report, path)
        if self.context.on_github:
            with self._alone("the log is not complete"):
                self._to_log(report, path)
        with self._alone("the report could not be printed"):
            self._print(report, path)
        if self.speaker is not None:
            with self._alone("the comment on the pull request could not be written"):
                self._comment(self.speaker, report)
        if self.notifier is not None:
            with self._alone("nobody was notified"):
                self._notify(self.notifier, report)

    @contextmanager
    def _alone(self, failing: str) -> Iterator[None]:
        """Let nothing that goes wrong inside stop the other sinks."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - no sink may stop another one
            self.narrator.info(f"Warning: {failing}: {error}")

    def _write_report(self, document: str, wanted: str) -> str:
        """Write `report.json` and give its path as later steps name it; empty when there is none."""
        usual = self.context.temp / "spark-deploy" / "report.json"
        for path in [self.context.workspace / wanted, usual] if wanted else [usual]:
            with self._alone(f"{path} was not written"):
                self._write(path, document)
                return self.context.outside(path)
        return ""

    def _write(self, path: Path, document: str) -> None:
        workspace = self.context.workspace
        leads_to = path.resolve()
        if path.is_relative_to(workspace) and not leads_to.is_relative_to(workspace.resolve()):
            raise ValueError(f"it leads out of the workspace, to {leads_to}")
        make_folder(path.parent)
        path.write_text(document, encoding="utf-8")
        adopt(path)

    def _to_log(self, report: Report, path: str) -> None:
        for sentence in apparate_sentences(report):
            self.actions.info(visible(self.redactor.clean(sentence)))
        for line in to_lines(report, report_path=path):
            self.actions.info(self.redactor.clean(line))
        for one in to_annotations(report):
            self._annotate(one)

    def _annotate(self, one: Annotation) -> None:
        tell = {
            Level.ERROR: self.actions.error,
            Level.WARNING: self.actions.warning,
            Level.NOTICE: self.actions.notice,
        }[one.level]
        clean = self.redactor.clean
        place = {"file": one.file, "line": one.line, "col": one.column} if one.file else {}
        tell(clean(one.message), title=clean(one.title), **place)

    def _append_summary(self, report: Report, path: str) -> None:
        room = self.actions.summary_room()
        text = to_summary(report, report_path=path, budget=min(room, _SUMMARY_BUDGET))
        self.actions.append_summary(self.redactor.clean(text))

    def _set_outputs(self, report: Report, path: str) -> None:
        wheel = report.library.file if report.library else ""
        outputs = to_outputs(
            report, report_path=path, wheel_path=wheel, run_url=self.context.run_url
        )
        for name, value in outputs.items():
            self.actions.set_output(name, value)

    def _comment(self, speaker: Speaker, report: Report) -> None:
        """Once everything stands that needs nobody else: GitHub may ask for patience."""
        told = speaker.tell(report)
        if told.url:
            self.actions.set_output("comment-url", told.url)
        if told.line:
            self.narrator.info(self.redactor.clean(told.line))
        if told.warning:
            warning = self.redactor.clean(told.warning)
            self.actions.warning(warning, title="No comment on the pull request")
            self.actions.append_summary(
                f"\n### ⚠️ No comment on the pull request\n\n{prose(warning)}"
            )

    def _notify(self, notifier: Notifier, report: Report) -> None:
        """Last of all: others may take their time."""
        for said in notifier.notify(report):
            if self.context.on_github:
                self.actions.warning(self.redactor.clean(said), title="Notification not sent")
            else:
                self.narrator.info(f"Warning: {said}")

    def _print(self, report: Report, path: str) -> None:
        if self.streams.json_output:
            document = to_json(report)
            if self.context.on_github:
                document = without_commands(document)
            self.streams.stdout.write(document)
        elif not self.context.on_github:
            self._to_terminal(report, path)
        self.streams.stdout.flush()

    def _to_terminal(self, report: Report, path: str) -> None:
        for sentence in apparate_sentences(report):
            self.streams.stdout.write(visible(self.redactor.clean(sentence)) + "\n")
        console = Console(file=self.streams.stdout, highlight=False)
        if console.is_terminal:
            with console.capture() as rendered:
                console.print(to_renderable(report, report_path=path))
            self.streams.stdout.write(self.redactor.clean(rendered.get()))
            return
        for line in to_lines(report, report_path=path):
            self.streams.stdout.write(self.redactor.clean(line) + "\n")
