"""Any JSON where job settings or other documents should be: read, planned, written and told, never a bug."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.deployment.scan import scan_jobs
from deployer.deployment.write import smallest_write
from deployer.draft import Draft
from deployer.jobs.inventory import read_job
from deployer.jobs.leads import TEXTS, LeadKind, leads_in, policy_rules, text_lead
from deployer.jobs.mentions import file_names_in, searches_folder
from deployer.jobs.sightings import in_document, in_text
from deployer.narrators import TerminalNarrator
from deployer.plan.clusters import installed, is_all_purpose, is_running, names_cluster
from deployer.plan.policy import Rule
from deployer.redaction import Redactor
from deployer.report.document import to_json
from deployer.report.model import Outcome
from deployer.report.outputs import to_outputs
from deployer.report.summary import to_summary
from deployer.report.terminal import to_lines
from deployer.settings import parse
from tests.fake_workspace import FakeWorkspace
from tests.job_settings import (
    ROOT,
    Settings,
    any_settings,
    job_settings,
    keyless_settings,
    order,
    plan_for,
)
from tests.unit.report.markdown_reading import active_text, autolinks, foreign_html
from tests.unit.report.test_document import validator

EAGER = order("1.4.0", rule=Rule.ANY, allow_prereleases=True, move_owned=True)
any_job = st.one_of(job_settings, keyless_settings(), any_settings)
quick = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(st.lists(any_job, max_size=3))
def test_any_settings_are_planned_written_and_told(all_settings: list[Settings]) -> None:
    plan = plan_for(*all_settings, order=EAGER)
    for rewire in plan.rewires:
        write = smallest_write(all_settings[rewire.job_id - 1], rewire)
        assert json.loads(json.dumps(write.settings)) == write.settings
    narrator = TerminalNarrator(io.StringIO(), Redactor(), debug=True)
    draft = Draft(parse({"mode": "plan", "root": ROOT}), narrator)
    draft.note_plan(plan, jobs_seen=len(all_settings))
    draft.note_inventory([read_job(number, one) for number, one in enumerate(all_settings, 1)])
    report = draft.report(Outcome.SUCCEEDED)
    summary = to_summary(report)
    assert foreign_html(summary) == active_text(summary) == autolinks(summary) == []
    assert all(len(line.splitlines()) == 1 for line in to_lines(report))
    validator.validate(json.loads(to_json(report)))
    assert to_outputs(report, report_path="", wheel_path="")


@quick
@given(any_job)
def test_any_document_is_searched_for_what_it_names(document: Settings) -> None:
    for lead in leads_in(document):
        assert isinstance(lead.target, str)
    assert all(name for name in file_names_in(document))
    assert searches_folder(document, ROOT) in {True, False}
    for kind in ("cluster", "policy", "pipeline"):
        for one in in_document(kind, "1", "x", document):
            assert one.reference.span.of(one.reference.text) == one.reference.spelled
    assert {is_all_purpose(document), is_running(document), names_cluster(document, "c")} <= {
        True,
        False,
    }
    assert all(one.value for one in installed(document))


@quick
@given(st.lists(any_job, max_size=3))
def test_any_jobs_are_scanned(all_settings: list[Settings]) -> None:
    workspace = FakeWorkspace()
    for one in all_settings:
        workspace.add_job(one)
    scan = scan_jobs(
        workspace.jobs, ROOT, keep=lambda job: bool(job.references), on_seen=lambda _: None
    )
    assert scan.jobs_seen == len(all_settings)


@quick
@given(text=st.text(max_size=300), path=st.text(max_size=60), kind=st.sampled_from(sorted(TEXTS)))
def test_any_text_is_searched_and_any_path_is_a_lead_or_none(
    text: str, path: str, kind: LeadKind
) -> None:
    lead = text_lead(kind, path)
    assert lead is None or not {"..", "."} & set(lead.target.split("/"))
    for found in (lead, text_lead(kind, "/Workspace/a/b")):
        if found is not None:
            for one in in_text(found, text):
                assert one.reference.text in one.value
    assert isinstance(policy_rules(text), dict)


@pytest.mark.parametrize(
    "piece", ["%pip install ", "--find-links ", "\\\n", "(", "'", "${", "-r ", "&& ", "# ", "[a]"]
)
@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_no_text_takes_long_to_search(kind: LeadKind, piece: str) -> None:
    # A pattern that goes back and forth would run into the time limit of the suite.
    lead = text_lead(kind, "/Workspace/a/b")
    assert lead is not None
    found: Any = in_text(lead, piece * 5_000 + "sales_metrics-1.2.0-py3-none-any.whl")
    assert isinstance(found, tuple)
