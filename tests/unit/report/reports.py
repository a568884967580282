"""Reports to render: a few that tell a story, and a Hypothesis strategy for all others."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from hypothesis import strategies as st

from deployer.contract import Mode
from deployer.deployment.clusters import Became
from deployer.errors import FailureReason
from deployer.jobs.sightings import Where
from deployer.plan.model import Reason
from deployer.report.elsewhere import advice
from deployer.report.model import (
    ApiUse,
    ChangedReference,
    Check,
    CheckStatus,
    ClusterChange,
    ClusterOutcome,
    Decision,
    Deployment,
    Elsewhere,
    Failure,
    Finding,
    Identity,
    InventoryEntry,
    JobName,
    JobOutcome,
    Library,
    Outcome,
    Plan,
    Removal,
    Report,
    Rewire,
    StoredVersion,
    Untouched,
    Upload,
)

ROOT = "/Volumes/main/libraries/released"
HOST = "https://adb-123.4.azuredatabricks.net"
SHA = "3f2a" * 16
DIGEST = "9c1b" * 16


def path(version: str) -> str:
    return f"{ROOT}/retail_metrics-{version}-py3-none-any.whl"


LIBRARY = Library(
    name="retail-metrics",
    version="1.5.0",
    sha256=SHA,
    file="dist/retail_metrics-1.5.0-py3-none-any.whl",
    remote_path=path("1.5.0"),
    size=20_480,
)


def rewire(job_id: int, name: str, version: str = "1.4.0", *, note: str = "") -> Rewire:
    reference = ChangedReference("/tasks/0/libraries/0/whl", path(version), path("1.5.0"))
    return Rewire(job_id, name, (reference,), (version,), note)


def untouched(
    job_id: int, name: str, reason: Reason, version: str | None = "2.0.0", note: str = ""
) -> Untouched:
    value = path(version) if version else f"{ROOT}/retail_metrics.whl"
    return Untouched(job_id, name, "/tasks/1/libraries/0/whl", value, version, reason.value, note)


def plan_of_three() -> Report:
    """A plan with three jobs that would move, and one that stays."""
    rewires = (
        rewire(11, "nightly sales"),
        rewire(12, "hourly stock", "1.3.2"),
        Rewire(
            13,
            "weekly report",
            (
                ChangedReference("/tasks/0/libraries/0/whl", path("1.4.0"), path("1.5.0")),
                ChangedReference(
                    "/environments/0/spec/dependencies/2",
                    f"{path('1.3.2')}[plots]  # metrics",
                    f"{path('1.5.0')}[plots]  # metrics",
                ),
            ),
            ("1.3.2", "1.4.0"),
            "takes effect when its continuous run ends",
        ),
    )
    return Report(
        mode=Mode.PLAN,
        environment="production",
        outcome=Outcome.SUCCEEDED,
        identity=Identity("deployer@example.com", admin=True),
        library=LIBRARY,
        plan=Plan(
            DIGEST,
            Upload(path("1.5.0"), SHA, 20_480),
            rewires,
            (Removal(path("1.3.2"), "1.3.2"),),
            (untouched(14, "old ledger", Reason.ANOTHER_MAJOR, "0.9.0"),),
            40,
        ),
        versions=(
            StoredVersion("1.5.0", path("1.5.0"), Decision.CURRENT, ("this run deploys it",)),
            StoredVersion("1.4.0", path("1.4.0"), Decision.KEEP, ("the newest before this one",)),
            StoredVersion("1.3.2", path("1.3.2"), Decision.REMOVE, ("nothing uses it",)),
        ),
        timings={"inventory": 1.25, "plan": 0.01},
        api=ApiUse(calls=9),
        host=HOST,
        root=ROOT,
    )


def deploy_with_everything() -> Report:
    """A deployment in which jobs moved, stayed for six reasons, drifted; with checks and more."""
    plan = plan_of_three().plan
    assert plan is not None
    stays = (
        untouched(21, "already there", Reason.ALREADY_CURRENT, "1.5.0"),
        untouched(22, "ledger", Reason.ANOTHER_MAJOR, "2.0.0"),
        untouched(23, "ledger, second", Reason.ANOTHER_MAJOR, "0.9.0"),
        untouched(24, "bundled", Reason.OWNED_BY_BUNDLE, "1.4.0", "bundle: /Workspace/b/metrics"),
        untouched(25, "frozen", Reason.PINNED, "1.2.0"),
        untouched(26, "locked away", Reason.NO_PERMISSION, "1.4.0"),
        untouched(27, "nameless", Reason.NO_VERSION, None),
    )
    return replace(
        plan_of_three(),
        mode=Mode.DEPLOY,
        plan=replace(plan, untouched=stays, jobs_seen=2_000),
        identity=Identity("deployer@example.com", admin=False),
        checks=(
            Check("lint", CheckStatus.PASSED, 0.41, "ruff found nothing"),
            Check(
                "test",
                CheckStatus.WARNED,
                31.2,
                "41 passed, 1 skipped",
                (Finding("needs a newer Java", "tests/test_sales.py", 12, 1, "skipped"),),
            ),
        ),
        deployment=Deployment(
            "000012-20261121T080000Z-1f2e3d4c",
            uploaded=True,
            applied=(JobOutcome(11, "nightly sales"), JobOutcome(12, "hourly stock")),
            drifted=(JobOutcome(13, "weekly report", "task `main` names another file now"),),
            removed=(Removal(path("1.3.2"), "1.3.2"),),
        ),
        warnings=("Everybody may write to the root: `retail` is in a shared folder.",),
    )


def failed_and_moved_back() -> Report:
    """A deployment in which one job could not be written, so that the others went back."""
    plan = plan_of_three()
    denied = "no permission to edit the job: User deployer@example.com does not have CAN_MANAGE"
    back = "it names again what it named before"
    stays = "it was moved, and stays as it is: changed-since: the deployment had written it"
    return replace(
        plan,
        mode=Mode.DEPLOY,
        outcome=Outcome.FAILED,
        failure=Failure(
            FailureReason.JOBS_NOT_MOVED.value,
            "2 of 3 jobs did not move; 1 that had moved was moved back, and 1 could not be moved back.",
            f"- hourly stock (12): {denied}\n- weekly report (13): {stays}",
            "Every job is runnable and nothing was removed. Solve what is said, and run it again. "
            "To let the other jobs move all the same:\n\n  with:\n    on-failure: continue",
        ),
        deployment=Deployment(
            "000012-20261121T080000Z-1f2e3d4c",
            uploaded=True,
            failed=(
                JobOutcome(12, "hourly stock", denied),
                JobOutcome(13, "weekly report", stays),
            ),
            rolled_back=(JobOutcome(11, "nightly sales", back),),
        ),
        versions=tuple(
            replace(one, decision=Decision.KEEP, reasons=("used by job 12 (hourly stock)",))
            if one.version == "1.3.2"
            else one
            for one in plan.versions
        ),
    )


def rollback_of_three(mode: Mode = Mode.ROLLBACK) -> Report:
    """A rollback, or its plan: two jobs go back, to different versions, and one was changed since."""
    planned = plan_of_three()
    assert planned.plan is not None
    back = tuple(
        replace(
            one,
            references=tuple(
                replace(each, before=each.after, after=each.before) for each in one.references
            ),
            from_versions=("1.5.0",),
            note="",
        )
        for one in planned.plan.rewires[1:]
    )
    changed = Untouched(
        11,
        "nightly sales",
        "/tasks/0/libraries/0/whl",
        path("1.6.0"),
        None,
        Reason.CHANGED_SINCE.value,
        f"the deployment had written {path('1.5.0')}",
    )
    deployment = Deployment(
        "000013-20261121T231500Z-5a6b7c8d",
        applied=tuple(JobOutcome(one.job_id, one.job_name) for one in back),
    )
    return replace(
        planned,
        mode=mode,
        library=Library("retail-metrics", "1.4.0", SHA, "", path("1.4.0"), 20_480),
        plan=replace(planned.plan, upload=None, rewires=back, removals=(), untouched=(changed,)),
        versions=(),
        deployment=deployment if mode is Mode.ROLLBACK else None,
        warnings=("Job 15 (ledger) is not there any more.",),
        back_to="previous",
    )


def failed_with_two_problems() -> Report:
    """A run that stopped at its inputs."""
    first = Failure(
        FailureReason.INVALID_INPUT.value,
        "Input `cleanup` is `ture`.",
        "It is a boolean.\nOnly `true` and `false` are known.",
        "Write it like this:\n\n  with:\n    cleanup: true\n\nNothing else has to change.",
    )
    second = Failure(
        FailureReason.NO_LIBRARY_FILE.value,
        "No file matches `dist/*.whl`.",
        "The folder `dist` is empty.",
        "Build the wheel in an earlier step.",
    )
    failure = replace(first, problems=(first, second))
    return Report(Mode.DEPLOY, "production", Outcome.FAILED, failure=failure)


HOSTILE = (
    "@acme/platform see #12 and GH-7",
    "a | b \\| c",
    "](https://evil.example) [x](https://evil.example/2)",
    "![pixel](https://evil.example/p.png)",
    "<img src=x onerror=alert(1)><!-- ",
    "``` `` ` unbalanced",
    "line\n# heading\r\n- item\u2028> quote",
    "\u202egnp.exe\u202c \x1b[31mred\x07",
    "https://evil.example www.evil.example ftp://evil.example me@evil.example",
    "::error::injected ##[add-mask]x",
    "</details></summary> </td>",
    "$\\text{math}$ ~~gone~~ **bold** __bold__ [^1] :tada:",
    "",
)


def deploy_with_hostile_names() -> Report:
    """Every kind of hostile name in every place that takes text from outside."""
    rewires = tuple(
        Rewire(
            100 + index,
            name,
            (ChangedReference(f"/tasks/{name}/whl", f"{name}-1.whl", f"{name}-2.whl"),),
            (name or "1.0",),
            name,
        )
        for index, name in enumerate(HOSTILE)
    )
    base = deploy_with_everything()
    assert base.plan is not None
    return replace(
        base,
        environment=HOSTILE[0],
        outcome=Outcome.FAILED,
        failure=Failure(
            FailureReason.JOBS_NOT_MOVED.value, HOSTILE[2], "\n".join(HOSTILE), HOSTILE[4]
        ),
        identity=Identity(HOSTILE[8], admin=False),
        library=replace(LIBRARY, name=HOSTILE[1], version=HOSTILE[3]),
        checks=(
            Check(
                HOSTILE[4],
                CheckStatus.FAILED,
                1.0,
                HOSTILE[5],
                (Finding(HOSTILE[6], HOSTILE[1], 3, 4, HOSTILE[5]),),
                "\n".join(HOSTILE),
            ),
        ),
        plan=replace(
            base.plan,
            rewires=rewires,
            untouched=tuple(
                Untouched(200 + index, name, name, name, name, Reason.OWNED_BY_BUNDLE, name)
                for index, name in enumerate(HOSTILE)
            ),
        ),
        versions=tuple(StoredVersion(name, name, Decision.KEEP, (name,)) for name in HOSTILE),
        deployment=Deployment(
            HOSTILE[5],
            applied=tuple(JobOutcome(one.job_id, one.job_name) for one in rewires[:-2]),
            failed=tuple(JobOutcome(one.job_id, one.job_name, HOSTILE[7]) for one in rewires[-2:]),
            removed=(Removal(HOSTILE[1], HOSTILE[2]),),
        ),
        elsewhere=tuple(
            Elsewhere(
                "notebook", *(name,) * 4, "wheel", name, name, name, name, (JobName(1, name),), 2
            )
            for name in HOSTILE
        ),
        warnings=HOSTILE,
        timings={HOSTILE[1]: 1.0},
        host="https://evil.example/)(",
        root=HOSTILE[10],
    )


def status_of_a_workspace() -> Report:
    """What `status` shows: two versions of one library, and a reference without a version."""
    entries = (
        InventoryEntry(
            1, "nightly", "/tasks/0/libraries/0/whl", path("1.4.0"), "wheel", "retail-metrics",
            "1.4.0", None,
        ),
        InventoryEntry(
            2, "hourly", "/tasks/0/libraries/0/whl", path("1.10.0"), "wheel", "retail-metrics",
            "1.10.0", None,
        ),
        InventoryEntry(
            3, "weekly", "/tasks/0/libraries/0/whl", f"{ROOT}/x.whl", "wheel", None, None,
            Reason.NO_VERSION.value,
        ),
    )  # fmt: skip
    return Report(Mode.STATUS, "production", Outcome.SUCCEEDED, inventory=entries, host=HOST)


def plan_of_clusters() -> Report:
    """A plan that replaces the library of clusters, each in one of the ways."""
    base = plan_of_three()
    assert base.plan is not None
    clusters = (
        ClusterChange("0101-1", "analytics", (path("1.4.0"),), path("1.5.0"), ("1.4.0",), True),
        ClusterChange(
            "0101-2",
            "a `b` | <c> @team",
            (path("1.3.0"), path("1.4.0")),
            path("1.5.0"),
            ("1.3.0", "1.4.0"),
            False,
        ),
        ClusterChange("0101-3", "", (), path("1.5.0"), ("1.4.0",), True),
    )
    return replace(base, plan=replace(base.plan, clusters=clusters))


def deploy_of_clusters() -> Report:
    """The same plan, deployed: one cluster each succeeded, failed and was not tried."""
    base = plan_of_clusters()
    assert base.plan is not None
    ends = (
        ClusterOutcome("0101-1", "analytics", "restarted"),
        ClusterOutcome("0101-2", "a `b` | <c> @team", "failed", "it `broke` | <b>here</b> @team"),
    )
    return replace(
        base,
        mode=Mode.DEPLOY,
        deployment=Deployment(
            "d-1",
            uploaded=True,
            applied=tuple(JobOutcome(one.job_id, one.job_name) for one in base.plan.rewires),
            clusters=ends,
        ),
    )


def elsewhere(where: str, holder: str, value: str, standing: str, jobs: int = 1) -> Elsewhere:
    """A place outside of jobs that these many jobs use; `value` ends with a version, or names a file."""
    new = path("1.5.0") if value.startswith("/") else "retail-metrics==1.5.0"
    return Elsewhere(
        where=where,
        holder=holder,
        holder_id=holder,
        spot="line 3",
        value=value,
        kind="wheel",
        name="retail-metrics",
        version=next(one for one in ("1.4.0", "1.5.0", "2.0") if one in value),
        standing=standing,
        advice=advice(where, standing, new),
        jobs=tuple(JobName(index, f"job {index}") for index in range(min(jobs, 3))),
        jobs_count=jobs,
    )


def plan_with_places_elsewhere() -> Report:
    """A plan beside which others have something to do, and what can't be read."""
    notebook = "/Workspace/Users/ada@example.com/load"
    library = "cluster library"
    places = (
        elsewhere(library, "cluster 0101-1 (analytics)", path("1.4.0"), "with-this-run"),
        elsewhere("notebook", notebook, f"%pip install {path('1.4.0')}", "by-hand", 2),
        elsewhere("policy library", "policy 9A (small)", path("1.4.0"), "by-hand", 1_200),
        elsewhere("pipeline dependency", "pipeline 77 (gold)", path("1.5.0"), "already-current", 0),
        elsewhere("requirements file", "/Workspace/r.txt", "retail-metrics==2.0", "another-major"),
    )
    return replace(plan_of_three(), elsewhere=places)


