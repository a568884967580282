"""What holds for every plan, on generated settings and on the stored ones (design.md, rules 1 to 8)."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.jobs.inventory import read_job
from deployer.jobs.paths import canonical, file_name, is_inside
from deployer.jobs.places import replaced
from deployer.jobs.references import EDITABLE, Site, references
from deployer.library.model import Kind
from deployer.library.names import parse_file_name
from deployer.plan.model import Reason
from deployer.plan.planner import Order, make_plan
from deployer.plan.policy import Rule
from tests.job_settings import (
    ROOT,
    Settings,
    any_settings,
    job_settings,
    jobs_with,
    keyless_settings,
    library,
    order,
    orders,
    plan_for,
    stored_settings,
)

quick = settings(deadline=None)
STORED = stored_settings()
# An order that moves as much as there is to move.
EAGER = order("1.4.0", rule=Rule.ANY, allow_prereleases=True, move_owned=True)


def differences(before: Any, after: Any, pointer: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every place where two JSON documents differ, types and order of keys included."""
    if type(before) is not type(after):
        yield pointer, before, after
    elif isinstance(before, dict):
        if list(before) != list(after):
            yield pointer, before, after
            return
        for key in before:
            part = key.replace("~", "~0").replace("/", "~1")
            yield from differences(before[key], after[key], f"{pointer}/{part}")
    elif isinstance(before, list):
        if len(before) != len(after):
            yield pointer, before, after
            return
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from differences(*pair, f"{pointer}/{index}")
    elif before != after:
        yield pointer, before, after


def written(document: Settings) -> str:
    """The document's JSON; equal exactly when types and the order of keys are equal, too."""
    return json.dumps(document)


def check_only_the_plan_differs(before: Settings, order: Order) -> int:
    """Apply the plan for one job; the number of its changes."""
    kept = written(before)
    plan = plan_for(before, order=order)
    assert written(before) == kept, "planning changed its input"
    if not plan.rewires:
        return 0
    (rewire,) = plan.rewires
    after = rewire.applied_to(before)
    assert written(before) == kept, "applying changed its input"
    planned = {(one.pointer, one.before, one.after) for one in rewire.changes}
    assert set(differences(before, after)) == planned
    restored = replaced(after, {one.place: one.before for one in rewire.changes})
    assert written(restored) == kept
    again = plan_for(after, order=replace(order, stored=True))
    assert again.rewires == ()
    assert not again.upload
    return len(rewire.changes)


@quick
@given(job_settings, orders)
def test_applying_a_plan_changes_the_planned_strings_and_nothing_else(
    before: Settings, order: Order
) -> None:
    check_only_the_plan_differs(before, order)


@quick
@given(keyless_settings(), orders)
def test_the_same_holds_where_keys_are_missing_or_shared(before: Settings, order: Order) -> None:
    check_only_the_plan_differs(before, order)


def at_site(site: Site, path: str) -> Settings:
    """A job that names `path` at `site`, with neighbours."""
    spec: Settings = {"dependencies": ["pandas"], "java_dependencies": ["/Volumes/a/b/c/d.jar"]}
    task: Settings = {"task_key": "a", "libraries": [{"pypi": {"package": "numpy"}}]}
    match site:
        case Site.TASK_LIBRARY:
            task["libraries"].append({path.rpartition(".")[2]: path})
        case Site.ENVIRONMENT:
            spec["dependencies"].append(f" '{path}'  # ours")
            # On a cluster, whose runtime nobody knows: serverless compute would refuse an egg.
            task |= {"environment_key": "e", "existing_cluster_id": "0101"}
        case Site.JAVA_DEPENDENCY:
            spec["java_dependencies"].append(path)
        case Site.JAR_URI:
            task["spark_jar_task"] = {"jar_uri": path, "main_class_name": ""}
        case Site.PY_FILES | Site.JARS:
            task["spark_submit_task"] = {"parameters": [site.value, f"/a.jar,{path}", "/app.jar"]}
        case Site.SUBMIT_APPLICATION:
            task["spark_submit_task"] = {"parameters": ["--class", "A", path, "--jars", "b.jar"]}
    return {"tasks": [task], "environments": [{"environment_key": "e", "spec": spec}]}


@pytest.mark.parametrize(
    ("site", "kind"), [(site, kind) for site, kinds in EDITABLE.items() for kind in sorted(kinds)]
)
def test_every_kind_moves_at_every_site_that_takes_it(site: Site, kind: Kind) -> None:
    path = f"dbfs:{ROOT}/old/{library('1.2.0', kind).file_name}"
    eager = replace(EAGER, library=library("1.4.0", kind))
    assert check_only_the_plan_differs(at_site(site, path), eager) == 1


