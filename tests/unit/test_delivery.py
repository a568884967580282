"""One report in every sink: secrets are taken out before anything is cut, wrapped or escaped."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.context import RunContext
from deployer.conversation.sticky import Style
from deployer.conversation.telling import Speaker, Told
from deployer.delivery import Delivery, Streams
from deployer.gh.core import Actions, CommandFiles
from deployer.narrators import TerminalNarrator
from deployer.redaction import Redactor
from deployer.report.model import ChangedReference, Report, Rewire
from tests.contract.runner_files import Runner, read_key_values
from tests.unit.report import reports

TOKEN = "Kq7Z*_xW_9v|Lm2P_RtYu*eH4~QnB_0cVd_Gj5s_TzA8_oI3k_UyX6_pFw1"


class Screen(io.StringIO):
    """A terminal of eighty columns."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Delivered:
    """What stands in each sink."""

    stdout: str
    stderr: str
    summary: str
    outputs: dict[str, str]
    file: str

    def everything(self) -> str:
        return "\n".join(
            (self.stdout, self.stderr, self.summary, *self.outputs.values(), self.file)
        )


def deliver(
    folder: Path,
    report: Report,
    secret: str = TOKEN,
    *,
    on_github: bool = True,
    as_json: bool = False,
    stdout: io.StringIO | None = None,
    speaker: Speaker | None = None,
) -> Delivered:
    for name in ("output", "summary"):
        (folder / name).unlink(missing_ok=True)
    environ = {
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        **({"GITHUB_ACTIONS": "true"} if on_github else {}),
    }
    context = RunContext.from_environ(environ, cwd=folder, temp=folder)
    stdout, stderr = stdout or io.StringIO(), io.StringIO()
    redactor = Redactor.of([secret])
    log = stderr if as_json or not on_github else stdout
    actions = Actions(CommandFiles(context.output_file, context.summary_file), log)
    narrator = TerminalNarrator(stderr, redactor, debug=True)
    streams = Streams(stdout, stderr, json_output=as_json)
    Delivery(context, streams, actions, redactor, narrator, None, speaker).deliver(report, "")
    return Delivered(
        stdout.getvalue(),
        stderr.getvalue(),
        (folder / "summary").read_text(encoding="utf-8"),
        read_key_values(folder / "output"),
        (folder / "spark-deploy" / "report.json").read_text(encoding="utf-8"),
    )


def saying(text: str) -> Report:
    """A report that says `text` in many places."""
    base = reports.deploy_with_everything()
    assert base.plan is not None
    rewire = Rewire(1, text, (ChangedReference(text, text, text),), (text,), text)
    return replace(
        base, environment=text, warnings=(text,), plan=replace(base.plan, rewires=(rewire,))
    )


@pytest.mark.parametrize("before", [0, 80, 150, 190, 280, 290, 299, 490, 950, 990, 4_050, 4_090])
def test_a_secret_shows_in_no_sink_wherever_a_text_is_cut(tmp_path: Path, before: int) -> None:
    report = saying(f"{'word ' * (before // 5)}{TOKEN} and more")
    for told in (
        deliver(tmp_path, report),
        deliver(tmp_path, report, on_github=False),
        deliver(tmp_path, report, as_json=True),
        deliver(tmp_path, report, on_github=False, stdout=Screen()),
    ):
        shown = told.everything().replace("\\", "").replace("\u200b", "").replace("&#124;", "|")
        for start in range(0, len(TOKEN) - 8, 4):
            assert TOKEN[start : start + 8] not in shown


@pytest.mark.parametrize(
    "secret", ['"host"', "null", "mode", ": [", '",\n  "', "succeeded", "#", "\\u00"]
)
def test_the_document_stays_one_whatever_a_secret_looks_like(tmp_path: Path, secret: str) -> None:
    told = deliver(tmp_path, saying(f"a job {secret}"), secret)
    assert json.loads(told.file)["mode"] == "deploy"
    assert json.loads(told.outputs["report"])["outcome"] == "succeeded"
    assert (
        json.loads(deliver(tmp_path, saying("x"), secret, as_json=True).stdout)["mode"] == "deploy"
    )


