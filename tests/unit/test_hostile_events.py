"""Any event, any variables, any inputs: a request or a reason, and no proposal beside credentials."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployer.contract import Mode
from deployer.errors import DeployError, ExitCode, FailureReason, exit_code
from deployer.request import Request, read_request
from deployer.trust import credentials_held, would_build
from tests.unit.event import payloads
from tests.unit.event.payloads import FORK, as_bytes
from tests.unit.event.test_reading import ANYTHING, EVERY

FILE = """\
version: 1
defaults: {root: /Volumes/main/libraries/released}
environments:
  dev: {branches: [develop, "feature/*"]}
  live: {releases: true}
"""
CREDENTIALS = st.fixed_dictionaries(
    {},
    optional={
        "DATABRICKS_TOKEN": st.just("dapi-x"),
        "DATABRICKS_HOST": st.just("https://x.example.com"),
        "DATABRICKS_CLIENT_ID": st.just("1-2"),
        "ACTIONS_ID_TOKEN_REQUEST_URL": st.just("https://y"),
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": st.just("t"),
    },
)
MODES = st.sampled_from([*(mode.value for mode in Mode), "auto", "auto", "auto", "nonsense"])
INPUTS = st.fixed_dictionaries(
    {"mode": MODES},
    optional={
        "environment": st.sampled_from(["dev", "live", "other"]),
        "wheel": st.just("dist/*.whl"),
        "checks": st.sampled_from(["true", "false"]),
        "databricks-token": st.just("dapi-y"),
        "trust-project": st.sampled_from(["true", "false"]),
        "from-report": st.just("report.json"),
    },
)
KNOWN: dict[str, list[Any]] = {
    **{name: [payload] for name, payload in EVERY.items()},
    "pull_request": [
        payloads.pull_request(),
        payloads.pull_request(head=FORK),
        payloads.pull_request(by="dependabot[bot]"),
        payloads.pull_request("closed", merged=True),
    ],
    "push": [payloads.push(), payloads.push("refs/heads/develop"), payloads.push("refs/tags/v1.4.2")],
    "issue_comment": [payloads.around(issue={"pull_request": {}}), payloads.around(issue={"number": 1})],
}  # fmt: skip
EVENTS = st.sampled_from(sorted(KNOWN)).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(KNOWN[name]) | ANYTHING)
)


def asked(
    name: str, payload: object, environ: dict[str, str], inputs: dict[str, str], file: str
) -> Request | DeployError:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "event.json").write_bytes(as_bytes(payload))
        if file:
            (folder / "spark-deploy.yml").write_text(file, encoding="utf-8")
        known = {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(folder / "event.json")}
        if name.startswith("pull_request"):
            known["GITHUB_BASE_REF"] = "develop"
        try:
            return read_request(inputs, {**environ, **known}, folder)
        except DeployError as error:
            return error


@settings(max_examples=500)
@given(EVENTS, CREDENTIALS, INPUTS, st.sampled_from(["", FILE]))
@example(
    ("pull_request", payloads.pull_request()), {"DATABRICKS_TOKEN": "x"}, {"mode": "auto"}, FILE
)
@example(("schedule", {}), {}, {"mode": "auto", "checks": "true"}, "")
def test_what_is_asked_is_known_or_explained_and_no_proposal_is_built_beside_credentials(
    event: tuple[str, object], environ: dict[str, str], inputs: dict[str, str], file: str
) -> None:
    name, payload = event
    found = asked(name, payload, environ, inputs, file)
    if isinstance(found, DeployError):
        assert exit_code(found.reason) in {ExitCode.INVALID, ExitCode.REFUSED}
        assert found.problem.title
        return
    asks = found.settings
    assert name != "pull_request_target" or asks.mode is Mode.COMMENT
    assert inputs["mode"] != "auto" or found.told.startswith("Mode auto: ")
    held, builds = credentials_held(inputs, environ), would_build(asks)
    refused = [one.reason for one in found.objections] == [FailureReason.UNTRUSTED_CODE]
    if name == "pull_request" and held and builds and inputs.get("trust-project") != "true":
        assert refused
    if name in {"push", "release", "schedule", "workflow_dispatch", "merge_group"} or not held:
        assert not refused