MOVING = {
    "build-tag": 1,
    "bundle-local-version": 1,
    "dash-in-name": 1,
    "for-each": 2,
    "plain-wheel": 1,
    "requirement-files": 0,
    "same-reference-everywhere": 12,
    "serverless-lines": 6,
    "spark-submit": 2,
    "spellings": 7,
    "two-versions": 3,
    "unknown-fields": 1,
    "unresolved-values": 0,
}


@pytest.mark.parametrize("trait", STORED)
def test_stored_settings_change_at_the_planned_places_only(trait: str) -> None:
    changes = check_only_the_plan_differs(STORED[trait], EAGER)
    assert changes == MOVING.get(trait, 0)


@quick
@given(st.lists(job_settings, max_size=4), st.randoms(use_true_random=False))
def test_the_digest_knows_no_order_of_jobs_tasks_and_environments(
    all_settings: list[Settings], randomly: random.Random
) -> None:
    shuffled = copy.deepcopy(all_settings)
    for each in shuffled:
        for array in ("tasks", "environments"):
            randomly.shuffle(each.get(array, []))
    there, again = jobs_with(all_settings), jobs_with(shuffled)
    randomly.shuffle(again)
    one, other = make_plan(EAGER, there), make_plan(EAGER, again)
    assert one.digest == other.digest
    assert [
        (each.job_id, [(str(c.place), c.before, c.after) for c in each.changes])
        for each in one.rewires
    ] == [
        (each.job_id, [(str(c.place), c.before, c.after) for c in each.changes])
        for each in other.rewires
    ]
    assert [(u.job_id, u.value, u.reason) for u in one.untouched] == [
        (u.job_id, u.value, u.reason) for u in other.untouched
    ]


@quick
@given(job_settings, st.data())
def test_a_drift_of_any_string_that_moves_gives_another_digest(
    before: Settings, data: st.DataObject
) -> None:
    plan = plan_for(before, order=EAGER)
    if not plan.rewires:
        return
    change = data.draw(st.sampled_from(plan.rewires[0].changes))
    drifted = replaced(before, {change.place: change.before + " "})
    assert plan_for(drifted, order=EAGER).digest != plan.digest


@quick
@given(job_settings, st.text(max_size=5))
def test_what_is_untouched_has_no_part_in_the_digest(before: Settings, text: str) -> None:
    plan = plan_for(before, order=EAGER)
    noted = {**before, "description": f"{ROOT}/sales_metrics-1.0.0-py3-none-any.whl {text}"}
    other = plan_for(noted, order=EAGER)
    assert len(other.untouched) > len(plan.untouched)
    assert other.digest == plan.digest


@quick
@given(job_settings, orders)
def test_what_moves_is_older_of_the_same_kind_and_inside_the_root(
    before: Settings, order: Order
) -> None:
    job = read_job(1, before)
    plan = make_plan(order, [job])
    moved = {change.place for rewire in plan.rewires for change in rewire.changes}
    target = canonical(order.path)
    after = plan.rewires[0].applied_to(before) if plan.rewires else before
    left = {(one.place, one.spelled) for one in references(after)}
    for one in job.references:
        if one.place not in moved or (one.place, one.spelled) in left:
            continue
        assert one.parsed is not None
        assert one.parsed.certain is not None
        assert one.parsed.certain.version is not None
        assert one.parsed.certain.name == order.library.name
        assert one.parsed.kind is order.library.kind
        assert one.parsed.certain.version < order.library.version
        assert ".." not in one.spelled.split("/")
        path = canonical(one.spelled)
        assert path is not None
        assert is_inside(path, ROOT)
    for new in references(after):
        if (new.place, new.spelled) not in {(one.place, one.spelled) for one in job.references}:
            assert new.path == target
            assert file_name(new.spelled) == order.library.file_name


@quick
@given(job_settings, orders)
def test_every_reference_to_the_library_ends_as_a_change_or_with_a_reason(
    before: Settings, order: Order
) -> None:
    job = read_job(1, before)
    plan = make_plan(order, [job])
    ours = [one for one in job.references if one.names(order.library.name)]
    moved = {change.place for rewire in plan.rewires for change in rewire.changes}
    assert len(plan.untouched) >= len([one for one in ours if one.place not in moved])
    assert {one.pointer for one in plan.untouched} | {place.pointer(before) for place in moved} == {
        one.place.pointer(before) for one in ours
    }
    assert all(isinstance(one.reason, Reason) for one in plan.untouched)


