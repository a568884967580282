"""Whatever somebody writes as an input, an argument or a file: settings, or a reason and the way out."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deployer import cli
from deployer.context import RunContext
from deployer.contract import INPUTS, InputType, Mode
from deployer.errors import DeployError, FailureReason
from deployer.inputs import from_runner
from deployer.request import FILE, read_request
from deployer.settings import parse
from tests.contract.runner_files import Runner
from tests.unit.report.reports import texts

NAMES = [one.name for one in INPUTS]
SECRETS = [one.name for one in INPUTS if one.type is InputType.SECRET]
DEEP = "9" * 5_000
hostile = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)

values = st.one_of(
    texts,
    st.sampled_from(
        ["true", "FALSE", "1", "-1", DEEP, f"1.{DEEP}", f"{DEEP}d", "1e9", "٣", "²", "\0", "a\nb", "a\rb",
         "\ud800", "7d", "1.4.0, 1.4.1", ",,,", "same-major", "https://[", "https://u:p@h",
         "http://127.0.0.1:99999999", "../../x", "/etc/passwd", "$(id)", "${{ secrets.X }}",
         "::add-mask::x", "[" * 3_000, "x" * 100_000]
    ),
)  # fmt: skip
given_texts = st.dictionaries(st.sampled_from(NAMES), values, max_size=8)
modes = st.sampled_from([one.value for one in Mode]) | values


def told_by(action: Callable[[], object]) -> str:
    """What is told when it fails: every problem says what, and none is a bug. Empty when it works."""
    try:
        action()
    except DeployError as error:
        problems = error.problems
    else:
        return ""
    assert len(problems) < 100
    for one in problems:
        assert one.title.endswith((".", "?"))
        assert one.reason in {
            FailureReason.INVALID_INPUT,
            FailureReason.INVALID_CONFIGURATION,
            FailureReason.UNTRUSTED_CONFIGURATION,
        }
    return repr(problems)


@settings(hostile, max_examples=150)
@given(mode=modes, texts=given_texts)
@example(mode="plan", texts={"from-versions": f"1.{DEEP}", "policy": "exact", "root": "/x"})
@example(mode="plan", texts={"keep": DEEP, "min-age": f"{DEEP}d", "lock-expiry": f"{DEEP}s"})
@example(mode=DEEP, texts={})
def test_any_text_for_any_input_is_a_setting_or_a_problem(mode: str, texts: dict[str, str]) -> None:
    told_by(lambda: parse({**texts, "mode": mode}))


@given(mode=modes, texts=given_texts)
def test_no_setting_and_no_problem_shows_a_secret(mode: str, texts: dict[str, str]) -> None:
    secrets = {name: f"a-very-secret-one-{name}" for name in SECRETS}
    asked = {**texts, **secrets, "mode": mode}
    shown = told_by(lambda: parse(asked)) or repr(parse(asked))
    assert "a-very-secret-one" not in shown


@given(st.dictionaries(texts.map(lambda text: f"INPUT_{text}") | texts, texts, max_size=5))
def test_any_environment_gives_texts_of_inputs_and_warnings_of_others(
    environ: Mapping[str, str],
) -> None:
    found, warnings = from_runner(environ)
    assert set(found) <= set(NAMES)
    assert len(warnings) <= len(environ)
    context = RunContext.from_environ(environ, cwd=Path("/w"), temp=Path("/t"))
    context.with_host_paths(next(iter(environ.values()), ""))


# --- the file

lines = st.one_of(
    st.sampled_from(
        ["version: 1", "environments:", "  prod:", "    host: https://x.example", "    keep: 9999999999",
         "    root: /Volumes/a/b/c", "defaults:", "    branches: [main]", "    branches:", "      - main",
         "    <<: *a", "  &a b: c", "    host: https://u:p@x.example",
         "    token: dapi" + "0123456789abcdef" * 2,
         "? [a]", "- - -", "%YAML 9", "!!python/object:os.system x", "a: &a [*a]", "\ta: b", "\"\\ud800\": 1",
         "---", "...", "|", ">", "{", "[[[[", "    root: ${{ secrets.X }}", "    min-age: 7"]
    ),
    texts,
)  # fmt: skip
environs = st.dictionaries(
    st.sampled_from(
        ["GITHUB_REF", "GITHUB_EVENT_NAME", "GITHUB_BASE_REF", "GITHUB_HEAD_REF", "DATABRICKS_HOST",
         "DATABRICKS_CLIENT_ID", "DATABRICKS_AUTH_TYPE", "GITLAB_CI", "CI_COMMIT_BRANCH", "JENKINS_URL",
         "GIT_BRANCH"]
    ),
    values,
    max_size=4,
)  # fmt: skip


@settings(hostile, max_examples=150)
@given(content=st.lists(lines, max_size=12), mode=modes, texts=given_texts, environ=environs)
def test_any_file_with_any_inputs_is_a_request_or_a_problem(
    tmp_path: Path, content: list[str], mode: str, texts: dict[str, str], environ: dict[str, str]
) -> None:
    written = "\n".join(content).encode("utf-8", "surrogatepass")
    (tmp_path / FILE).write_bytes(written)
    texts = {name: text for name, text in texts.items() if name != "config"}
    told = told_by(lambda: read_request({**texts, "mode": mode}, environ, tmp_path))
    assert "dapi0123456789abcdef" not in told


@pytest.mark.parametrize(
    "config",
    ["../../etc/passwd", "/etc/passwd", ".", "", "a\0b", "x" * 5_000, "\ud800", "-", "a/b/../c"],
)
def test_a_config_that_is_no_file_is_told(tmp_path: Path, config: str) -> None:
    with contextlib.suppress(DeployError):
        read_request({"config": config, "mode": "check"}, {}, tmp_path)


# --- the command line

arguments = st.one_of(
    st.sampled_from([f"--{name}" for name in NAMES]),
    st.sampled_from([one.value for one in Mode]),
    st.sampled_from(
        ["--output", "--output=json", "-v", "--no-cleanup", "--no-cleanup=x", "--", "-", "hidden-one",
         "--databricks-tokn=hidden-one", "--databricks-tokn", "sandbox", "--port", "--x\n::add-mask::x",
         "\n::error::x", "--\x1b[2J", "@/etc/passwd", "--output=hidden-one", "hidden-one=--output"]
    ),
    values,
)  # fmt: skip


def end_of(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Exit code and what was printed, when no run and no server is started."""
    printed = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stderr(printed),
        contextlib.redirect_stdout(printed),
    ):
        patch.setattr("deployer.main.perform", lambda *_, **__: 0)
        patch.setattr(cli, "_sandbox", lambda _: 0)
        try:
            return cli.main(argv), printed.getvalue()
        except SystemExit as end:
            return int(str(end.code)), printed.getvalue()


