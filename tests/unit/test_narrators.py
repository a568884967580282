"""What libraries log goes through the narrator: never as it is to standard error, where the runner reads."""

from __future__ import annotations

import io
import logging
import warnings

import pytest

from deployer.gh.core import Actions, CommandFiles
from deployer.narrator import Narrator
from deployer.narrators import ActionsNarrator, TerminalNarrator, telling_logs
from deployer.redaction import Redactor
from tests.contract.runner_files import Runner

SECRET = "a-secret-of-the-workspace"


def on_github(*, debug: bool = False) -> tuple[Narrator, io.StringIO]:
    log = io.StringIO()
    actions = Actions(CommandFiles(), log)
    return ActionsNarrator(actions, Redactor.of([SECRET]), debug=debug), log


def only_debug(log: io.StringIO) -> bool:
    """Whether the runner got debug messages, and no other order."""
    return {one.name for one in Runner(loose=True).read(log.getvalue()).commands} == {"debug"}


def test_a_warning_of_a_library_gives_the_runner_no_command_and_shows_no_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    narrator, log = on_github()
    said = f"odd header: x\n::add-mask::{SECRET}\r##[error]y"
    with telling_logs(narrator):
        logging.getLogger("urllib3.connectionpool").warning("Failed to parse headers: %s", said)
    assert only_debug(log)
    assert "urllib3.connectionpool: Failed to parse headers" in log.getvalue()
    assert SECRET not in log.getvalue()
    assert capsys.readouterr() == ("", "")


def test_without_it_the_same_warning_would_be_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "odd\n::add-mask::x", None, None)
    assert logging.lastResort is not None
    logging.lastResort.handle(record)
    assert Runner().read(capsys.readouterr().err).named("add-mask")


@pytest.mark.filterwarnings("always")
def test_warnings_of_python_go_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    narrator, log = on_github()
    with telling_logs(narrator):
        warnings.warn(f"odd\n::error::{SECRET}", UserWarning, stacklevel=1)
    assert only_debug(log)
    assert "UserWarning" in log.getvalue()
    assert SECRET not in log.getvalue()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("debug", [True, False])
def test_our_own_log_is_told_at_its_level(*, debug: bool) -> None:
    narrator, log = on_github(debug=debug)
    with telling_logs(narrator):
        logging.getLogger("deployer.platforms.x").info("attempt %d", 2)
        logging.getLogger("deployer.platforms.x").debug("in detail")
        logging.getLogger("somebody.else").info("chatter")
    runner = Runner().read(log.getvalue())
    assert runner.lines == (["attempt 2", "in detail"] if debug else ["attempt 2"])
    assert [one.data for one in runner.commands] == ([] if debug else ["in detail"])


def test_a_record_whose_arguments_do_not_fit_is_told_all_the_same() -> None:
    narrator, log = on_github()
    record = logging.LogRecord("x", logging.ERROR, "", 0, "%d of %d", ("one",), None)
    with telling_logs(narrator):
        logging.getLogger().handlers[-1].handle(record)  # the tests' own handlers would complain
    [said] = Runner().read(log.getvalue()).commands
    assert said.data == "x: %d of %d"


def test_afterwards_logging_is_as_it_was() -> None:
    everything, ours = logging.getLogger(), logging.getLogger("deployer")
    before = (list(everything.handlers), ours.level)
    with telling_logs(on_github()[0]):
        assert everything.handlers != before[0]
    assert (everything.handlers, ours.level) == before


def test_a_terminal_shows_no_escape_sequence_of_a_log() -> None:
    screen = io.StringIO()
    with telling_logs(TerminalNarrator(screen, Redactor(), debug=True)):
        logging.getLogger("somebody.else").warning("\x1b]0;title\x07 \x9b2J")
    assert "\x1b" not in screen.getvalue()
    assert "\x9b" not in screen.getvalue()
