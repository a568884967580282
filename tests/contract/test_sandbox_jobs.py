"""The embedded workspace plays the Jobs API: facts B1 to B4."""

import json

import pytest
from databricks.sdk.errors import NotFound, PermissionDenied, ResourceDoesNotExist
from databricks.sdk.service import jobs

from sandbox.options import MIB
from sandbox.server import Sandbox
from tests.workspace import call, running_workspace, sdk_client

JOBS = "/api/2.2/jobs"


def task(key: str, **fields: object) -> dict[str, object]:
    return {"task_key": key, **fields}


def read(workspace: Sandbox, job_id: int, **arguments: object) -> dict[str, object]:
    answer = call(workspace, "GET", f"{JOBS}/get", params={"job_id": job_id, **arguments})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def update(workspace: Sandbox, job_id: int, new: object, *remove: str) -> None:
    body = {"job_id": job_id, "new_settings": new, "fields_to_remove": list(remove)}
    answer = call(workspace, "POST", f"{JOBS}/update", json=body)
    assert answer.status_code == 200, answer.text


def refusal(workspace: Sandbox, name: str, body: object, token: str | None = None) -> str:
    answer = call(workspace, "POST", f"{JOBS}/{name}", json=body, token=token)
    assert answer.status_code >= 400
    return f"{answer.status_code} {answer.json().get('error_code')} {answer.json()['message']}"


def test_the_official_client_creates_reads_changes_and_deletes_a_job(workspace: Sandbox) -> None:
    with sdk_client(workspace) as client:
        made = client.jobs.create(
            name="nightly",
            tasks=[jobs.Task(task_key="a", python_wheel_task=jobs.PythonWheelTask("run", "pkg"))],
        )
        assert made.job_id is not None
        client.jobs.update(made.job_id, new_settings=jobs.JobSettings(name="weekly"))
        read_back = client.jobs.get(made.job_id)
        assert read_back.settings is not None
        assert read_back.settings.name == "weekly"
        assert read_back.creator_user_name == workspace.options.user
        assert [each.job_id for each in client.jobs.list(name="WEEKLY")] == [made.job_id]
        client.jobs.delete(made.job_id)
        with pytest.raises(ResourceDoesNotExist, match=f"Job {made.job_id} does not exist"):
            client.jobs.get(made.job_id)