OWNERS = ("pricing", "ann@example.com", "1f3c2a5e-service-principal", "")
STARTS = (
    "daily 02:00 Europe/Berlin", "continuously", "paused: hourly at :05 UTC", "", "when files arrive",
    "cron 0 0/10 * * * ? UTC",
)  # fmt: skip


def with_circumstances(report: Report) -> Report:
    """The same report, which knows who answers for the jobs and when they run."""
    assert report.plan is not None
    rewires = tuple(
        replace(one, owner=OWNERS[index % len(OWNERS)], runs=STARTS[index % len(STARTS)])
        for index, one in enumerate(report.plan.rewires)
    )
    return replace(report, plan=replace(report.plan, rewires=rewires))


def checks_of_a_fork() -> Report:
    """What the untrusted half of a pull request from a fork finds: no workspace, no plan."""
    return Report(
        mode=Mode.CHECK,
        environment="",
        outcome=Outcome.SUCCEEDED,
        library=LIBRARY,
        checks=(
            Check("lint", CheckStatus.PASSED, 0.4, "ruff found nothing"),
            Check("test", CheckStatus.PASSED, 31.2, "42 passed"),
            Check("build", CheckStatus.PASSED, 1.6, "retail_metrics-1.5.0-py3-none-any.whl"),
        ),
    )


