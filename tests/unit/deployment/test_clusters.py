"""Replacing the library of clusters: order, waiting, restarts, and every way in which it can fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from deployer.deployment.clusters import (
    Became,
    Site,
    Updated,
    Waiting,
    update_clusters,
)
from deployer.deployment.ports import (
    ClusterListing,
    Clusters,
    Denied,
    Identity,
    Interrupted,
    Refused,
    Unavailable,
    UsageDocument,
)
from deployer.jobs.places import JsonObject
from deployer.plan.clusters import decide_clusters
from deployer.plan.model import ClusterChange
from tests.fake_workspace import FakeWorkspace
from tests.job_settings import ROOT, order, wheel

OLD = f"{ROOT}/{wheel('1.2.0')}"
NEW = f"{ROOT}/{wheel('1.4.0')}"
ORDER = order("1.4.0")


@dataclass
class Play:
    """Clusters as the fake has them, with somebody or something that interferes.

    `before` and `after` are called with the verb and the cluster around every call; `looks` counts the
    seconds that were waited.
    """

    workspace: FakeWorkspace = field(default_factory=FakeWorkspace)
    before: Callable[[str, str], None] = lambda verb, cluster_id: None
    after: Callable[[str, str], None] = lambda verb, cluster_id: None
    sleep: Callable[[], None] = lambda: None
    waited_s: float = 0
    stop: bool = False
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.workspace.put_file(OLD, b"old")
        self.workspace.put_file(NEW, b"new")

    # --- ports.Clusters

    def listing(self) -> ClusterListing:
        return self.workspace.clusters.listing()

    def cluster(self, cluster_id: str) -> JsonObject:
        return self.workspace.clusters.cluster(cluster_id)

    def install(self, cluster_id: str, library: JsonObject) -> None:
        self.before("install", cluster_id)
        self.workspace.clusters.install(cluster_id, library)
        self.after("install", cluster_id)

    def uninstall(self, cluster_id: str, libraries: Sequence[JsonObject]) -> None:
        self.before("uninstall", cluster_id)
        self.workspace.clusters.uninstall(cluster_id, libraries)
        self.after("uninstall", cluster_id)

    def restart(self, cluster_id: str) -> None:
        self.before("restart", cluster_id)
        self.workspace.clusters.restart(cluster_id)
        self.after("restart", cluster_id)

    # --- what tests do

    def add(self, cluster_id: str = "c1", *values: str, state: str = "RUNNING") -> JsonObject:
        document: JsonObject = {
            "cluster_id": cluster_id,
            "cluster_name": f"the {cluster_id}",
            "cluster_source": "UI",
            "state": state,
            "library_statuses": [
                {"library": {"whl": value}, "status": "INSTALLED"} for value in values or (OLD,)
            ],
        }
        self.workspace.others.append(UsageDocument("cluster", cluster_id, "", document))
        return document

    def statuses(self, cluster_id: str = "c1") -> dict[str, str]:
        found: Any = self.cluster(cluster_id)["library_statuses"]
        return {one["library"]["whl"]: one["status"] for one in found}

    def set_status(self, value: str, status: str, *messages: str, cluster_id: str = "c1") -> None:
        found: Any = self.workspace.clusters._cluster(cluster_id)["library_statuses"]
        for one in found:
            if one["library"]["whl"] == value:
                one.update(status=status, messages=list(messages))

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.workspace.written]

    def changes(self, *, restart: bool = False) -> tuple[ClusterChange, ...]:
        listing = self.listing()
        return decide_clusters(ORDER, listing.clusters, listing.policies, restart=restart).changes

    def run(
        self,
        *,
        restart: bool = False,
        changes: tuple[ClusterChange, ...] | None = None,
        admin: bool = True,
        waiting: Waiting | None = None,
    ) -> tuple[Updated, ...]:
        clusters: Clusters = self
        identity = Identity("deployer@example.com", admin)
        site = Site(clusters, self.workspace.usage, identity, ORDER, self.listing(), restart)
        return update_clusters(
            site,
            self.changes(restart=restart) if changes is None else changes,
            waiting=waiting or Waiting(sleep=self._sleep, clock=lambda: self.waited_s),
            stopped=lambda: self.stop,
            on_wait=self.told.append,
            on_done=lambda _: None,
        )

    def _sleep(self, seconds: float) -> None:
        self.waited_s += seconds
        self.sleep()

    def one(self, **how: Any) -> Updated:
        (updated,) = self.run(**how)
        return updated


@pytest.fixture
def play() -> Play:
    return Play()


# ── As planned ───────────────────────────────────────────────────────────────────────────────────


def test_the_new_library_comes_before_the_old_one_goes(play: Play) -> None:
    play.add()
    updated = play.one()
    assert (updated.became, updated.detail) == (
        Became.UPDATED,
        "takes effect when the cluster is restarted",
    )
    assert play.verbs == ["install", "uninstall"]
    assert play.statuses() == {OLD: "UNINSTALL_ON_RESTART", NEW: "INSTALLED"}
    assert play.changes() == ()


def test_a_stopped_cluster_takes_it_when_it_starts(play: Play) -> None:
    play.add(state="TERMINATED")
    play.after = lambda verb, _: play.set_status(NEW, "PENDING") if verb == "install" else None
    updated = play.one(restart=True)
    assert (updated.became, updated.detail) == (
        Became.UPDATED,
        "takes effect when the cluster starts",
    )
    assert play.statuses() == {OLD: "UNINSTALL_ON_RESTART", NEW: "PENDING"}
    assert play.waited_s == 0


def test_a_running_cluster_is_restarted_where_that_is_asked(play: Play) -> None:
    play.add()
    updated = play.one(restart=True)
    assert (updated.became, updated.detail) == (Became.RESTARTED, "")
    assert play.verbs == ["install", "uninstall", "restart"]
    assert play.statuses() == {NEW: "INSTALLED"}
    assert play.changes(restart=True) == ()


def test_a_restart_that_was_still_to_come_is_all_that_is_done(play: Play) -> None:
    play.add("c1", OLD, NEW)
    play.set_status(OLD, "UNINSTALL_ON_RESTART")
    assert play.one(restart=True).became is Became.RESTARTED
    assert play.verbs == ["restart"]


def test_what_a_broken_run_had_begun_is_ended(play: Play) -> None:
    play.add()
    changes = play.changes(restart=True)
    play.workspace.clusters.install("c1", {"whl": NEW})
    play.workspace.clusters.uninstall("c1", [{"whl": OLD}])
    assert play.one(restart=True, changes=changes).became is Became.RESTARTED
    assert play.verbs == ["install", "uninstall", "restart"]


def test_who_was_faster_with_the_restart_is_told(play: Play) -> None:
    play.add()
    changes = play.changes(restart=True)
    play.after = lambda verb, cluster_id: (
        play.workspace.clusters.restart(cluster_id) if verb == "uninstall" else None
    )
    updated = play.one(restart=True, changes=changes)
    assert (updated.became, updated.detail) == (
        Became.RESTARTED,
        "somebody restarted it meanwhile",
    )


def test_at_every_instant_the_cluster_keeps_one_of_the_two(play: Play) -> None:
    """Rule 5 of design.md, also where the new version fails."""
    seen: list[dict[str, str]] = []
    for broken in (False, True):
        play = Play()
        play.add()
        if broken:
            del play.workspace.contents[NEW]
        play.before = play.after = lambda *_: seen.append(play.statuses())  # noqa: B023
        play.run(restart=True)
    assert len(seen) > 8
    for statuses in seen:
        assert set(statuses.values()) & {"INSTALLED"}


def test_several_clusters_are_told_in_the_order_of_the_plan(play: Play) -> None:
    for number in range(12):
        play.add(f"c{number:02}")
    updated = play.run()
    assert [one.change.cluster_id for one in updated] == [f"c{number:02}" for number in range(12)]
    assert {one.became for one in updated} == {Became.UPDATED}


# ── Waiting ──────────────────────────────────────────────────────────────────────────────────────


def test_an_installation_is_waited_for_before_the_old_version_goes(play: Play) -> None:
    play.add()
    play.after = lambda verb, _: play.set_status(NEW, "INSTALLING") if verb == "install" else None

    def sleep() -> None:
        assert play.verbs == ["install"]
        if play.waited_s > 10:
            play.set_status(NEW, "INSTALLED")

    play.sleep = sleep
    assert play.one().became is Became.UPDATED
    assert play.waited_s > 10
    assert play.told == [f"cluster c1 installs {NEW}, which may take up to 15 minutes"]


@pytest.mark.parametrize("status", ["PENDING", "RESOLVING", "INSTALLING"])
def test_an_installation_that_never_ends_has_a_bound(play: Play, status: str) -> None:
    play.add()
    play.after = lambda verb, _: play.set_status(NEW, status) if verb == "install" else None
    updated = play.one()
    assert updated.became is Became.FAILED
    assert "had not ended after 900 s" in updated.detail
    assert play.waited_s < 910
    assert play.statuses()[OLD] == "INSTALLED"


def test_a_restart_that_never_ends_has_a_bound(play: Play) -> None:
    document = play.add()
    play.after = lambda verb, _: document.update(state="RESTARTING") if verb == "restart" else None
    updated = play.one(restart=True)
    assert updated.became is Became.FAILED
    assert "had not come back 1200 s after its restart" in updated.detail


def test_a_restart_has_ended_only_when_the_library_is_loaded(play: Play) -> None:
    document = play.add()

    def after(verb: str, _: str) -> None:
        if verb == "restart":
            document["state"] = "RESTARTING"
            play.set_status(NEW, "PENDING")

    def sleep() -> None:
        if play.waited_s > 10:
            document["state"] = "RUNNING"
        if play.waited_s > 20:
            play.set_status(NEW, "INSTALLED")

    play.after, play.sleep = after, sleep
    assert play.one(restart=True).became is Became.RESTARTED
    assert play.waited_s > 20


def test_a_cluster_that_still_shows_its_old_state_has_not_restarted_yet(play: Play) -> None:
    play.add()

    def before(verb: str, _: str) -> None:
        if verb == "restart":
            play.workspace.clusters.install("c1", {"whl": OLD})  # as it was before

    def after(verb: str, cluster_id: str) -> None:
        if verb == "restart":
            play.workspace.clusters.uninstall(cluster_id, [{"whl": OLD}])

    def sleep() -> None:
        if play.waited_s > 10:
            play.workspace.clusters.restart("c1")

    play.before, play.after, play.sleep = before, after, sleep
    assert play.one(restart=True).became is Became.RESTARTED
    assert play.waited_s > 10
    assert play.statuses() == {NEW: "INSTALLED"}


# ── A new version that fails ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["FAILED", "SKIPPED"])
def test_where_the_new_version_can_not_be_installed_the_old_one_stays(
    play: Play, status: str
) -> None:
    play.add()
    play.after = lambda verb, _: (
        play.set_status(NEW, status, "pip said no") if verb == "install" else None
    )
    updated = play.one(restart=True)
    assert updated.became is Became.FAILED
    assert updated.detail == "the new version can't be installed: pip said no; the old one stays"
    assert play.statuses() == {OLD: "INSTALLED", NEW: "UNINSTALL_ON_RESTART"}
    assert "restart" not in play.verbs


def test_a_running_cluster_may_refuse_a_second_version_until_it_restarts(play: Play) -> None:
    play.add()

    def after(verb: str, _: str) -> None:
        if verb == "install":
            play.set_status(NEW, "FAILED", "Error code: ERROR_DUPLICATE_INSTALLATION")
        if verb == "restart":
            play.set_status(NEW, "INSTALLED")

    play.after = after
    assert play.one(restart=True).became is Became.RESTARTED
    assert play.statuses() == {NEW: "INSTALLED"}


def test_a_new_version_that_can_not_be_loaded_gives_way_to_the_old_one(play: Play) -> None:
    play.add()
    play.after = lambda verb, _: (
        play.set_status(NEW, "FAILED", "no wheel for this Python") if verb == "restart" else None
    )
    updated = play.one(restart=True)
    assert updated.became is Became.FAILED
    assert updated.detail == (
        "the new version can't be loaded: no wheel for this Python; the old one was put back"
    )
    assert play.statuses() == {NEW: "UNINSTALL_ON_RESTART", OLD: "INSTALLED"}


def test_an_old_version_that_can_not_be_put_back_is_told(play: Play) -> None:
    play.add()

    def before(verb: str, _: str) -> None:
        if verb == "install" and "restart" in play.verbs:
            raise Unavailable("503")

    play.before = before
    play.after = lambda verb, _: play.set_status(NEW, "FAILED") if verb == "restart" else None
    updated = play.one(restart=True)
    assert updated.detail == (
        "the new version can't be loaded: the service says FAILED and gives no reason; "
        "the old one can't be put back: 503"
    )


def test_a_cluster_that_does_not_come_back_is_told_with_its_words(play: Play) -> None:
    document = play.add()
    play.after = lambda verb, _: (
        document.update(state="ERROR", state_message="no capacity") if verb == "restart" else None
    )
    updated = play.one(restart=True)
    assert updated.became is Became.FAILED
    assert updated.detail == "it did not come back from its restart, it is ERROR: no capacity"


def test_where_the_old_version_can_not_be_uninstalled_the_new_one_goes_again(play: Play) -> None:
    play.add()
    fails = iter([True, False])

    def before(verb: str, _: str) -> None:
        if verb == "uninstall" and next(fails):
            raise Refused("no")

    play.before = before
    updated = play.one()
    assert (updated.became, updated.detail) == (
        Became.FAILED,
        "the old version can't be uninstalled: no",
    )
    assert play.statuses() == {OLD: "INSTALLED", NEW: "UNINSTALL_ON_RESTART"}


def test_what_can_not_even_be_taken_back_is_told(play: Play) -> None:
    play.add()
    del play.workspace.contents[NEW]

    def before(verb: str, _: str) -> None:
        if verb == "uninstall":
            raise Refused("no")

    play.before = before
    assert play.one().detail.endswith(
        "; the old one stays, and the new one can't be uninstalled either: no"
    )


# ── Others ───────────────────────────────────────────────────────────────────────────────────────


def test_a_cluster_that_is_not_ours_is_denied_and_the_others_go_on(play: Play) -> None:
    play.add("c1")
    play.add("c2")
    play.workspace.unmanaged_clusters.add("c1")
    first, second = play.run()
    assert first.became is Became.DENIED
    assert first.detail.startswith("needs CAN_MANAGE on the cluster: ")
    assert second.became is Became.UPDATED
    assert play.statuses("c1") == {OLD: "INSTALLED"}


def test_a_deleted_cluster_is_gone(play: Play) -> None:
    play.add()
    changes = play.changes()
    play.workspace.others.clear()
    updated = play.one(changes=changes)
    assert updated.became is Became.GONE


@pytest.mark.parametrize("meanwhile", ["another version", "uninstalled", "bound by a policy"])
def test_a_cluster_that_changed_after_the_plan_is_left_alone(play: Play, meanwhile: str) -> None:
    document = play.add()
    changes = play.changes()
    if meanwhile == "another version":
        play.set_status(OLD, "UNINSTALL_ON_RESTART")
        other = f"{ROOT}/{wheel('1.1.0')}"
        statuses: Any = document["library_statuses"]
        statuses.append({"library": {"whl": other}, "status": "INSTALLED"})
    elif meanwhile == "uninstalled":
        play.set_status(OLD, "UNINSTALL_ON_RESTART")
    else:
        document["policy_id"] = "p"
        policy: JsonObject = {"policy_id": "p", "libraries": [{"whl": OLD}]}
        play.workspace.others.append(UsageDocument("policy", "p", "", policy))
    before = play.statuses()
    assert play.one(changes=changes).became is Became.DRIFTED
    assert play.statuses() == before
    assert play.verbs == []


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_a_new_version_that_somebody_takes_away_is_no_success(play: Play, verb: str) -> None:
    play.add()
    play.after = lambda done, _: (
        play.set_status(NEW, "UNINSTALL_ON_RESTART") if done == verb else None
    )
    updated = play.one()
    assert updated.became is Became.FAILED
    assert "read back" in updated.detail
    if verb == "install":
        assert play.statuses()[OLD] == "INSTALLED"


def test_a_bug_of_ours_is_told_of_its_cluster_only(play: Play) -> None:
    play.add("c1")
    play.add("c2")

    def before(_: str, cluster_id: str) -> None:
        if cluster_id == "c1":
            raise ZeroDivisionError

    play.before = before
    first, second = play.run()
    assert "a bug of spark-deploy" in first.detail
    assert second.became is Became.UPDATED


# ── Runs ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "run",
    [
        {"tasks": [{"existing_cluster_id": "c1"}]},
        {"tasks": [{"for_each_task": {"task": {"existing_cluster_id": "c1"}}}]},
        {"cluster_instance": {"cluster_id": "c1"}},
    ],
)
def test_a_cluster_that_a_run_uses_is_not_restarted(play: Play, run: JsonObject) -> None:
    play.add("c1")
    play.add("c2")
    play.workspace.runs.append(UsageDocument("run", "7", "nightly", run))
    first, second = play.run(restart=True)
    assert first.became is Became.UPDATED
    assert first.detail == (
        "takes effect when the cluster is restarted, which was left out: run 7 (nightly) uses it"
    )
    assert second.became is Became.RESTARTED
    assert play.workspace.written.count(("restart", "c1")) == 0


def test_a_cluster_is_not_restarted_where_runs_can_not_be_seen(play: Play) -> None:
    play.add()
    play.workspace.usage_denied = True
    listing = ClusterListing((play.cluster("c1"),))
    changes = decide_clusters(ORDER, listing.clusters, restart=True).changes
    play.listing = lambda: listing  # type: ignore[method-assign]
    updated = play.one(restart=True, changes=changes)
    assert updated.became is Became.UPDATED
    assert "the active runs can't be read" in updated.detail
    assert "restart" not in play.verbs


def test_who_is_no_admin_may_not_see_all_runs_and_restarts_nothing(play: Play) -> None:
    play.add()
    updated = play.one(restart=True, admin=False)
    assert updated.became is Became.UPDATED
    assert "not a workspace admin" in updated.detail
    assert "restart" not in play.verbs


def test_a_cluster_that_stopped_by_itself_needs_no_restart(play: Play) -> None:
    document = play.add()
    play.before = lambda verb, _: document.update(state="TERMINATED") if verb == "restart" else None
    updated = play.one(restart=True)
    assert (updated.became, updated.detail) == (
        Became.UPDATED,
        "takes effect when the cluster starts",
    )


def test_a_restart_that_is_refused_is_a_failure(play: Play) -> None:
    play.add()

    def before(verb: str, _: str) -> None:
        if verb == "restart":
            raise Refused("not now")

    play.before = before
    updated = play.one(restart=True)
    assert updated.became is Became.FAILED
    assert "which was refused: not now" in updated.detail


def test_a_restart_whose_answer_got_lost_is_waited_for(play: Play) -> None:
    document = play.add()

    def before(verb: str, cluster_id: str) -> None:
        if verb == "restart":
            play.workspace.clusters.restart(cluster_id)
            document["state"] = "RESTARTING"

    play.before, play.sleep = before, lambda: document.update(state="RUNNING")
    assert play.one(restart=True).became is Became.RESTARTED


# ── Stops ────────────────────────────────────────────────────────────────────────────────────────


def test_a_stopped_run_begins_nothing(play: Play) -> None:
    play.add()
    play.stop = True
    updated = play.one()
    assert (updated.became, updated.detail) == (Became.PENDING, "")
    assert play.verbs == []


def test_a_stop_ends_the_wait_and_leaves_the_old_version(play: Play) -> None:
    play.add()
    play.after = lambda verb, _: play.set_status(NEW, "INSTALLING") if verb == "install" else None
    play.sleep = lambda: setattr(play, "stop", True)
    updated = play.one()
    assert updated.became is Became.PENDING
    assert play.statuses() == {OLD: "INSTALLED", NEW: "INSTALLING"}
    assert play.waited_s < 10


def test_a_call_that_is_given_up_leaves_the_change_pending(play: Play) -> None:
    play.add()

    def before(verb: str, _: str) -> None:
        if verb == "uninstall":
            raise Interrupted

    play.before = before
    assert play.one().became is Became.PENDING
    assert play.statuses()[OLD] == "INSTALLED"


def test_a_stop_before_the_restart_leaves_it_out(play: Play) -> None:
    play.add()
    play.after = lambda verb, _: setattr(play, "stop", verb == "uninstall")
    updated = play.one(restart=True)
    assert updated.became is Became.PENDING
    assert "restart" not in play.verbs
    assert play.changes(restart=True) != ()


def test_a_stop_after_the_restart_was_begun_says_so(play: Play) -> None:
    document = play.add()

    def after(verb: str, _: str) -> None:
        if verb == "restart":
            document["state"] = "RESTARTING"

    play.after, play.sleep = after, lambda: setattr(play, "stop", True)
    updated = play.one(restart=True)
    assert updated.became is Became.UPDATED
    assert "its restart was begun" in updated.detail


def test_a_right_that_is_missing_for_the_restart_is_told(play: Play) -> None:
    play.add()

    def before(verb: str, _: str) -> None:
        if verb == "restart":
            raise Denied("no Restart permissions")

    play.before = before
    updated = play.one(restart=True)
    assert updated.became is Became.DENIED
    assert "no Restart permissions" in updated.detail
