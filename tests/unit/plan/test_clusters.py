"""Which libraries of all-purpose clusters a deployment replaces (facts B8)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from deployer.jobs.paths import canonical
from deployer.library.model import Kind
from deployer.plan.clusters import OnClusters, decide_clusters, status_of
from deployer.plan.digest import digest
from deployer.plan.model import ClusterChange, Target
from deployer.plan.planner import Order, make_plan
from tests.job_settings import ROOT, library, order, orders, wheel

Cluster = dict[str, Any]

OLD = f"{ROOT}/{wheel('1.2.0')}"
OLDER = f"{ROOT}/{wheel('1.1.0')}"
NEW = f"{ROOT}/{wheel('1.4.0')}"


def entry(value: str, status: str = "INSTALLED", kind: str = "whl", **more: Any) -> dict[str, Any]:
    return {"library": {kind: value}, "status": status, **more}


def cluster(*statuses: dict[str, Any], **more: Any) -> Cluster:
    return {
        "cluster_id": "0101-1",
        "cluster_name": "analytics",
        "cluster_source": "UI",
        "state": "RUNNING",
        "library_statuses": list(statuses),
        **more,
    }


def decided(*clusters: Cluster, restart: bool = False, **policy: Any) -> OnClusters:
    return decide_clusters(order(**policy), clusters, restart=restart)


def change(*clusters: Cluster, restart: bool = False) -> ClusterChange:
    (one,) = decided(*clusters, restart=restart).changes
    return one


# ── What changes ─────────────────────────────────────────────────────────────────────────────────


def test_an_older_version_is_replaced() -> None:
    assert decided(cluster(entry(OLD))) == OnClusters(
        (ClusterChange("0101-1", "analytics", "whl", (OLD,), NEW, (Version("1.2.0"),)),)
    )


@pytest.mark.parametrize("spelling", ["dbfs:{}", "/dbfs{}", "file://{}"])
def test_the_new_path_is_spelled_as_the_old_one_was(spelling: str) -> None:
    assert change(cluster(entry(spelling.format(OLD)))).after == spelling.format(NEW)


def test_all_older_versions_on_a_cluster_go_at_once() -> None:
    one = change(cluster(entry(OLD), entry(f"dbfs:{OLDER}"), entry("/Volumes/x/other-1.0.whl")))
    assert one.before == (OLD, f"dbfs:{OLDER}")
    assert one.after == NEW
    assert [str(version) for version in one.versions] == ["1.1.0", "1.2.0"]


def test_a_library_that_failed_to_install_is_replaced_too() -> None:
    assert change(cluster(entry(OLD, "FAILED"))).before == (OLD,)


def test_a_new_version_that_is_there_already_keeps_its_spelling() -> None:
    assert change(cluster(entry(OLD), entry(f"dbfs:{NEW}"))).after == f"dbfs:{NEW}"


def test_a_new_version_that_is_about_to_go_is_installed_again() -> None:
    one = change(cluster(entry(OLD), entry(f"dbfs:{NEW}", "UNINSTALL_ON_RESTART")))
    assert (one.before, one.after) == ((OLD,), NEW)


@pytest.mark.parametrize(
    ("kind", "key", "old", "new"),
    [
        (Kind.JAR, "jar", "sales-metrics-1.2.0.jar", "sales-metrics-1.4.0.jar"),
        (Kind.EGG, "egg", "sales_metrics-1.2.0-py3.11.egg", "sales_metrics-1.4.0-py3.11.egg"),
    ],
)
def test_jars_and_eggs_are_replaced_by_their_kind(kind: Kind, key: str, old: str, new: str) -> None:
    found = decide_clusters(
        Order(library(kind=kind), ROOT),
        [cluster(entry(f"{ROOT}/{old}", kind=key), entry(OLD))],
    )
    (one,) = found.changes
    assert (one.kind, one.before, one.after) == (key, (f"{ROOT}/{old}",), f"{ROOT}/{new}")


# ── What does not ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        NEW,
        f"{ROOT}/{wheel('1.5.0')}",
        f"{ROOT}/{wheel('0.9.0')}",
        f"{ROOT}/{wheel('1.2.0', 'other')}",
        f"/Volumes/main/elsewhere/{wheel('1.2.0')}",
        f"{ROOT}/sales_metrics.whl",
        "s3://bucket/" + wheel("1.2.0"),
    ],
)
def test_what_would_not_move_in_a_job_stays_on_a_cluster(value: str) -> None:
    assert decided(cluster(entry(value))) == OnClusters()


def test_packages_of_an_index_are_not_ours() -> None:
    pypi = {"library": {"pypi": {"package": "sales-metrics==1.2.0"}}, "status": "INSTALLED"}
    assert decided(cluster(pypi)) == OnClusters()


def test_a_tag_of_the_cluster_pins_it_as_it_pins_a_job() -> None:
    pinned = cluster(entry(OLD), custom_tags={"spark-deploy.pin": "1.2"})
    assert decided(pinned) == OnClusters()
    assert decided(cluster(entry(OLD), custom_tags={"spark-deploy.pin": "1"})).changes


@pytest.mark.parametrize("source", ["JOB", "SQL", "PIPELINE", "PIPELINE_MAINTENANCE", "MODELS", ""])
def test_clusters_that_people_do_not_share_are_never_touched(source: str) -> None:
    assert decided(cluster(entry(OLD), cluster_source=source)) == OnClusters()


def test_what_is_set_for_all_clusters_stays_and_is_told() -> None:
    found = decided(cluster(entry(OLD, is_library_for_all_clusters=True), entry(OLDER)))
    assert [one.before for one in found.changes] == [(OLDER,)]
    (stays,) = found.stays
    assert (stays.value, stays.why) == (OLD, "it is set for all clusters of the workspace")


def test_a_policy_that_brings_libraries_leaves_its_clusters_alone() -> None:
    policies: list[Cluster] = [{"policy_id": "p1", "name": "strict", "libraries": [{"whl": OLD}]}]
    bound = cluster(entry(OLD), policy_id="p1")
    found = decide_clusters(order(), [bound], policies)
    assert found.changes == ()
    assert [one.why for one in found.stays] == ["its policy strict decides which libraries it has"]
    free = decide_clusters(order(), [bound], [{"policy_id": "p1", "definition": "{}"}])
    assert len(free.changes) == 1


# ── Restarts ─────────────────────────────────────────────────────────────────────────────────────

HALF_DONE = (entry(NEW), entry(OLD, "UNINSTALL_ON_RESTART"))


def test_an_update_that_waits_for_a_restart_is_done() -> None:
    assert decided(cluster(*HALF_DONE)) == OnClusters()


def test_a_restart_that_is_still_to_come_is_all_that_is_left() -> None:
    one = change(cluster(*HALF_DONE), restart=True)
    assert (one.before, one.after, one.restart) == ((), NEW, True)


def test_a_stopped_cluster_needs_no_restart() -> None:
    assert decided(cluster(*HALF_DONE, state="TERMINATED"), restart=True) == OnClusters()


def test_a_library_that_its_people_uninstalled_does_not_come_back() -> None:
    gone = cluster(entry(OLD, "UNINSTALL_ON_RESTART"))
    assert decided(gone) == decided(gone, restart=True) == OnClusters()


def test_what_others_decide_and_what_is_about_to_go_is_neither_told_nor_restarted() -> None:
    going = entry(OLD, "UNINSTALL_ON_RESTART", is_library_for_all_clusters=True)
    assert decided(cluster(entry(NEW), going), restart=True) == OnClusters()


# ── For all clusters ─────────────────────────────────────────────────────────────────────────────

_versions = st.sampled_from(["1.0.0", "1.2.0", "1.2.0rc1", "1.4.0", "1.5.0", "2.0.0", "0.9"])
_roots = st.sampled_from([ROOT, f"dbfs:{ROOT}", f"{ROOT}/below", "/Volumes/main/elsewhere"])
_values = st.builds(
    "{}/{}".format,
    _roots,
    st.builds(wheel, _versions, st.sampled_from(["sales_metrics", "Sales.Metrics", "other"])),
)
_statuses = st.sampled_from(
    ["INSTALLED", "PENDING", "INSTALLING", "FAILED", "SKIPPED", "RESTORED", "UNINSTALL_ON_RESTART"]
)
clusters = st.builds(
    lambda number, held, state, source: cluster(
        *held, cluster_id=f"c{number}", state=state, cluster_source=source
    ),
    st.integers(0, 9),
    st.lists(
        st.builds(
            entry,
            _values,
            _statuses,
            is_library_for_all_clusters=st.sampled_from([False] * 5 + [True]),
        ),
        max_size=4,
        unique_by=lambda one: str(one["library"]),
    ),
    st.sampled_from(["RUNNING", "TERMINATED", "PENDING", "RESTARTING"]),
    st.sampled_from(["UI", "UI", "API", "JOB"]),
)
lists = st.lists(clusters, max_size=4, unique_by=lambda one: one["cluster_id"])


def applied(one: ClusterChange, before: Cluster) -> Cluster:
    """The cluster as the service would have it after the change, before its restart."""
    statuses = [
        {**held, "status": "UNINSTALL_ON_RESTART"} if held["library"]["whl"] in one.before else held
        for held in before["library_statuses"]
        if held["library"]["whl"] != one.after
    ]
    return {**before, "library_statuses": [*statuses, entry(one.after)]}


def restarted(before: Cluster) -> Cluster:
    kept = [one for one in before["library_statuses"] if one["status"] != "UNINSTALL_ON_RESTART"]
    return {**before, "library_statuses": kept}


@given(orders, lists, st.booleans())
def test_only_what_is_there_goes_and_only_our_file_comes(
    order: Order, clusters: list[Cluster], restart: bool
) -> None:
    by_id = {one["cluster_id"]: one for one in clusters}
    for one in decide_clusters(order, clusters, restart=restart).changes:
        found = by_id[one.cluster_id]
        assert found["cluster_source"] in ("UI", "API")
        assert canonical(one.after) == order.path
        assert one.restart == restart
        assert one.before or restart
        assert all(version != order.library.version for version in one.versions)
        for value in one.before:
            held = status_of(found, "whl", value)
            assert held is not None
            assert not held.for_all
            assert held.status != "UNINSTALL_ON_RESTART"
            assert canonical(value) != order.path


@given(orders, lists)
def test_nothing_is_left_to_do_once_it_is_done(order: Order, clusters: list[Cluster]) -> None:
    changes = {one.cluster_id: one for one in decide_clusters(order, clusters).changes}
    done = [
        applied(changes[each["cluster_id"]], each) if each["cluster_id"] in changes else each
        for each in clusters
    ]
    assert decide_clusters(order, done).changes == ()
    again = [restarted(one) for one in done]
    assert decide_clusters(order, again, restart=True).changes == ()


@given(orders, lists, st.randoms(), st.booleans())
def test_the_order_in_which_clusters_come_does_not_matter(
    order: Order, clusters: list[Cluster], chance: Any, restart: bool
) -> None:
    first = decide_clusters(order, clusters, restart=restart)
    shuffled = [{**one, "library_statuses": list(one["library_statuses"])} for one in clusters]
    chance.shuffle(shuffled)
    for one in shuffled:
        chance.shuffle(one["library_statuses"])
    second = decide_clusters(order, shuffled, restart=restart)
    assert {one.cluster_id: one.before for one in first.changes} == {
        one.cluster_id: one.before for one in second.changes
    }
    assert [one.cluster_id for one in second.changes] == [one.cluster_id for one in first.changes]


_FIELDS = ("cluster_id", "cluster_name", "cluster_source", "state", "policy_id", "custom_tags")
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(OLD),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["library", "status", "whl", "messages", "libraries", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(_FIELDS),
        _json,
    ),
    st.dictionaries(st.sampled_from(["policy_id", "name", "libraries"]), _json),
)
def test_any_json_is_a_cluster_or_none(strange: Cluster, policy: dict[str, Any]) -> None:
    people = {**strange, "cluster_id": "c", "cluster_source": "UI"}
    for found in (strange, people, {**people, "library_statuses": [strange, entry(OLD)]}):
        decide_clusters(order(), [found], [policy], restart=True)


# ── The digest ───────────────────────────────────────────────────────────────────────────────────

TARGET = Target(NEW, "ab" * 32, 1234)
CHANGE = ClusterChange("0101-1", "analytics", "whl", (OLD,), NEW, (Version("1.2.0"),))


def test_a_plan_without_cluster_changes_has_the_digest_that_it_always_had() -> None:
    content = {"format": 1, "rewires": [], "target": {"path": NEW, "sha256": "ab" * 32}}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert digest(TARGET, ()) == hashlib.sha256(canonical.encode()).hexdigest()
    assert digest(TARGET, (), ()) == digest(TARGET, ())
    assert make_plan(order(), ()).digest == make_plan(order(), (), ()).digest


@pytest.mark.parametrize(
    "other",
    [
        {"cluster_id": "0101-2"},
        {"before": (OLD, OLDER)},
        {"before": ()},
        {"after": f"dbfs:{NEW}"},
        {"restart": True},
        {"kind": "jar"},
    ],
)
def test_each_thing_that_a_change_would_do_is_in_the_digest(other: dict[str, Any]) -> None:
    first = digest(TARGET, (), (CHANGE,))
    assert first != digest(TARGET, ())
    assert digest(TARGET, (), (replace(CHANGE, **other),)) != first
    assert digest(TARGET, (), (replace(CHANGE, cluster_name="renamed"),)) == first


def test_the_order_of_clusters_is_not_in_the_digest() -> None:
    second = ClusterChange("0101-2", "b", "whl", (OLD,), NEW, (Version("1.2.0"),))
    assert digest(TARGET, (), (CHANGE, second)) == digest(TARGET, (), (second, CHANGE))
    assert make_plan(order(), (), (second, CHANGE)).clusters == (CHANGE, second)