def plan_with_jobs(moving: int, staying: int) -> Report:
    """A plan as large as wanted."""
    base = plan_of_three()
    assert base.plan is not None
    return replace(
        base,
        plan=replace(
            base.plan,
            rewires=tuple(
                rewire(index, f"team {index % 40}: job {index}") for index in range(moving)
            ),
            untouched=tuple(
                untouched(100_000 + index, f"other {index}", list(Reason)[index % len(Reason)])
                for index in range(staying)
            ),
            jobs_seen=moving + staying,
        ),
    )


# Text as others may write it: any characters, seasoned with what means something to a sink.
SEASONING = (
    "`", "``", "|", "\\", "\\|", "@team", "#1", "GH-1", "<b>", "-->", "](x)", "![", "https://x.y",
    "www.x.y", "me@x.y", "\n", "\r", "# ", "- ", "1. ", "> ", "---", "===", "\u202e", "\u2028",
    "\x1b[2J", "::error::", "##[error]", "%0A", "\ud800", "&lt;", "&#60;", "$", "~~", "*", "_", "  ",
    # Mentions, references and addresses that hide behind something, or in front of it.
    "_www.x.y", "(www.x.y", "~www.x.y", "@\u200bteam", "&commat;team", "&#64;team", "&#x40;team",
    "acme/x#1", "acme/x@0123456789abcdef", "deadbeef1", "0123456789abcdef0123456789abcdef01234567",
    "mailto:me@x.y", "xmpp:me@x.y/z", "HTTPS://x.y", "ftp://x.y", "http:\\//x.y", "&colon;//x.y",
    ":tada:", ":+1:", "\uff20team",
    # Blocks, HTML and links by reference.
    "\n\n", "\t", "    ", "[x]: https://x.y", "[^1]", "- [ ] ", "+ ", "1) ", "***", "~~~", "```",
    "> [!NOTE]", "<!--", "</details>", "</summary>", "<details>", "<a href=//x.y>", "<https://x.y>", "<?",
    "<![CDATA[", "&",
    # What acts on a terminal, or hides from a reader.
    "\x9b2J", "\x07", "\x7f", "\x85", "\v", "\f", "\x00", "\u2066", "\u200b", "\u200d", "\ufeff", "\u00ad",
    "\u3164", "\u034f", "\U000e0041", "\ufe0f", "\U0001f468\u200d\U0001f4bb",
)  # fmt: skip
texts = st.lists(st.one_of(st.text(max_size=8), st.sampled_from(SEASONING)), max_size=6).map(
    "".join
)
surrogates = st.characters(categories=["Cs"])
versions = st.one_of(st.sampled_from(["1.4.0", "1.10.0", "2.0.0rc1", "0.9"]), texts)
ids = st.integers(min_value=0, max_value=2**53)
T = TypeVar("T")
seconds = st.floats(min_value=0, max_value=1e6)
hashes = st.just(SHA)