def test_credentials_in_the_strings_of_jobs_are_shown_nowhere(tmp_path: Path) -> None:
    hidden = ("p4ssw0rd", "SIGNED0123", "XYZWEBHOOK")
    text = (
        f"x @ https://ada:{hidden[0]}@index.example/x.whl, /Volumes/a.whl,"
        f"https://b.example/x.whl?X-Amz-Signature={hidden[1]}&v=1,"
        f"https://hooks.slack.com/services/T0/B0/{hidden[2]}"
    )
    for told in (deliver(tmp_path, saying(text)), deliver(tmp_path, saying(text), on_github=False)):
        for secret in hidden:
            assert secret not in told.everything()
        assert "index.example/x.whl" in told.file
        assert "&v=1" in told.file


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(report=reports.reports, as_json=st.booleans())
def test_no_report_gives_the_runner_an_order_that_is_not_ours(
    tmp_path: Path, report: Report, *, as_json: bool
) -> None:
    told = deliver(tmp_path, report, as_json=as_json)
    for stream in (told.stdout, told.stderr):
        orders = Runner(loose=True).read(stream).commands
        assert {one.name for one in orders} <= {"error", "warning", "notice"}
        assert all(sum(one.name == name for one in orders) <= 10 for name in ("error", "warning"))
    if as_json:
        assert json.loads(told.stdout) == json.loads(told.file)
        assert Runner(loose=True).read(told.stdout).commands == []


class Telling(Speaker):
    """Says what it is told to, or breaks."""

    def __init__(self, told: Told | Exception) -> None:
        super().__init__(Style.UPDATE, "", None, "", None, lambda text: text)
        object.__setattr__(self, "told", told)

    def tell(self, report: Report) -> Told:
        told = self.told  # type: ignore[attr-defined]
        if isinstance(told, Exception):
            raise told
        assert isinstance(told, Told)
        return told


def test_what_is_said_of_the_comment_stands_in_outputs_log_and_summary(tmp_path: Path) -> None:
    told = Told("https://github.com/o/r/pull/7#issuecomment-1", "it was written", f"but {TOKEN}")
    found = deliver(tmp_path, reports.plan_of_three(), speaker=Telling(told))
    assert found.outputs["comment-url"] == told.url
    assert "it was written" in found.stderr
    assert "### ⚠️ No comment on the pull request" in found.summary
    assert [one.data for one in Runner().read(found.stdout).commands if one.name == "warning"]
    assert TOKEN not in found.everything()


@pytest.mark.parametrize("trouble", [ValueError("x"), OSError("y"), RuntimeError(TOKEN)])
def test_a_comment_that_breaks_changes_nothing_else(tmp_path: Path, trouble: Exception) -> None:
    report = reports.plan_of_three()
    found, usual = deliver(tmp_path, report, speaker=Telling(trouble)), deliver(tmp_path, report)
    assert "the comment on the pull request could not be written" in found.stderr
    assert (found.outputs, found.summary, found.file) == (usual.outputs, usual.summary, usual.file)
    assert TOKEN not in found.everything()


@pytest.mark.parametrize(
    "broken", ["to_json", "to_summary", "to_outputs", "to_lines", "to_annotations"]
)
def test_a_sink_that_fails_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    (tmp_path / "spark-deploy").mkdir()
    for name in ("spark-deploy/report.json", "output", "summary"):
        (tmp_path / name).touch()

    def fails(*_: object, **__: object) -> None:
        raise RecursionError(f"too deep for {TOKEN}")

    monkeypatch.setattr(f"deployer.delivery.{broken}", fails)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    told = deliver(tmp_path, reports.deploy_with_everything())
    written = {
        "to_json": told.file,
        "to_summary": told.summary,
        "to_outputs": told.outputs,
        "to_lines": "moved: nightly" in told.stdout,
        "to_annotations": "::notice::" in told.stdout,
    }
    assert not written.pop(broken)
    written.pop("to_annotations", None)  # they come after the lines of the log
    assert all(written.values())
    assert "too deep" in told.stderr
    assert TOKEN not in told.everything()
