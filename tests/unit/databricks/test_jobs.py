"""Jobs and usage, where a workspace says less or more than the embedded one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from deployer.deployment.ports import Identity, NotFound, Refused
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.answers import Answer
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.jobs import DatabricksJobs
from deployer.platforms.databricks.transport import Call, Transport
from deployer.platforms.databricks.usage import DatabricksUsage
from tests.unit.databricks.clock import Clock

SOMEBODY = Identity("Some.Body@example.com", admin=False, groups=frozenset({"releasers"}))


class Stored(Transport):
    """Answers with the document stored under the path and the page token; else 404."""

    def __init__(self, documents: Mapping[tuple[str, str], JsonObject]) -> None:
        super().__init__("https://w.example.com", dict, {})
        self.documents = documents

    def attempt(self, call: Call) -> Answer:
        token = str(call.query.get("page_token", ""))
        document = self.documents.get((call.path.rpartition("2.")[2], token))
        return Answer(404) if document is None else Answer(200, document=document)


def client_of(documents: Mapping[tuple[str, str], JsonObject]) -> Client:
    clock = Clock()
    return Client(Stored(documents), clock=clock, sleep=clock.sleep)


def test_a_job_that_moves_to_the_next_page_while_we_read_is_given_once() -> None:
    one: JsonObject = {"job_id": 1, "settings": {"name": "one"}}
    two: JsonObject = {"job_id": 2, "settings": {"name": "two"}}
    documents: dict[tuple[str, str], JsonObject] = {
        ("2/jobs/list", ""): {"jobs": [one, two], "next_page_token": "t"},
        ("2/jobs/list", "t"): {"jobs": [two]},
    }
    jobs = DatabricksJobs(client_of(documents))
    assert [job.job_id for job in jobs.all_jobs()] == [1, 2]


def test_a_job_that_has_more_is_put_together_from_its_pages() -> None:
    first: JsonObject = {
        "job_id": 1,
        "creator_user_name": "a@example.com",
        "settings": {"name": "n", "tasks": [{"task_key": "a"}]},
        "next_page_token": "t",
    }
    second: JsonObject = {"job_id": 1, "settings": {"name": "n", "tasks": [{"task_key": "b"}]}}
    job = DatabricksJobs(client_of({("2/jobs/get", ""): first, ("2/jobs/get", "t"): second})).job(1)
    assert job.settings == {"name": "n", "tasks": [{"task_key": "a"}, {"task_key": "b"}]}
    assert (job.creator, job.complete) == ("a@example.com", True)


@pytest.mark.parametrize(
    ("line", "may"),
    [
        ({"user_name": "some.body@example.com", "level": "CAN_MANAGE"}, True),
        ({"user_name": "some.body@example.com", "level": "IS_OWNER"}, True),
        ({"user_name": "some.body@example.com", "level": "CAN_MANAGE_RUN"}, False),
        ({"user_name": "other@example.com", "level": "CAN_MANAGE"}, False),
        ({"service_principal_name": "Some.Body@example.com", "level": "CAN_MANAGE"}, True),
        ({"group_name": "releasers", "level": "CAN_MANAGE"}, True),
        ({"group_name": "users", "level": "CAN_MANAGE"}, True),
        ({"group_name": "admins", "level": "CAN_MANAGE"}, False),
    ],
)
def test_who_may_edit_is_read_from_the_access_list(line: dict[str, str], *, may: bool) -> None:
    level = {"permission_level": line["level"], "inherited": True}
    principal = {name: value for name, value in line.items() if name != "level"}
    answer: JsonObject = {"access_control_list": [{**principal, "all_permissions": [level]}]}
    jobs = DatabricksJobs(client_of({("0/permissions/jobs/1", ""): answer}))
    assert jobs.may_edit(1, SOMEBODY) is may


def test_an_access_list_that_can_not_be_read_leaves_it_open() -> None:
    assert DatabricksJobs(client_of({})).may_edit(1, SOMEBODY) is None


def test_a_conflict_of_writers_is_a_refusal() -> None:
    class Conflict(Stored):
        def attempt(self, call: Call) -> Answer:
            return Answer(409, code="ALREADY_EXISTS", message="Somebody else writes.")

    clock = Clock()
    client = Client(Conflict({}), clock=clock, sleep=clock.sleep)
    with pytest.raises(Refused, match="Somebody else writes"):
        DatabricksJobs(client).update(1, {})


def test_a_job_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        DatabricksJobs(client_of({})).job(1)


def test_clusters_come_from_all_pages_and_from_their_libraries() -> None:
    documents: dict[tuple[str, str], JsonObject] = {
        ("0/libraries/all-cluster-statuses", ""): {
            "statuses": [
                {"cluster_id": "c2", "library_statuses": [{"library": {"whl": "/w.whl"}}]},
                {"cluster_id": "old", "library_statuses": [{"library": {"whl": "/o.whl"}}]},
            ]
        },
        ("1/clusters/list", ""): {"clusters": [{"cluster_id": "c1"}], "next_page_token": "t"},
        ("1/clusters/list", "t"): {"clusters": [{"cluster_id": "c2", "cluster_name": "two"}]},
        ("0/policies/clusters/list", ""): {},
        ("0/pipelines", ""): {"statuses": [{"pipeline_id": "gone", "name": "gone"}]},
    }
    found = {each.id: each for each in DatabricksUsage(client_of(documents)).other_users()}
    assert set(found) == {"c1", "c2", "old"}
    assert found["c2"].name == "two"
    assert "/w.whl" in str(found["c2"].document)
    assert "/o.whl" in str(found["old"].document)