def few(one: st.SearchStrategy[T], size: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(one, max_size=size).map(tuple)


failure_reasons = st.sampled_from([reason.value for reason in FailureReason])
stay_reasons = st.sampled_from([reason.value for reason in Reason])
problems = st.builds(Failure, failure_reasons, texts, texts, texts)
failures = st.builds(Failure, failure_reasons, texts, texts, texts, few(problems))
positions = st.none() | st.integers(1, 9_999)
findings = st.builds(Finding, texts, texts, positions, positions, texts)
check_results = st.builds(
    Check, texts, st.sampled_from(CheckStatus), seconds, texts, few(findings), texts
)
rewires = st.builds(
    Rewire, ids, texts, few(st.builds(ChangedReference, texts, texts, texts)), few(versions), texts,
    texts, texts | st.sampled_from(["continuously", "paused: daily 02:00 UTC", "hourly at :05 UTC"]),
)  # fmt: skip
removals = st.builds(Removal, texts, versions)
cluster_ids = st.sampled_from(["0101-1", "0101-2"]) | texts
CLUSTER_ENDS = [one.value for one in Became]
plans = st.builds(
    Plan,
    texts,
    st.none() | st.builds(Upload, texts, hashes, st.integers(0, 10**9)),
    few(rewires),
    few(removals),
    few(st.builds(Untouched, ids, texts, texts, texts, st.none() | versions, stay_reasons, texts)),
    st.integers(0, 10_000),
    few(
        st.builds(
            ClusterChange, cluster_ids, texts, few(texts), texts, few(versions), st.booleans()
        )
    ),
)
outcomes = few(st.builds(JobOutcome, ids, texts, texts))
deployments = st.builds(
    Deployment,
    texts,
    st.booleans(),
    outcomes,
    outcomes,
    outcomes,
    outcomes,
    outcomes,
    few(removals),
    few(st.builds(ClusterOutcome, cluster_ids, texts, st.sampled_from(CLUSTER_ENDS), texts)),
)
optional_texts = st.none() | texts
reports = st.builds(
    Report,
    mode=st.sampled_from(Mode),
    environment=texts,
    outcome=st.sampled_from(Outcome),
    failure=st.none() | failures,
    identity=st.none() | st.builds(Identity, texts, st.booleans()),
    library=st.none()
    | st.builds(Library, texts, versions, hashes, texts, texts, st.integers(0, 10**9)),
    checks=few(check_results),
    plan=st.none() | plans,
    versions=few(
        st.builds(StoredVersion, versions, texts, st.sampled_from(Decision), few(texts))
    ),
    deployment=st.none() | deployments,
    inventory=few(
        st.builds(
            InventoryEntry, ids, texts, texts, texts, st.sampled_from(["wheel", "jar", "egg"]),
            optional_texts, optional_texts, st.none() | stay_reasons,
        )
    ),
    elsewhere=few(
        st.builds(
            Elsewhere, st.sampled_from(Where), texts, texts, texts, texts, texts, optional_texts,
            optional_texts, texts | st.just("by-hand"), texts, few(st.builds(JobName, ids, texts)), ids,
        )
    ),
    warnings=few(texts),
    timings=st.dictionaries(texts, seconds, max_size=3),
    api=st.builds(ApiUse, st.integers(0, 10**6), st.integers(0, 10**6), seconds),
    host=st.one_of(st.just(HOST), texts),
    root=texts,
    why=texts,
)  # fmt: skip
