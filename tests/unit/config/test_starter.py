"""The first configuration and workflow: what everybody who reads them makes of them."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from deployer.config.environments import BRANCH_FORM, NAME_FORM
from deployer.config.file import read_configuration
from deployer.config.starter import (
    EXAMPLE_HOST,
    EXAMPLE_ROOT,
    FOLDER_FORM,
    Seen,
    configuration_text,
    next_steps,
    workflow_text,
)

LINE = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=20).filter(
    lambda text: "$" not in text and ":" not in text and "eyJ" not in text
)
SEEN = st.builds(
    Seen,
    library=st.text(max_size=20),
    branch=st.just("") | st.from_regex(BRANCH_FORM, fullmatch=True).filter(str.isprintable),
    environment=st.just("") | st.from_regex(NAME_FORM, fullmatch=True),
    host=LINE,
    client_id=LINE,
    root=LINE,
    project=st.just("") | st.from_regex(FOLDER_FORM, fullmatch=True),
)


@given(SEEN)
def test_our_own_parser_reads_what_was_seen_back(seen: Seen) -> None:
    text = configuration_text(seen)
    (found,) = read_configuration(text.encode(), "spark-deploy.yml").environments
    assert found.name == (seen.environment or "production")
    assert found.branches == (seen.branch or "main",)
    texts = {name: one.text for name, one in found.entries.items()}
    assert texts.pop("databricks-host") == (seen.host or EXAMPLE_HOST)
    assert texts.pop("root") == (seen.root or EXAMPLE_ROOT)
    assert texts == ({"databricks-client-id": seen.client_id} if seen.client_id else {})


@given(SEEN)
@example(Seen(branch="on", environment="no", root="null"))
@example(Seen(branch="1.10", environment="007", root="true"))
def test_every_reader_of_yaml_takes_the_texts_for_texts(seen: Seen) -> None:
    """PyYAML reads YAML 1.1, where `no` is a boolean and `1:30` a number."""
    document: dict[str, Any] = yaml.safe_load(configuration_text(seen))
    ((name, values),) = document["environments"].items()
    assert name == (seen.environment or "production")
    assert values["branches"] == [seen.branch or "main"]
    assert values["root"] == (seen.root or EXAMPLE_ROOT)


def workflow(seen: Seen) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.load(workflow_text(seen), Loader=yaml.BaseLoader)
    return loaded


@given(SEEN)
def test_the_workflow_is_yaml_with_the_names_that_were_seen(seen: Seen) -> None:
    found = workflow(seen)
    assert found["on"]["pull_request"]["branches"] == [seen.branch or "main"]
    assert found["jobs"]["deploy"]["environment"] == (seen.environment or "production")
    assert found["jobs"]["build"]["steps"][1]["run"].split() == [
        *["pipx", "run", "build", "--wheel"],
        *(["--outdir", "dist", seen.project] if seen.project else []),
    ]


def test_the_workflow_has_least_permissions_and_no_secret() -> None:
    text = workflow_text(Seen())
    found = workflow(Seen())
    assert found["permissions"] == {}
    assert found["jobs"]["build"]["permissions"] == {"contents": "read"}
    rights = {"contents": "read", "id-token": "write"}
    assert found["jobs"]["deploy"]["permissions"] == rights
    assert found["jobs"]["plan"]["permissions"] == rights | {"pull-requests": "write"}
    assert "secrets." not in text


def test_where_the_code_of_a_pull_request_runs_there_are_no_credentials() -> None:
    jobs = workflow(Seen())["jobs"]
    build, plan = jobs["build"], jobs["plan"]
    assert "DATABRICKS" not in str(build)
    assert not [step for step in plan["steps"] if "run" in step]
    checkout = plan["steps"][0]["with"]
    assert checkout["sparse-checkout"] == "spark-deploy.yml"
    assert all(
        "persist-credentials" not in step.get("with", {})
        or step["with"]["persist-credentials"] == "false"
        for job in jobs.values()
        for step in job["steps"]
    )


def test_the_workflow_gives_no_input_that_spark_deploy_yml_should_say() -> None:
    jobs = workflow(Seen(root="/x", host="y"))["jobs"]
    given_inputs = {name for job in ("plan", "deploy") for name in jobs[job]["steps"][-1]["with"]}
    assert given_inputs == {"mode", "wheel", "environment"}


def test_the_next_steps_ask_for_what_is_still_an_example() -> None:
    assert "`host` and `root`" in next_steps(Seen(), fresh=True)[0]
    assert "your own `root`" in next_steps(Seen(host="https://x"), fresh=True)[0]
    assert "your own" not in next_steps(Seen(), fresh=False)[0]
