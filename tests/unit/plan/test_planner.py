"""The decision on each reference: a change, or untouched with one reason (design.md, rules 1 to 8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from packaging.version import Version

from deployer.jobs.inventory import read_job
from deployer.library.model import Kind
from deployer.plan.model import Plan, Reason
from deployer.plan.planner import Order, make_plan, names_library
from deployer.plan.policy import Rule
from tests.job_settings import (
    ROOT,
    Settings,
    job_with,
    job_with_lines,
    job_with_parameters,
    library,
    order,
    plan_for,
    stored,
    wheel,
)

OLD = f"{ROOT}/{wheel('1.2.0')}"
NEW = f"{ROOT}/{wheel('1.4.0')}"


def moved(plan: Plan) -> list[tuple[str, str]]:
    return [(one.before, one.after) for rewire in plan.rewires for one in rewire.changes]


def stays(plan: Plan) -> list[Reason]:
    return [one.reason for one in plan.untouched]


def reason(settings: Settings, **policy: Any) -> Reason:
    """The reason of the only reference, which does not move."""
    plan = plan_for(settings, order=order(**policy))
    assert plan.rewires == ()
    (one,) = plan.untouched
    return one.reason


# ── What moves, and how it is written ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (OLD, NEW),
        (f"dbfs:{OLD}", f"dbfs:{NEW}"),
        (f"/dbfs{OLD}", f"/dbfs{NEW}"),
        (f"file://{OLD}", f"file://{NEW}"),
        (f"{ROOT}/sales-metrics-1.2.0-py3-none-any.whl", NEW),
        (f"{ROOT}/SALES_METRICS-1.2.0-py3-none-any.WHL", NEW),
        (f"{ROOT}/sales_metrics-1.2.0-20250101-py3-none-any.whl", NEW),
        (f"{ROOT}/2024/archive/{wheel('1.2.0')}", NEW),
        (f" {OLD} ", f" {NEW} "),
        (f"'{OLD}'", f"'{NEW}'"),
    ],
)
def test_a_task_library_moves_in_the_spelling_that_it_has(before: str, after: str) -> None:
    plan = plan_for(job_with(before))
    assert moved(plan) == [(before, after)]
    assert plan.untouched == ()
    assert plan.rewires[0].changes[0].pointer == "/tasks/0/libraries/0/whl"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (OLD, NEW),
        (f'"{OLD}[plots, excel]"', f'"{NEW}[plots, excel]"'),
        (f"  {OLD}[a] ; python_version>'3'  # why", f"  {NEW}[a] ; python_version>'3'  # why"),
        (f"Sales.Metrics[a]@file://{OLD}", f"Sales.Metrics[a]@file://{NEW}"),
        (
            f"x @ file:///Volumes/m%61in/libs/released/{wheel('1.2.0%2Blocal')}",
            f"x @ file:///Volumes/m%61in/libs/released/{wheel('1.4.0')}",
        ),
    ],
)
def test_a_dependency_line_keeps_all_that_stands_around_its_path(before: str, after: str) -> None:
    assert moved(plan_for(job_with_lines("pandas", before))) == [(before, after)]


def test_a_comma_list_keeps_its_neighbours_and_moves_each_item() -> None:
    other = f"dbfs:{ROOT}/{wheel('2.0.0')}"
    before = f"{OLD}, '{OLD}' ,{other},/code/app.zip,{OLD}"
    plan = plan_for(job_with_parameters("--py-files", before, "/main.py"))
    assert moved(plan) == [(before, f"{NEW}, '{NEW}' ,{other},/code/app.zip,{NEW}")]
    assert stays(plan) == [Reason.ANOTHER_MAJOR]


def test_outer_and_nested_tasks_of_a_loop_move() -> None:
    pointers = [one.pointer for one in plan_for(stored("for-each")).rewires[0].changes]
    assert pointers == ["/tasks/0/for_each_task/task/libraries/0/whl", "/tasks/0/libraries/0/whl"]


def test_two_versions_in_one_job_are_decided_one_by_one() -> None:
    plan = plan_for(stored("two-versions"))
    (rewire,) = plan.rewires
    assert [str(each) for each in rewire.versions] == ["1.2.9", "1.2.10", "1.3.9"]
    assert stays(plan) == [Reason.ANOTHER_MAJOR]


def test_the_workspace_prefix_stays_as_it_was() -> None:
    asked = replace(order(), root="/Workspace/Shared/libs")
    plan = plan_for(
        job_with(f"/Shared/libs/{wheel('1.2.0')}", f"/Workspace/Shared/libs/{wheel('1.2.0')}"),
        order=asked,
    )
    assert [after for _, after in moved(plan)] == [
        f"/Shared/libs/{wheel('1.4.0')}",
        f"/Workspace/Shared/libs/{wheel('1.4.0')}",
    ]


@pytest.mark.parametrize(("kind", "field"), [(Kind.JAR, "jar"), (Kind.EGG, "egg")])
def test_jars_and_eggs_move_as_wheels_do(kind: Kind, field: str) -> None:
    old, new = library("1.2.0", kind).file_name, library("1.4.0", kind).file_name
    asked = Order(library("1.4.0", kind), ROOT)
    plan = plan_for(job_with({field: f"{ROOT}/{old}"}), order=asked)
    assert moved(plan) == [(f"{ROOT}/{old}", f"{ROOT}/{new}")]


JAR, NEW_JAR = f"{ROOT}/sales-metrics-1.2.0.jar", f"{ROOT}/sales-metrics-1.4.0.jar"
EGG, NEW_EGG = f"{ROOT}/sales_metrics-1.2.0-py3.8.egg", f"{ROOT}/sales_metrics-1.4.0-py3.11.egg"
FOR_JAR, FOR_EGG = Order(library(kind=Kind.JAR), ROOT), Order(library(kind=Kind.EGG), ROOT)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("--jars", JAR, "/app.jar"), NEW_JAR),
        (
            ("--jars", f"dbfs:/a.jar, '{JAR}' ,{JAR}", "/app.jar"),
            f"dbfs:/a.jar, '{NEW_JAR}' ,{NEW_JAR}",
        ),
        ((f"--jars={JAR},/b.jar", "/app.jar"), f"--jars={NEW_JAR},/b.jar"),
        ((f"--jars '{JAR}'", "/app.jar"), f"--jars '{NEW_JAR}'"),
        (("--class", "A", f"dbfs:{JAR}", f"dbfs:{JAR}"), f"dbfs:{NEW_JAR}"),
        (("--verbose", f" '{JAR}' "), f" '{NEW_JAR}' "),
    ],
)
def test_jars_of_spark_submit_move_in_every_spelling(before: tuple[str, ...], after: str) -> None:
    changes = moved(plan_for(job_with_parameters(*before), order=FOR_JAR))
    assert [new for _, new in changes] == [after]


def test_jars_move_in_the_jar_task_and_in_environments() -> None:
    old = {"tasks": [{"task_key": "a", "spark_jar_task": {"jar_uri": f" {JAR}"}}]}
    assert moved(plan_for(old, order=FOR_JAR)) == [(f" {JAR}", f" {NEW_JAR}")]
    spec = {"java_dependencies": ["/Volumes/a/b-1.0.jar", JAR], "dependencies": ["pandas"]}
    plan = plan_for({"environments": [{"environment_key": "e", "spec": spec}]}, order=FOR_JAR)
    assert moved(plan) == [(JAR, NEW_JAR)]
    assert plan.rewires[0].changes[0].pointer == "/environments/0/spec/java_dependencies/1"


def test_eggs_move_in_py_files_beside_what_stays() -> None:
    before = f"{EGG},/code/helper.py, {OLD}"
    plan = plan_for(job_with_parameters("--py-files", before, "/main.py"), order=FOR_EGG)
    assert moved(plan) == [(before, f"{NEW_EGG},/code/helper.py, {OLD}")]
    assert stays(plan) == [Reason.ANOTHER_KIND]


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        (job_with_parameters("--jars", OLD, "/main.py"), order()),
        (job_with_parameters("--py-files", JAR, "/main.py"), FOR_JAR),
        (job_with_parameters("--files", JAR, "/main.py"), FOR_JAR),
        (job_with_parameters("--archives", EGG, "/main.py"), FOR_EGG),
        (job_with_parameters("--jars", "a.jar", OLD), order()),
        (job_with_parameters("/app.jar", "--jars", JAR), FOR_JAR),
        (job_with_parameters("--conf", f"spark.jars={JAR}", "/app.jar"), FOR_JAR),
        (job_with_parameters(f"--jars {JAR} --class A", "/app.jar"), FOR_JAR),
        (job_with_lines(JAR), FOR_JAR),
        ({"environments": [{"spec": {"java_dependencies": [OLD]}}]}, order()),
        ({"tasks": [{"spark_jar_task": {"jar_uri": OLD}}]}, order()),
        ({"tasks": [{"spark_jar_task": {"parameters": [JAR]}}]}, FOR_JAR),
    ],
    ids=str,
)
def test_a_kind_of_file_that_a_place_does_not_take_is_only_reported(
    settings: Settings, asked: Order
) -> None:
    plan = plan_for(settings, order=asked)
    assert (moved(plan), stays(plan)) == ([], [Reason.NOT_EDITED])


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("sales-metrics-1.2.0-sources.jar", FOR_JAR),
        ("sales-metrics-1.2.0-assembly.jar", FOR_JAR),
        (
            "sales-metrics-1.2.0.jar",
            Order(replace(library(kind=Kind.JAR), classifier="all"), ROOT),
        ),
    ],
)
def test_a_jar_with_another_classifier_stays(name: str, asked: Order) -> None:
    plan = plan_for(job_with({"jar": f"{ROOT}/{name}"}), order=asked)
    assert (moved(plan), stays(plan)) == ([], [Reason.ANOTHER_CLASSIFIER])


def test_a_jar_with_the_same_classifier_moves() -> None:
    ours = replace(
        library(kind=Kind.JAR), classifier="assembly", file_name="sales-metrics-1.4.0-assembly.jar"
    )
    before = f"{ROOT}/sales-metrics-1.2.0-Assembly.jar"
    plan = plan_for(job_with({"jar": before}), order=Order(ours, ROOT))
    assert moved(plan) == [(before, f"{ROOT}/sales-metrics-1.4.0-assembly.jar")]


def test_a_name_that_the_upload_dialog_made_is_reported_and_stays() -> None:
    name = "0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9-sales_metrics_1_2_0-2b027.jar"
    for path, expected in (
        (f"dbfs:/FileStore/jars/{name}", Reason.OUTSIDE_ROOT),
        (f"{ROOT}/{name}", Reason.NO_VERSION),
    ):
        plan = plan_for(job_with({"jar": path}), order=FOR_JAR)
        assert (moved(plan), stays(plan)) == ([], [expected])


def test_a_reference_whose_file_is_missing_moves_all_the_same() -> None:
    # The planner never asks what lies in the root.
    assert moved(plan_for(job_with(f"{ROOT}/gone/{wheel('1.0.0')}"))) != []


# ── What stays, and why ──────────────────────────────────────────────────────────────────────────

STAYS = [
    (wheel("1.4.0"), Reason.ALREADY_CURRENT),
    (wheel("1.4"), Reason.ALREADY_CURRENT),
    (f"2024/{wheel('1.4.0')}", Reason.ALREADY_CURRENT),
    (wheel("1.4.1"), Reason.NEWER),
    (wheel("1.4.0.post1"), Reason.NEWER),
    (wheel("1.4.0+abc"), Reason.NEWER),
    (wheel("2.0.0"), Reason.ANOTHER_MAJOR),
    (wheel("0.9.0"), Reason.ANOTHER_MAJOR),
    (wheel("1!1.0"), Reason.ANOTHER_MAJOR),
    ("sales_metrics.whl", Reason.NO_VERSION),
    ("sales_metrics-latest-py3-none-any.whl", Reason.NO_VERSION),
    ("sales_metrics-1.*.whl", Reason.NO_VERSION),
    ("sales_metrics-1.2.0-py3-none-any (1).whl", Reason.AMBIGUOUS_NAME),
    ("sales-metrics-1.2.0.jar", Reason.ANOTHER_KIND),
    ("sales_metrics-1.2.0-py3.8.egg", Reason.ANOTHER_KIND),
    ("sales_metrics-{{job.parameters.v}}-py3-none-any.whl", Reason.UNRESOLVED_VALUE),
    ("${var.folder}/" + wheel("1.2.0"), Reason.UNRESOLVED_VALUE),
    ("../released/" + wheel("1.2.0"), Reason.OUTSIDE_ROOT),
]


@pytest.mark.parametrize(("name", "expected"), STAYS)
def test_a_file_of_the_root_stays_with_one_reason(name: str, expected: Reason) -> None:
    assert reason(job_with(f"{ROOT}/{name}")) is expected


@pytest.mark.parametrize(
    "path",
    [
        wheel("1.2.0"),
        f"{ROOT}-old/{wheel('1.2.0')}",
        f"/Volumes/main/libs/{wheel('1.2.0')}",
        f"s3://bucket{ROOT}/{wheel('1.2.0')}",
        f"dbfs:/libs/{wheel('1.2.0')}",
        f"dbfs:/{ROOT}/{wheel('1.2.0')}",
        f"https://host{ROOT}/{wheel('1.2.0')}",
    ],
)
def test_nothing_outside_the_root_moves(path: str) -> None:
    assert reason(job_with(path)) is Reason.OUTSIDE_ROOT
    assert reason(job_with_lines(path)) is Reason.OUTSIDE_ROOT


def test_a_name_with_two_readings_stays_for_both_libraries() -> None:
    # data 2 with build 1.0.0 after PEP 427, data-2 1.0.0 for whoever writes dashes into names.
    settings = job_with(f"{ROOT}/data-2-1.0.0-py3-none-any.whl")
    for name, version in (("data", "2.1"), ("data-2", "1.5.0")):
        plan = plan_for(settings, order=Order(library(version, name=name), ROOT))
        assert (moved(plan), stays(plan)) == ([], [Reason.AMBIGUOUS_NAME])


@pytest.mark.parametrize(
    "line",
    [f"{OLD} --hash=sha256:00", f"sales-metrics @ file://{OLD}#sha256=00", f'"{OLD}" --hash=md5:0'],
)
def test_a_line_with_a_hash_stays(line: str) -> None:
    assert reason(job_with_lines(line)) is Reason.PINNED_BY_HASH


@pytest.mark.parametrize(
    "settings",
    [
        stored("legacy-job-level") | {"libraries": [{"whl": OLD}]},
        {"parameters": [{"name": "wheel", "default": OLD}]},
        {"tasks": [{"task_key": "a", "notebook_task": {"base_parameters": {"wheel": OLD}}}]},
        {"tasks": [{"task_key": "a", "spark_python_task": {"python_file": OLD}}]},
        {"tasks": [{"task_key": "a", "new_cluster": {"spark_conf": {"spark.jars": OLD}}}]},
        job_with_parameters("--conf", f"spark.submit.pyFiles={OLD}", "/main.py"),
        job_with_parameters("/main.py", "--py-files", OLD),
        job_with_parameters("--jars", OLD),
        job_with_lines("sales-metrics==1.2.0"),
        job_with_lines("sales-metrics @ git+https://g/x"),
        job_with({"pypi": {"package": "Sales_Metrics>=1"}}),
        job_with_lines(f"file:///Volumes/main/libs/released%2F{wheel('1.2.0')}"),
    ],
    ids=str,
)
def test_places_that_are_only_reported_stay(settings: Settings) -> None:
    assert reason(settings) is Reason.NOT_EDITED


def test_an_index_of_another_kind_of_library_says_so() -> None:
    maven = job_with({"maven": {"coordinates": "com.example:sales-metrics:1.2.0"}})
    assert reason(maven) is Reason.ANOTHER_KIND
    asked = Order(library("1.4.0", Kind.JAR), ROOT)
    assert stays(plan_for(maven, order=asked)) == [Reason.NOT_EDITED]
    pypi = job_with({"pypi": {"package": "sales-metrics==1.2.0"}})
    assert stays(plan_for(pypi, order=asked)) == [Reason.ANOTHER_KIND]


@pytest.mark.parametrize(
    ("tags", "moves"),
    [
        ({"spark-deploy.pin": "1"}, True),
        ({"spark-deploy.pin": "1.4"}, True),
        ({"spark-deploy.pin": "1.2"}, False),
        ({"spark-deploy.pin": ""}, False),
        ({"spark-deploy.pin.sales_metrics": "1.2"}, False),
        ({"spark-deploy.pin.other": "1.2"}, True),
    ],
)
def test_a_pin_holds_a_job_back(tags: dict[str, str], moves: bool) -> None:
    plan = plan_for(job_with(OLD, tags=tags))
    assert stays(plan) == ([] if moves else [Reason.PINNED])


def test_a_bundle_s_job_moves_only_when_it_is_asked_for() -> None:
    settings = stored("bundle-local-version")
    inside, outside = plan_for(settings).untouched[::-1]
    assert (inside.reason, outside.reason) == (Reason.OWNED_BY_BUNDLE, Reason.OUTSIDE_ROOT)
    assert inside.note.endswith("/metadata.json")
    assert moved(plan_for(settings, order=order(move_owned=True))) == [(OLD, NEW)]


def test_a_kind_of_owner_that_nobody_knows_yet_is_taken_for_a_bundle() -> None:
    settings = stored("unknown-fields")
    assert reason(settings) is Reason.OWNED_BY_BUNDLE
    assert moved(plan_for(settings, order=order(move_owned=True))) == [(OLD, NEW)]


def test_a_job_of_databricks_itself_never_moves() -> None:
    assert reason(stored("system-managed"), move_owned=True) is Reason.SYSTEM_MANAGED


def test_a_job_that_may_not_be_edited_stays_and_the_others_move() -> None:
    asked = replace(order(), may_edit={1: False, 2: True})
    plan = plan_for(job_with(OLD), job_with(OLD), job_with(OLD), order=asked)
    assert stays(plan) == [Reason.NO_PERMISSION]
    assert [each.job_id for each in plan.rewires] == [2, 3]


def test_a_job_that_was_read_in_part_stays() -> None:
    job = read_job(1, job_with(OLD), complete=False)
    assert stays(make_plan(order(), [job])) == [Reason.NO_PERMISSION]


def test_what_the_reference_is_counts_before_whose_job_it_stands_in() -> None:
    settings = stored("system-managed") | {"tags": {"spark-deploy.pin": ""}}
    newer = job_with(f"{ROOT}/{wheel('1.4.1')}", deployment={"kind": "SYSTEM_MANAGED"})
    assert reason(settings) is Reason.PINNED
    assert reason(newer) is Reason.NEWER


# ── The plan as a whole ──────────────────────────────────────────────────────────────────────────


def test_a_library_that_no_job_names_gives_a_plan_with_nothing_but_the_upload() -> None:
    plan = plan_for(job_with(f"{ROOT}/{wheel('1.2.0', 'other')}"), {})
    assert (plan.rewires, plan.untouched, plan.upload) == ((), (), True)
    assert (plan.target.path, plan.target.size) == (NEW, 1234)


def test_a_stored_file_is_not_uploaded_and_gives_the_same_digest() -> None:
    settings = job_with(OLD)
    plan = plan_for(settings)
    again = plan_for(settings, order=replace(order(), stored=True))
    assert not again.upload
    assert again.digest == plan.digest


def test_other_bytes_give_another_digest() -> None:
    asked = replace(order(), library=replace(library(), sha256="cd" * 32))
    assert plan_for(order=asked).digest != plan_for().digest


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        (job_with(OLD), ""),
        (job_with(OLD, continuous={}), "a continuous job: takes effect when its current run ends"),
        (job_with(OLD, continuous={"pause_status": "PAUSED"}), ""),
        (
            stored("plain-wheel"),
            "runs on an all-purpose cluster: restart it to load the new version",
        ),
        (
            stored("for-each"),
            "runs on an all-purpose cluster: restart it to load the new version",
        ),
    ],
)
def test_a_rewire_says_when_it_takes_effect(settings: Settings, note: str) -> None:
    assert plan_for(settings).rewires[0].note == note


def test_the_note_counts_only_clusters_of_tasks_that_move() -> None:
    settings = job_with(OLD)
    settings["tasks"].append({"task_key": "other", "existing_cluster_id": "0101-120000-abc"})
    assert plan_for(settings).rewires[0].note == ""


def test_untouched_tells_the_whole_string_its_place_and_version() -> None:
    line = f"{ROOT}/{wheel('2.0.0')}[plots]  # next"
    (one,) = plan_for(job_with_lines("pandas", line)).untouched
    assert (one.job_id, one.job_name, one.value, one.version) == (1, "job", line, "2.0.0")
    assert one.pointer == "/environments/0/spec/dependencies/1"


def test_the_scan_keeps_each_job_that_any_reading_gives_the_library() -> None:
    ours = library()
    mentioning: list[Settings] = [
        job_with(OLD),
        job_with({"pypi": {"package": "Sales.Metrics"}}),
        {"description": f"see {wheel('1.0')}"},
    ]
    for settings in mentioning:
        assert names_library(read_job(1, settings), ours)
    assert not names_library(read_job(1, job_with("/a/sales_metrics2-1.0-py3-none-any.whl")), ours)


def test_exact_moves_the_named_versions_across_majors() -> None:
    asked = order("2.0.0", rule=Rule.EXACT, versions=frozenset({Version("1.2.0")}))
    plan = plan_for(job_with(OLD, f"{ROOT}/{wheel('1.3.0')}"), order=asked)
    assert len(moved(plan)) == 1
    assert stays(plan) == [Reason.NOT_SELECTED]