@settings(hostile, max_examples=300)
@given(argv=st.lists(arguments, max_size=6))
@example(argv=["--databricks-token", "hidden-one", "deploy"])
@example(argv=["deploy", "--databricks-tokn=hidden-one"])
@example(argv=["deploy", "hidden-one"])
@example(argv=["hidden-one"])
@example(argv=["deploy", "--output", "hidden-one"])
@example(argv=["deploy", "--no-cleanup=hidden-one"])
@example(argv=["deploy", "--x\n::add-mask::x"])
@example(argv=["deploy", "\n##[error]x"])
@example(argv=["\n::error::x"])
def test_any_arguments_are_run_or_told_without_an_order_and_without_their_values(
    argv: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed = end_of(argv, monkeypatch)
    assert code in {0, 2}
    assert Runner(loose=True).read(printed).commands == []
    assert "hidden-one" not in printed
    assert "\x1b" not in printed


def test_a_mistake_is_still_told_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "did you mean deploy?" in end_of(["deplyo"], monkeypatch)[1]
    assert (
        "no option --databricks-tokn; did you mean --databricks-token?"
        in end_of(["plan", "--databricks-tokn=x"], monkeypatch)[1]
    )
    assert "1 more than the mode" in end_of(["plan", "x"], monkeypatch)[1]
    assert "(choose from 'text', 'json')" in end_of(["plan", "--output", "xml"], monkeypatch)[1]