class TestPaging:
    def test_get_gives_a_hundred_tasks_at_a_time(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job(
            {
                "tasks": [task(f"t{n:03}") for n in range(250)],
                "job_clusters": [{"job_cluster_key": f"c{n:03}"} for n in range(101)],
            }
        )
        sizes, token = [], ""
        while True:
            page = read(workspace, job_id, page_token=token)
            settings = page["settings"]
            assert isinstance(settings, dict)
            sizes.append((len(settings["tasks"]), len(settings["job_clusters"])))
            token = str(page.get("next_page_token", ""))
            if not token:
                break
        assert sizes == [(100, 100), (100, 1), (50, 0)]

    def test_the_official_client_merges_the_pages(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job({"tasks": [task(f"t{n:03}") for n in range(250)]})
        with sdk_client(workspace) as client:
            settings = client.jobs.get(job_id).settings
        assert settings is not None
        assert [each.task_key for each in settings.tasks or []] == [f"t{n:03}" for n in range(250)]

    def test_list_walks_250_jobs_from_the_newest_to_the_oldest(self, workspace: Sandbox) -> None:
        job_ids = [workspace.add_job({"name": f"job {n}"}) for n in range(250)]
        with sdk_client(workspace) as client:
            listed = [each.job_id for each in client.jobs.list(limit=100)]
        assert listed == job_ids[::-1]
        assert len(workspace.calls("GET", "/jobs/list")) == 3

    def test_a_job_made_while_listing_shifts_nothing(self, workspace: Sandbox) -> None:
        job_ids = [workspace.add_job({}) for _ in range(4)]
        first = call(workspace, "GET", f"{JOBS}/list", params={"limit": 2}).json()
        workspace.add_job({})
        token = first["next_page_token"]
        second = call(workspace, "GET", f"{JOBS}/list", params={"page_token": token}).json()
        listed = [each["job_id"] for each in first["jobs"] + second["jobs"]]
        assert listed == job_ids[::-1]

    def test_list_gives_twenty_jobs_unless_told_otherwise(self, workspace: Sandbox) -> None:
        for _ in range(21):
            workspace.add_job({})
        page = call(workspace, "GET", f"{JOBS}/list").json()
        assert len(page["jobs"]) == 20
        assert page["has_more"] is True

    @pytest.mark.parametrize("limit", [0, 101, -1])
    def test_a_limit_outside_of_1_to_100_is_refused(self, workspace: Sandbox, limit: int) -> None:
        answer = call(workspace, "GET", f"{JOBS}/list", params={"limit": limit})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")

    def test_a_forged_page_token_is_refused(self, workspace: Sandbox) -> None:
        answer = call(workspace, "GET", f"{JOBS}/list", params={"page_token": "2"})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")

    def test_list_shows_tasks_only_when_expanded_and_then_a_hundred(
        self, workspace: Sandbox
    ) -> None:
        workspace.add_job(
            {"name": "big", "tasks": [task(f"t{n:03}") for n in range(101)], "environments": []}
        )
        workspace.add_job({"name": "small", "tasks": [task("a")]})
        plain = call(workspace, "GET", f"{JOBS}/list").json()["jobs"]
        assert [each["settings"] for each in plain] == [{"name": "small"}, {"name": "big"}]
        small, big = call(workspace, "GET", f"{JOBS}/list?expand_tasks=true").json()["jobs"]
        assert "has_more" not in small
        assert (big["has_more"], len(big["settings"]["tasks"])) == (True, 100)

    def test_the_name_filter_takes_whole_names_in_any_case(self, workspace: Sandbox) -> None:
        wanted = workspace.add_job({"name": "Straße"})
        workspace.add_job({"name": "Straße 2"})
        found = call(workspace, "GET", f"{JOBS}/list", params={"name": "STRASSE"}).json()["jobs"]
        assert [each["job_id"] for each in found] == [wanted]

    def test_switched_off_paging_gives_everything_at_once(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job({"tasks": [task(f"t{n:03}") for n in range(250)]})
        for _ in range(30):
            workspace.add_job({})
        workspace.behave(list_paging=False, array_paging=False)
        settings = read(workspace, job_id)["settings"]
        assert isinstance(settings, dict)
        assert len(settings["tasks"]) == 250
        assert len(call(workspace, "GET", f"{JOBS}/list").json()["jobs"]) == 31


class TestUpdate:
    def test_tasks_are_merged_by_key_and_replaced_whole(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job(
            {"name": "n", "tags": {"a": "b"}, "tasks": [task("a", libraries=[1]), task("b", x=1)]}
        )
        update(workspace, job_id, {"tasks": [task("c"), task("b", y=2)]})
        assert workspace.job(job_id) == {
            "name": "n",
            "tags": {"a": "b"},
            "tasks": [task("a", libraries=[1]), task("b", y=2), task("c")],
        }

    def test_other_fields_are_replaced(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job({"tags": {"a": "b"}, "schedule": {"quartz": 1, "zone": 2}})
        update(workspace, job_id, {"schedule": {"quartz": 3}, "tags": {}})
        assert workspace.job(job_id) == {"tags": {}, "schedule": {"quartz": 3}}

    def test_fields_can_be_removed(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job(
            {"name": "n", "description": "d", "tasks": [task("a"), task("b")]}
        )
        update(workspace, job_id, {}, "description", "tasks/a")
        assert workspace.job(job_id) == {"name": "n", "tasks": [task("b")]}

    @pytest.mark.parametrize(
        ("rule", "kept"), [("merge", ["one", "two", "three"]), ("replace", ["two", "three"])]
    )
    def test_environments_are_played_both_ways(
        self, workspace: Sandbox, rule: str, kept: list[str]
    ) -> None:
        workspace.behave(environments=rule)
        one, two, three = ({"environment_key": key} for key in ("one", "two", "three"))
        job_id = workspace.add_job({"environments": [one, two]})
        update(workspace, job_id, {"environments": [{**two, "spec": {}}, three]})
        found = workspace.job(job_id)["environments"]
        assert [each["environment_key"] for each in found] == kept
        assert {**two, "spec": {}} in found

    def test_the_naive_switch_replaces_tasks(self, workspace: Sandbox) -> None:
        workspace.behave(tasks="replace")
        job_id = workspace.add_job({"tasks": [task("a"), task("b")]})
        update(workspace, job_id, {"tasks": [task("b", y=2)]})
        assert workspace.job(job_id)["tasks"] == [task("b", y=2)]

    def test_the_same_rules_hold_under_version_2_1(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job({"tasks": [task("a"), task("b")]})
        body = {"job_id": job_id, "new_settings": {"tasks": [task("a", x=1)]}}
        assert call(workspace, "POST", "/api/2.1/jobs/update", json=body).status_code == 200
        assert workspace.job(job_id)["tasks"] == [task("a", x=1), task("b")]


class TestReset:
    def reset(self, workspace: Sandbox, job_id: int, new: object, version: str = "2.2") -> None:
        body = {"job_id": job_id, "new_settings": new}
        answer = call(workspace, "POST", f"/api/{version}/jobs/reset", json=body)
        assert answer.status_code == 200, answer.text

    def test_it_replaces_everything(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job({"name": "n", "tasks": [task("a")], "queue": {"enabled": False}})
        self.reset(workspace, job_id, {"tasks": [task("b")], "queue": {"enabled": False}})
        assert workspace.job(job_id) == {"tasks": [task("b")], "queue": {"enabled": False}}

    @pytest.mark.parametrize(("version", "queue"), [("2.2", {"enabled": True}), ("2.1", None)])
    def test_only_version_2_2_turns_queueing_on(
        self, workspace: Sandbox, version: str, queue: object
    ) -> None:
        job_id = workspace.add_job({"name": "n"})
        self.reset(workspace, job_id, {"name": "n"}, version)
        assert workspace.job(job_id).get("queue") == queue

    def test_run_as_stays_when_it_is_left_out(self, workspace: Sandbox) -> None:
        run_as = {"service_principal_name": "robot"}
        job_id = workspace.add_job({"run_as": run_as})
        self.reset(workspace, job_id, {"name": "n"})
        assert workspace.job(job_id)["run_as"] == run_as


class TestWhatComesBack:
    def test_tasks_and_their_dependencies_are_sorted_by_key(self, workspace: Sandbox) -> None:
        wanted_by = [{"task_key": "b"}, {"task_key": "a"}]
        job_id = workspace.add_job({"tasks": [task("c", depends_on=wanted_by), task("b")]})
        settings = read(workspace, job_id)["settings"]
        assert isinstance(settings, dict)
        assert settings["tasks"] == [task("b"), task("c", depends_on=wanted_by[::-1])]

    def test_webhooks_come_in_another_order(self, workspace: Sandbox) -> None:
        hooks = [{"id": "1"}, {"id": "2"}]
        job_id = workspace.add_job({"webhook_notifications": {"on_failure": hooks}})
        settings = read(workspace, job_id)["settings"]
        assert isinstance(settings, dict)
        assert settings["webhook_notifications"]["on_failure"] == hooks[::-1]

    def test_unknown_fields_enum_values_empty_values_and_numbers_survive(
        self, workspace: Sandbox
    ) -> None:
        odd = {
            "from_the_future": {"a": [1, 1.0, 1e100, True, None, ""]},
            "tags": {},
            "edit_mode": "NO_SUCH_MODE",
            "tasks": [task("a", libraries=[], new_kind_task={"x": 10**17})],
        }
        body = json.dumps(odd)
        made = call(workspace, "POST", f"{JOBS}/create", data=body).json()["job_id"]
        settings = read(workspace, made)["settings"]
        assert isinstance(settings, dict)
        assert json.dumps(settings["from_the_future"]) == json.dumps(odd["from_the_future"])
        assert (settings["tags"], settings["edit_mode"]) == ({}, "NO_SUCH_MODE")
        assert settings["tasks"][0]["libraries"] == []
        assert settings["tasks"][0]["new_kind_task"] == {"x": 10**17}

    def test_write_only_fields_never_come_back(self, workspace: Sandbox) -> None:
        cluster = {"apply_policy_default_values": True, "num_workers": 1}
        body = {
            "access_control_list": [{"user_name": "a@b.c", "permission_level": "CAN_VIEW"}],
            "job_clusters": [{"job_cluster_key": "c", "new_cluster": cluster}],
            "tasks": [task("a", for_each_task={"task": task("b", new_cluster=cluster)})],
        }
        made = call(workspace, "POST", f"{JOBS}/create", json=body).json()["job_id"]
        text = json.dumps(read(workspace, made))
        assert "num_workers" in text
        assert "apply_policy_default_values" not in text
        assert "access_control_list" not in text

    @pytest.mark.parametrize(("version", "queue"), [("2.2", {"enabled": True}), ("2.1", None)])
    def test_create_fills_in_defaults(
        self, workspace: Sandbox, version: str, queue: object
    ) -> None:
        path = f"/api/{version}/jobs/create"
        made = call(workspace, "POST", path, json={"tasks": [task("a")]}).json()["job_id"]
        settings = workspace.job(made)
        assert settings["tasks"][0]["run_if"] == "ALL_SUCCESS"
        assert settings["format"] == "MULTI_TASK"
        assert settings.get("queue") == queue


class TestRefusals:
    def test_a_missing_job_is_400_and_by_switch_404(self, workspace: Sandbox) -> None:
        for name in ("update", "reset", "delete"):
            body = {"job_id": 5, "new_settings": {}}
            told = refusal(workspace, name, body)
            assert told == "400 INVALID_PARAMETER_VALUE Job 5 does not exist."
        workspace.behave(missing_job=404)
        assert refusal(workspace, "delete", {"job_id": 5}) == "404 None Job 5 does not exist."
        with sdk_client(workspace) as client, pytest.raises(NotFound):
            client.jobs.get(5)

    def test_a_thousand_tasks_are_taken_and_one_more_is_not(self, workspace: Sandbox) -> None:
        tasks = [task(f"t{n:04}") for n in range(1001)]
        assert "at most 1000" in refusal(workspace, "create", {"tasks": tasks})
        answer = call(workspace, "POST", f"{JOBS}/create", json={"tasks": tasks[:1000]})
        assert answer.status_code == 200

    def test_an_update_may_not_grow_beyond_a_thousand_tasks(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job({"tasks": [task(f"t{n:04}") for n in range(1000)]})
        body = {"job_id": job_id, "new_settings": {"tasks": [task("new")]}}
        assert "at most 1000" in refusal(workspace, "update", body)

    def test_a_shared_job_cluster_has_no_libraries(self, workspace: Sandbox) -> None:
        cluster = {"job_cluster_key": "c", "libraries": [{"whl": "/x.whl"}]}
        told = refusal(workspace, "create", {"job_clusters": [cluster]})
        assert told.startswith("400 INVALID_PARAMETER_VALUE Libraries cannot be declared")

    def test_a_git_source_needs_a_provider(self, workspace: Sandbox) -> None:
        told = refusal(workspace, "create", {"git_source": {"git_url": "https://example.com"}})
        assert told.startswith("400 INVALID_PARAMETER_VALUE git_source.git_provider must be one of")

    def test_two_tasks_can_not_share_a_key(self, workspace: Sandbox) -> None:
        assert "Duplicate task_key a" in refusal(
            workspace, "create", {"tasks": [task("a"), task("a")]}
        )

    @pytest.mark.parametrize("body", ["[]", "{", '"text"'])
    def test_a_body_that_is_no_object_is_malformed(self, workspace: Sandbox, body: str) -> None:
        answer = call(workspace, "POST", f"{JOBS}/create", data=body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")

    def test_a_request_of_more_than_ten_megabytes_is_refused(self, workspace: Sandbox) -> None:
        told = refusal(workspace, "create", {"description": "x" * (10 * MIB)})
        assert told.startswith("413 ")

    def test_a_refused_write_changes_nothing(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job({"tasks": [task("a")]})
        refusal(
            workspace,
            "update",
            {"job_id": job_id, "new_settings": {}, "fields_to_remove": ["tasks/a/libraries"]},
        )
        assert workspace.job(job_id) == {"tasks": [task("a")]}

    @pytest.mark.parametrize("name", ["update", "reset"])
    def test_a_system_managed_job_is_read_only(self, workspace: Sandbox, name: str) -> None:
        job_id = workspace.add_job({"deployment": {"kind": "SYSTEM_MANAGED"}})
        body = {"job_id": job_id, "new_settings": {"name": "x"}}
        assert refusal(workspace, name, body).startswith("403 PERMISSION_DENIED")
        workspace.behave(system_managed="writable")
        assert call(workspace, "POST", f"{JOBS}/{name}", json=body).status_code == 200

    def test_an_unknown_endpoint_says_so(self, workspace: Sandbox) -> None:
        answer = call(workspace, "GET", "/api/2.2/jobs/nothing")
        assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


class TestPermissions:
    def test_permission_is_checked_before_existence(self, workspace: Sandbox) -> None:
        token = workspace.add_user("guest@example.com")
        with sdk_client(workspace, token) as client:
            with pytest.raises(PermissionDenied, match="does not have View or Admin"):
                client.jobs.get(5)
            with pytest.raises(PermissionDenied, match="does not have Admin or Owner"):
                client.jobs.delete(5)

    def test_list_leaves_out_what_the_caller_may_not_view(self, workspace: Sandbox) -> None:
        token = workspace.add_user("guest@example.com")
        job_ids = [workspace.add_job({}) for _ in range(150)]
        seen = job_ids[::10]
        for job_id in seen:
            workspace.grant("guest@example.com", job_id, "CAN_VIEW")
        with sdk_client(workspace, token) as client:
            assert [each.job_id for each in client.jobs.list(limit=4)] == seen[::-1]
            workspace.behave(list_only_viewable=False)
            assert len(list(client.jobs.list())) == 150

    def test_viewing_is_not_changing(self, workspace: Sandbox) -> None:
        token = workspace.add_user("guest@example.com")
        job_id = workspace.add_job({"name": "n"})
        workspace.grant("users", job_id, "CAN_VIEW")
        body = {"job_id": job_id, "new_settings": {"name": "x"}}
        told = refusal(workspace, "update", body, token)
        assert told == (
            "403 PERMISSION_DENIED User guest@example.com does not have Admin or Owner permissions"
            f" on job {job_id}"
        )
        workspace.grant("guest@example.com", job_id, "CAN_MANAGE")
        with sdk_client(workspace, token) as client:
            client.jobs.update(job_id, new_settings=jobs.JobSettings(name="x"))

    def test_a_cap_holds_for_an_admin_too(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job({"name": "n"})
        workspace.deny(workspace.options.user, job_id, keep="CAN_VIEW")
        body = {"job_id": job_id, "new_settings": {"name": "x"}}
        assert refusal(workspace, "update", body).startswith("403 ")
        assert read(workspace, job_id)["job_id"] == job_id

    def test_only_an_admin_hands_a_job_to_somebody_else(self, workspace: Sandbox) -> None:
        token = workspace.add_user("guest@example.com")
        job_id = workspace.add_job({"name": "n"}, creator="guest@example.com")
        body = {"job_id": job_id, "new_settings": {"run_as": {"user_name": "boss@example.com"}}}
        assert refusal(workspace, "update", body, token).startswith("403 ")
        assert call(workspace, "POST", f"{JOBS}/update", json=body).status_code == 200
        assert read(workspace, job_id)["run_as_user_name"] == "boss@example.com"


class TestNaiveSwitches:
    def test_nothing_is_reordered(self, workspace: Sandbox) -> None:
        hooks = {"on_start": [{"id": "1"}, {"id": "2"}]}
        settings = {"webhook_notifications": hooks, "tasks": [task("b"), task("a")]}
        workspace.behave(sort_tasks=False, shuffle_webhooks=False)
        assert read(workspace, workspace.add_job(settings))["settings"] == settings

    def test_create_stores_what_it_was_given(self, workspace: Sandbox) -> None:
        cluster = {"apply_policy_default_values": True}
        settings = {"tasks": [task("a", new_cluster=cluster)]}
        workspace.behave(create_defaults=False, queue_by_default=False, drops_write_only=False)
        made = call(workspace, "POST", f"{JOBS}/create", json=settings).json()["job_id"]
        assert workspace.job(made) == settings

    def test_a_missing_job_is_missing_for_everybody(self, workspace: Sandbox) -> None:
        token = workspace.add_user("guest@example.com")
        workspace.behave(permission_first=False)
        assert refusal(workspace, "delete", {"job_id": 5}, token).startswith("400 ")


def test_the_log_of_calls_has_bodies_and_answers(workspace: Sandbox) -> None:
    job_id = workspace.add_job({"name": "n"})
    update(workspace, job_id, {"name": "x"})
    (made,) = workspace.calls("POST", "/jobs/update")
    assert (made.status, made.user) == (200, workspace.options.user)
    assert made.body["new_settings"] == {"name": "x"}


def test_a_behaviour_that_does_not_exist_is_refused(workspace: Sandbox) -> None:
    with pytest.raises(ValueError, match="no behaviour named 'task'"):
        workspace.behave(task="merge")
    with pytest.raises(ValueError, match="takes one of"):
        workspace.behave(tasks="append")


def test_workspaces_do_not_share_state(workspace: Sandbox) -> None:
    workspace.add_job({"name": "n"})
    with running_workspace() as other:
        assert other.jobs() == {}
        assert call(other, "GET", f"{JOBS}/list", token=workspace.token).status_code == 401