@settings(deadline=None, max_examples=300)
@given(any_settings)
def test_any_json_object_is_a_job_with_a_plan(anything: Settings) -> None:
    job = read_job(7, anything)
    plan = make_plan(EAGER, [job])
    assert len(plan.digest) == 64
    for one in job.references:
        assert one.place.read(anything) == one.text
        assert one.spelled in one.text


@pytest.mark.parametrize(
    "broken",
    [
        {"tasks": "none"},
        {"tasks": [None, 1, "x", [], {"libraries": None}, {"libraries": "x"}]},
        {
            "tasks": [
                {"libraries": [None, "x", {"whl": 1}, {"pypi": "x"}, {"pypi": {"package": 1}}]}
            ]
        },
        {"tasks": [{"for_each_task": None}, {"for_each_task": {}}, {"for_each_task": {"task": 1}}]},
        {"tasks": [{"task_key": ["a"]}, {"task_key": {}}, {"task_key": None}, {"task_key": 1}]},
        {
            "tasks": [
                {"spark_submit_task": {"parameters": [1, None, "--py-files", 2, "--py-files"]}}
            ]
        },
        {"environments": {"spec": 1}},
        {"environments": [{"spec": {"dependencies": [1, None, {}, []]}}, {"spec": "x"}, None]},
        {"environments": [{"spec": {"dependencies": "x", "java_dependencies": 1}}]},
        {"deployment": {"kind": ["BUNDLE"]}, "tags": ["a"], "name": 7, "continuous": 1},
        {"tags": {"spark-deploy.pin": {"a": 1}}},
        {"\ud800": "\ud800.whl", "name": "\ud800", "x": f"{ROOT}/\ud800-1.0-py3-none-any.whl"},
        {"name": "\0", "tasks": [{"task_key": "\0", "libraries": [{"whl": "\0/\0.whl"}]}]},
        {"environments": [{"spec": {"dependencies": ["a; " + "(" * 5000, "a==" + "9" * 5000]}}]},
    ],
    ids=lambda broken: json.dumps(broken)[:40],
)
def test_values_of_the_wrong_type_are_no_obstacle(broken: Settings) -> None:
    plan = plan_for(broken, order=EAGER)
    assert plan.rewires == ()


def test_settings_nested_deeper_than_any_stack_are_read() -> None:
    deep: Any = f"{ROOT}/sales_metrics-1.2.0-py3-none-any.whl"
    for _ in range(5_000):
        deep = [{"deeper": deep}]
    task: Any = {"libraries": [{"whl": f"{ROOT}/sales_metrics-1.2.0-py3-none-any.whl"}]}
    for _ in range(2_000):
        task = {"for_each_task": {"task": task}}
    job = read_job(1, {"deep": deep, "tasks": [{"task_key": "a", **task}]})
    plan = make_plan(EAGER, [job])
    assert [len(each.changes) for each in plan.rewires] == [1]
    assert [each.reason for each in plan.untouched] == [Reason.NOT_EDITED]
    after = plan.rewires[0].applied_to(job.settings)
    assert make_plan(EAGER, [read_job(1, after)]).rewires == ()


@pytest.mark.parametrize(
    "text",
    ["x" * 10**6, "{{" * 10**5, "x.whl" + " " * 10**6 + "y", "/" * 10**6 + "a.whl", "a[" * 10**5],
)
def test_a_huge_string_is_read_in_time_proportional_to_it(text: str) -> None:
    # No clock: a pattern that backtracks would run into the time limit of the suite.
    task = {
        "task_key": "a",
        "libraries": [{"whl": text}, {"pypi": {"package": text}}],
        "spark_submit_task": {"parameters": ["--py-files", text, text]},
    }
    lines = [text, f"-r {text}", f"'{text}", f"name @ {text}"]
    huge = {"tasks": [task], "environments": [{"spec": {"dependencies": lines}}], "x": text}
    assert plan_for(huge).rewires == ()


def test_a_job_with_a_thousand_tasks_moves_every_task_once() -> None:
    tasks = [
        {
            "task_key": f"t{i}",
            "libraries": [{"whl": f"{ROOT}/sales_metrics-1.2.0-py3-none-any.whl"}],
        }
        for i in range(1000)
    ]
    assert check_only_the_plan_differs({"name": "wide", "tasks": tasks}, EAGER) == 1000


@given(st.text(max_size=300))
def test_any_text_is_a_file_name_or_none(text: str) -> None:
    parsed = parse_file_name(file_name(text))
    assert parsed is None or (parsed.certain is None) == (parsed.problem is not None)
