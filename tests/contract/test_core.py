"""What `gh.core` prints and writes, read back by a port of the runner's own parser."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.gh.commands import key_value, log_lines
from deployer.gh.core import SUMMARY_LIMIT, Actions, CommandFiles
from tests.contract.runner_files import (
    COMMANDS,
    Command,
    FileRefused,
    Runner,
    parse_key_values,
    read_key_values,
    read_lines,
    read_summary,
)

SEASONING = (
    "::", ":", "##[", "#", "[", "]", "::error::", "::add-mask::x", "##[add-mask]x", "::endgroup::",
    "::stop-commands::x", "::set-output name=a::b", "##[error]x", " ", "\t", "\n", "\r", "\r\n",
    "%0A", "%0D", "%25", "%", ",", "=", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\u200b",
    "\u00ad", "\ufeff", "\u034f", "\ufe0f", "\x00", "\x1b[0m", "<<", "name<<EOF", "EOF", "\ud800",
)  # fmt: skip
texts = st.lists(st.one_of(st.text(max_size=5), st.sampled_from(SEASONING)), max_size=8).map(
    "".join
)
looseness = st.booleans()


def printed(speak: Callable[[Actions], object]) -> str:
    stdout = io.StringIO()
    speak(Actions(CommandFiles(), stdout))
    return stdout.getvalue()


def encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@given(texts, looseness)
def test_no_text_in_the_log_can_become_a_command(text: str, loose: bool) -> None:
    runner = Runner(loose=loose).read(printed(lambda actions: actions.info(text)))
    assert runner.commands == []


@given(texts)
def test_the_log_shows_the_text_with_blanks_added_at_most(text: str) -> None:
    shown = " ".join(log_lines(text)).replace(" ", "")
    kept = re.sub(r"[^\x20-\x7e]", "", shown)
    assert kept == re.sub(r"[^\x20-\x7e]", "", encodable(text)).replace(" ", "")


def test_ordinary_text_in_the_log_stays_as_it_is() -> None:
    text = "job 7: /Volumes/a::b/c.whl → 1.2.3 [ok] # note\n  indented"
    assert log_lines(text) == text.split("\n")


@pytest.mark.parametrize(
    "line",
    [
        "::error::x",
        "  ::error::x",
        "\u200b:\u200b:error::x",
        "text ##[error]x",
        "#\u00ad#\ufe0f[error]x",
        "###[error]x",
    ],
)
def test_each_known_way_to_smuggle_a_command_is_one_without_the_escape(line: str) -> None:
    assert Runner(loose=True).read(line + "\n").commands, "the port must be able to see it"
    assert Runner(loose=True).read("\n".join(log_lines(line)) + "\n").commands == []


@given(st.sampled_from(["debug", "notice", "warning", "error"]), texts, looseness)
def test_any_message_arrives_as_one_command_with_the_same_data(
    level: str, text: str, loose: bool
) -> None:
    output = printed(lambda actions: getattr(actions, level)(text))
    assert [command.name for command in Runner(loose=loose).read(output).commands] == [level]
    assert Runner().read(output).commands == [Command(level, encodable(text), {})]


@given(st.sampled_from(["notice", "warning", "error"]), texts, texts, st.integers(1, 9_999))
def test_any_title_and_file_arrive_as_they_are(
    level: str, title: str, file: str, line: int
) -> None:
    output = printed(
        lambda actions: getattr(actions, level)("said", title=title, file=file, line=line, col=None)
    )
    [command] = Runner().read(output).commands
    sent = {"title": encodable(title), "file": encodable(file), "line": str(line)}
    assert command.name == level
    assert command.data == "said"
    # The runner takes signs in front of a value for nothing.
    kept = {name: value.lstrip("=") for name, value in sent.items()}
    assert command.properties == {name: value for name, value in kept.items() if value}


@given(texts)
def test_any_group_title_opens_one_group_that_ends(title: str) -> None:
    def speak(actions: Actions) -> None:
        with actions.group(title):
            actions.info("inside")

    runner = Runner().read(printed(speak))
    assert [command.name for command in runner.commands] == ["group", "endgroup"]
    assert runner.lines == ["inside"]


def test_a_group_ends_when_its_content_fails() -> None:
    stdout = io.StringIO()
    with pytest.raises(OSError, match="gone"), Actions(CommandFiles(), stdout).group("upload"):
        raise OSError("gone")
    assert [command.name for command in Runner().read(stdout.getvalue()).commands] == [
        "group",
        "endgroup",
    ]


@given(st.lists(texts, max_size=5), looseness)
def test_no_text_printed_while_commands_are_stopped_is_obeyed(
    parts: list[str], loose: bool
) -> None:
    def speak(actions: Actions) -> None:
        with actions.stop_commands() as write:
            for part in parts:
                write(part)
        actions.warning("after")

    runner = Runner(loose=loose).read(printed(speak))
    assert [command.name for command in runner.commands] == ["stop-commands", "warning"]
    assert runner.stop_token is None


def test_the_token_that_resumes_commands_is_new_each_time() -> None:
    def speak(actions: Actions) -> None:
        for _ in range(3):
            with actions.stop_commands():
                pass

    tokens = {command.data for command in Runner().read(printed(speak)).named("stop-commands")}
    assert len(tokens) == 3
    assert all(len(token) >= 32 for token in tokens)


def test_commands_resume_when_the_untrusted_part_fails() -> None:
    def fail(actions: Actions) -> None:
        with actions.stop_commands() as write:
            write("no line end")
            raise OSError("gone")

    stdout = io.StringIO()
    with pytest.raises(OSError, match="gone"):
        fail(Actions(CommandFiles(), stdout))
    assert Runner().read(stdout.getvalue()).stop_token is None


def test_what_the_program_says_while_commands_are_stopped_is_said_after() -> None:
    def speak(actions: Actions) -> None:
        with actions.stop_commands() as write:
            write("::error::theirs\n")
            actions.error("ours")
            with actions.stop_commands() as inner:
                inner("::error::theirs too\n")
            actions.mask("hunter2-hunter2")

    runner = Runner().read(printed(speak))
    assert [(one.name, one.data) for one in runner.commands[1:]] == [
        ("error", "ours"),
        ("add-mask", "hunter2-hunter2"),
    ]
    assert runner.lines == ["::error::theirs", "::error::theirs too"]


@given(st.text(min_size=4, max_size=40).filter(lambda text: len(text.strip()) >= 4))
def test_a_secret_of_one_line_is_masked_as_it_is(secret: str) -> None:
    if len(secret.splitlines()) > 1:
        return
    masks = Runner().read(printed(lambda actions: actions.mask(secret))).named("add-mask")
    assert [mask.data for mask in masks] == [encodable(secret).strip("\r\n")]


def test_a_secret_of_several_lines_is_masked_with_one_command() -> None:
    secret = "-----BEGIN KEY-----\nabcdefgh\n-----END KEY-----\n"
    masks = Runner().read(printed(lambda actions: actions.mask(secret))).named("add-mask")
    assert [mask.data for mask in masks] == [secret.strip()]


def test_short_lines_of_a_secret_are_not_masked() -> None:
    secret = '{\n  "key": "abcdefgh"\n}'
    masks = Runner().read(printed(lambda actions: actions.mask(secret))).named("add-mask")
    assert [mask.data for mask in masks] == ['  "key": "abcdefgh"']


@pytest.mark.parametrize("secret", ["", "abc", "  a  ", "\n\n", "a\nb\nc"])
def test_a_short_secret_is_not_masked_and_the_caller_is_told(secret: str) -> None:
    stdout = io.StringIO()
    assert Actions(CommandFiles(), stdout).mask(secret) is False
    assert stdout.getvalue() == ""


@given(st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9-]{0,12}\Z"), texts, max_size=4))
def test_any_output_is_read_back_as_it_was_set(
    tmp_path_factory: pytest.TempPathFactory, outputs: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("files") / "output"
    actions = Actions(CommandFiles(output=path), io.StringIO())
    for name, value in outputs.items():
        actions.set_output(name, value)
    read = read_key_values(path) if outputs else {}
    assert read == {name: encodable(value) for name, value in outputs.items()}


def test_an_output_after_an_unfinished_line_of_somebody_else_starts_a_new_line(
    tmp_path: Path,
) -> None:
    path = tmp_path / "output"
    path.write_bytes(b"theirs=1")
    Actions(CommandFiles(output=path), io.StringIO()).set_output("ours", "2")
    assert read_key_values(path) == {"theirs": "1", "ours": "2"}


def test_a_value_that_holds_the_delimiter_is_refused() -> None:
    with pytest.raises(ValueError, match="delimiter"):
        key_value("name", "x\nEND\nother=1", "END")


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a<<b", "a\nb", "1a"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        key_value(name, "value", "END")


def test_state_goes_to_its_own_file(tmp_path: Path) -> None:
    files = CommandFiles(tmp_path / "output", tmp_path / "summary", tmp_path / "state")
    Actions(files, io.StringIO()).save_state("lease", "a\nb")
    assert read_key_values(tmp_path / "state") == {"lease": "a\nb"}
    assert not (tmp_path / "output").exists()


def test_outside_github_nothing_is_written() -> None:
    actions = Actions(CommandFiles(), io.StringIO())
    actions.set_output("version", "1.0.0")
    actions.save_state("lease", "x")
    actions.append_summary("# Summary")


def test_a_summary_is_appended_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_text("first\n")
    actions = Actions(CommandFiles(summary=path), io.StringIO())
    actions.append_summary("second ü\n")
    assert read_summary(path) == "first\nsecond ü\n"
    assert actions.summary_room() == SUMMARY_LIMIT - len("first\nsecond ü\n".encode())


@pytest.mark.parametrize("taken", [0, 1000, SUMMARY_LIMIT - 150, SUMMARY_LIMIT - 1, SUMMARY_LIMIT])
def test_a_summary_never_passes_the_limit_and_ends_after_a_whole_line(
    tmp_path: Path, taken: int
) -> None:
    path = tmp_path / "summary"
    path.write_bytes(b"x" * taken)
    Actions(CommandFiles(summary=path), io.StringIO()).append_summary("| ü | row |\n" * 100_000)
    added = read_summary(path)[taken:]
    assert added == "" or "no room for more" in added
    rows = added.split("\n\n_The summary")[0]
    assert rows == "" or set(rows.splitlines()) == {"| ü | row |"}


def test_the_port_refuses_what_the_runner_refuses() -> None:
    for text in ("no mark", "=value", "<<EOF\nx\nEOF\n", "a<<\nx\n", "a<<EOF\nx", "a<<EOF\nxEOF\n"):
        with pytest.raises(FileRefused):
            parse_key_values(text)
    assert parse_key_values("a=b<<c\n\nd<<E=F\nx\r\n\u2028\nE=F\n") == {
        "a": "b<<c",
        "d": "x\r\n\u2028",
    }


def test_the_port_reads_both_forms_of_commands() -> None:
    output = "::Error file=a%2Cb,line=3::x%0Ay\rsaid ##[warning title=a%3Bb;]x%5D\r\n::none::x"
    runner = Runner().read(output)
    assert runner.commands == [
        Command("Error", "x\ny", {"file": "a,b", "line": "3"}),
        Command("warning", "x]", {"title": "a;b"}),
    ]
    assert Runner().read("::error ==title==a=b,=,line=::x\n").commands == [
        Command("error", "x", {"title": "a=b"})
    ]
    assert runner.lines == ["::none::x"]
    assert read_lines("a\rb\nc\r\n") == ["a", "b", "c"]
    assert read_lines("\ufeff::error::x\n") == ["::error::x"]
    assert read_lines("a\u2028b\x85c\vd\fe\x1cf\n") == ["a\u2028b\x85c\vd\fe\x1cf"]
    assert "stop-commands" in COMMANDS


IMPORT = """
import io, os
from deployer.gh.core import Actions, CommandFiles
before = dict(os.environ)
out = io.StringIO()
Actions(CommandFiles(), out).debug("hello")
assert out.getvalue() == "::debug::hello\\n", out.getvalue()
assert dict(os.environ) == before, set(os.environ) ^ set(before)
"""


@pytest.mark.parametrize("context", [None, "{not json"])
def test_ghapi_leaves_no_trace_in_the_environment_and_reads_no_broken_context(
    context: str | None,
) -> None:
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    extra = {} if context is None else {"CONTEXT_GITHUB": context, "CONTEXT_JOB": context}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT],
        env=env | extra,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
