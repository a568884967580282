"""The scenario of the reliability tests: a root with a past, jobs of every shape, and runs on them.

    before = before_the_deployment(VOLUME)                  # made once, by the product's own deployments
    with scene(VOLUME, before) as one:                      # a workspace in exactly that state
        report = one.run(one.ask(deploys(NEW)))             # a run in this process, with little patience
        assert one.state().difference(deployed(before, VOLUME)) == ""

The root holds what two earlier deployments left: their journal and locks, 1.3.0, which nothing needs any
more, and 1.4.0, which five jobs name; and files that no deployment may touch. One job is on 1.2.5, one of
another MAJOR and one of another library stay as they are. The next deployment uploads, moves five jobs and
removes 1.3.0. Owns the state and how runs are started on it. What may never happen is said in `guard`.
"""

from __future__ import annotations

import io
import itertools
import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import sandbox.multipart
from deployer import pipeline
from deployer.checks.steps import Checked
from deployer.deployment.claims import Holder
from deployer.doors import Doors, Origin
from deployer.platforms.databricks import multipart, volumes
from deployer.platforms.databricks.connect import connect
from deployer.platforms.databricks.limits import Limits
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.process import is_alive, machine, this_process
from deployer.report.model import Report
from deployer.settings import parse
from sandbox.server import Sandbox
from tests.wheels import make_wheel
from tests.workspace import running_workspace

Settings = dict[str, Any]

NAME = "retail_metrics"
OTHER = "shared_tools"
OWN = ".spark-deploy"
OLD, NEW = "1.4.0", "1.5.0"
GOES = "1.3.0"
"""The old version that nothing needs: the deployment of `NEW` removes it."""
LATE = "1.2.5"
"""The version of the one job that missed the last deployments."""
MOVING = (101, 102, 103, 104, 105)
"""The ids of the jobs that a deployment moves."""
STAYING = (201, 202)


@dataclass(frozen=True)
class Ground:
    """Where a scenario happens: its root, and the inputs that this root needs."""

    root: str
    inputs: tuple[tuple[str, str], ...] = ()

    def path(self, version: str, name: str = NAME) -> str:
        """Where a version lies."""
        return f"{self.root}/{file_name(version, name)}"


VOLUME = Ground("/Volumes/main/libraries/released")
FOLDER = Ground("/Workspace/libraries/released")
DBFS = Ground("dbfs:/libraries/released", (("allow-dbfs", "true"),))


def file_name(version: str, name: str = NAME) -> str:
    """The name of a version's wheel."""
    return f"{name}-{version}-py3-none-any.whl"


def wheel(version: str, name: str = NAME, size: int = 0) -> bytes:
    """A version's wheel; with `size` it has a member of that many bytes, which don't compress."""
    files: dict[str, str | bytes] = {f"{name}/__init__.py": f'__version__ = "{version}"\n'}
    if size:
        files[f"{name}/data.bin"] = _noise(size)
    return make_wheel(name, version, files=files)[1]


def _noise(size: int) -> bytes:
    """Bytes that look like chance and are the same each time."""
    return random.Random(size).randbytes(size)


# ── The state ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class State:
    """Jobs by id and files by path, as a workspace has them at one moment."""

    jobs: Mapping[int, Settings]
    files: Mapping[str, bytes] = field(repr=False)

    @property
    def published(self) -> Mapping[str, bytes]:
        """The files without our own ones."""
        return {path: content for path, content in self.files.items() if f"/{OWN}/" not in path}

    def difference(self, other: State) -> str:
        """What differs, in words; nothing where both are the same but for our own files."""
        mine, theirs = comparable(self.jobs), comparable(other.jobs)
        told = [
            f"job {one}" for one in mine.keys() | theirs.keys() if mine.get(one) != theirs.get(one)
        ]
        ours, others = self.published, other.published
        told += [one for one in ours.keys() | others.keys() if ours.get(one) != others.get(one)]
        return ", ".join(sorted(told))


def state_of(workspace: Sandbox) -> State:
    """What is there now."""
    with workspace.frozen():
        return State(workspace.jobs(), {path: workspace.file(path) for path in workspace.files()})


def put_into(workspace: Sandbox, ground: Ground, state: State) -> None:
    """Bring an empty workspace into a state."""
    with workspace.frozen():
        if ground.root.startswith("/Volumes/"):
            workspace.add_volume(".".join(ground.root.split("/")[2:5]))
        for path, content in state.files.items():
            workspace.put_file(path, content)
        for job_id, settings in state.jobs.items():
            workspace.add_job(settings, job_id=job_id)


def comparable(jobs: Mapping[int, Settings]) -> dict[int, str]:
    """Each job's settings as one text, the same for settings that differ in nothing but order.

    The API gives tasks and webhooks back in an order of its own (facts B2), so a reset writes them so.
    """
    return {
        job_id: json.dumps(_ordered(settings), sort_keys=True) for job_id, settings in jobs.items()
    }


def _ordered(settings: Settings) -> Settings:
    tasks = [
        {**one, "depends_on": sorted(one["depends_on"], key=json.dumps)}
        if "depends_on" in one
        else one
        for one in settings.get("tasks", ())
    ]
    hooks = settings.get("webhook_notifications", {})
    return {
        **settings,
        "tasks": sorted(tasks, key=lambda one: str(one.get("task_key", ""))),
        "webhook_notifications": {name: sorted(one, key=json.dumps) for name, one in hooks.items()},
    }


def deployed(
    state: State, ground: Ground, version: str = NEW, removed: Iterable[str] = (GOES,)
) -> State:
    """The state after `version` was deployed and these old ones were removed."""
    gone = {ground.path(one) for one in removed}
    files = {path: content for path, content in state.files.items() if path not in gone}
    files[ground.path(version)] = wheel(version)
    return replace(moved(state, ground, version), files=files)


def moved(
    state: State, ground: Ground, version: str, *, job_ids: tuple[int, ...] = MOVING
) -> State:
    """The state with these jobs on `version`: in their texts that file takes the place of each older one.

    Told by a regular expression and not by the product, which may be wrong.
    """
    older = re.compile(re.escape(f"{ground.root}/{NAME}-") + r"1\.\d+\.\d+(?=-py3-none-any\.whl)")
    jobs = {
        job_id: json.loads(older.sub(f"{ground.root}/{NAME}-{version}", json.dumps(settings)))
        if job_id in job_ids
        else settings
        for job_id, settings in state.jobs.items()
    }
    return replace(state, jobs=jobs)


def _jobs(ground: Ground) -> dict[int, Settings]:
    """The jobs, all on 1.2.0 but for those that stay."""
    old, other = ground.path("1.2.0"), ground.path("3.1.0", OTHER)
    entry = {"package_name": NAME, "entry_point": "main"}
    return {
        101: {
            "name": "several tasks",
            "tasks": [
                {
                    "task_key": "load",
                    "libraries": [{"whl": old}, {"whl": other}, {"pypi": {"package": "requests"}}],
                    "python_wheel_task": entry,
                    "job_cluster_key": "small",
                    "unknown_to_us": {"kept": [1, 1.0, None, True], "text": f"see {NAME}-1.2.0"},
                },
                {
                    "task_key": "clean",
                    "depends_on": [{"task_key": "load"}],
                    "libraries": [{"whl": old}],
                    "python_wheel_task": {**entry, "parameters": ["--day", "{{job.start_time}}"]},
                    "job_cluster_key": "small",
                },
                {"task_key": "audit", "notebook_task": {"notebook_path": "/Workspace/audit"}},
            ],
            "job_clusters": [{"job_cluster_key": "small", "new_cluster": {"num_workers": 1}}],
            "webhook_notifications": {"on_failure": [{"id": "one"}, {"id": "two"}]},
            "schedule": {"quartz_cron_expression": "0 0 3 * * ?", "timezone_id": "UTC"},
            "tags": {"team": "retail"},
        },
        102: {
            "name": "serverless",
            "tasks": [
                {"task_key": "main", "environment_key": "default", "python_wheel_task": entry}
            ],
            "environments": [
                {
                    "environment_key": "default",
                    "spec": {
                        "environment_version": "4",
                        "dependencies": [
                            f"{old}[train] ; python_version >= '3.10'  # nightly",
                            "numpy==2.1.0",
                            other,
                        ],
                    },
                },
                {"environment_key": "spare", "spec": {"dependencies": ["pandas"]}},
            ],
        },
        103: {
            "name": "spark-submit",
            "tasks": [
                {
                    "task_key": "main",
                    "spark_submit_task": {
                        "parameters": [
                            "--py-files",
                            f"{other},{old}",
                            "--conf",
                            "spark.x=1",
                            "/Workspace/main.py",
                        ]
                    },
                    "new_cluster": {"num_workers": 2},
                }
            ],
        },
        104: {
            "name": "for each",
            "tasks": [
                {
                    "task_key": "loop",
                    "for_each_task": {
                        "inputs": "[1, 2]",
                        "task": {
                            "task_key": "each",
                            "libraries": [{"whl": old}],
                            "python_wheel_task": entry,
                        },
                    },
                }
            ],
        },
        105: {
            # An environment without a key can't be updated by itself: this job needs `jobs/reset`.
            "name": "reset",
            "tasks": [{"task_key": "b", "libraries": [{"whl": old}]}, {"task_key": "a"}],
            "environments": [{"spec": {"environment_version": "4", "dependencies": [old]}}],
            "queue": {"enabled": True},
        },
        201: {
            "name": "another major",
            "tasks": [{"task_key": "main", "libraries": [{"whl": ground.path("2.0.0")}]}],
        },
        202: {
            "name": "another library",
            "tasks": [{"task_key": "main", "libraries": [{"whl": other}]}],
        },
    }


def _on_an_old_runtime(jobs: dict[int, Settings], old: str) -> dict[int, Settings]:
    """The jobs on clusters of 13.3, the last long-term runtime that takes libraries from DBFS (facts A3)."""
    cluster = {"spark_version": "13.3.x-scala2.12", "num_workers": 1}
    jobs[102]["tasks"] = [{"task_key": "main", "libraries": [{"whl": old}]}]
    for settings in jobs.values():
        settings.pop("environments", None)
        settings.pop("job_clusters", None)
        for task in settings["tasks"]:
            task.pop("job_cluster_key", None)
            inner = task.get("for_each_task", {}).get("task", task)
            inner["new_cluster"] = cluster
    return jobs


def untouched(ground: Ground) -> State:
    """The state before this program was ever used: all jobs that will move are on 1.2.0."""
    put = {ground.path(one): wheel(one) for one in ("1.2.0", "2.0.0")}
    put[ground.path("3.1.0", OTHER)] = wheel("3.1.0", OTHER)
    jobs = _jobs(ground)
    return State(_on_an_old_runtime(jobs, ground.path("1.2.0")) if ground is DBFS else jobs, put)


@cache
def before_the_deployment(ground: Ground) -> State:
    """The state before `NEW` is deployed, made by deploying 1.3.0 and then 1.4.0."""
    with scene(ground, untouched(ground)) as one:
        for version in (GOES, OLD):
            report = one.run(one.ask(deploys(version)))
            assert report.outcome == "succeeded", report.failure
        found = one.state()
        assert file_name("1.2.0") not in {path.rsplit("/", 1)[-1] for path in found.files}
    late = json.dumps(found.jobs[104]).replace(file_name(OLD), file_name(LATE))
    return State(
        {**found.jobs, 104: json.loads(late)}, {**found.files, ground.path(LATE): wheel(LATE)}
    )


# ── Runs ─────────────────────────────────────────────────────────────────────────────────────────

THIS_RUN = Holder("someone", run_url="https://ci/1", run="retail/1/deploy", attempt=1, runner="r1")
"""A run of a CI system, on its own machine."""
NEXT_ATTEMPT = replace(THIS_RUN, attempt=2)
"""The same run, started again: it takes over what the first attempt held at once."""
STRANGER = Holder(
    "someone else", run_url="https://ci/2", run="retail/2/deploy", attempt=1, runner="r2"
)
"""Another run: it waits until a lock is void."""


def on_this_machine() -> Holder:
    """A run on this machine, which knows that a process died; it names the calling process."""
    return Holder("someone here", machine=machine(), process=this_process())


@dataclass(frozen=True)
class Ask:
    """One run, as a value that another process can be given.

    `inputs` are the action's inputs. `who` is the holder of its locks; None is the process that runs it.
    `number` tells the ids and nonces of runs apart. `budget_s` is how long a call is tried again,
    `read_timeout_s` how long an answer is waited for. `in_parts` is whether a file of `PART` bytes counts
    as a large one.
    """

    url: str
    token: str
    folder: Path
    inputs: Mapping[str, str]
    number: int
    who: Holder | None = None
    budget_s: float = 20.0
    read_timeout_s: float = 10.0
    in_parts: bool = False


def deploys(version: str, **inputs: str) -> dict[str, str]:
    """The inputs of a deployment; those given have underscores for hyphens."""
    return _inputs(mode="deploy", wheel=f"{version}/*.whl", **inputs)


def rolls_back(to: str = "previous", **inputs: str) -> dict[str, str]:
    """The inputs of a rollback."""
    return _inputs(mode="rollback", to=to, library=NAME, **inputs)


def _inputs(**inputs: str) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in inputs.items()}


class _NoLimits(Limits):
    """Every call has its turn at once."""

    def __init__(self) -> None:
        super().__init__(sleep=lambda seconds: None)


PART = 64 * 1024
"""Bytes of a part of a file that is large enough for parts, where `small_parts` says so."""


@dataclass(frozen=True)
class Told:
    """A narrator that writes everything down as it is: whoever looks for a cause reads it."""

    log: io.StringIO

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """A heading."""
        self._write(title)
        yield

    def info(self, text: str) -> None:
        """Lines below their heading."""
        self._write(text, "  ")

    def debug(self, text: str) -> None:
        """The same."""
        self._write(text, "  ")

    def progress(self, what: str, done: int, total: int | None) -> None:
        """Nothing: there is no bar."""

    @contextmanager
    def untrusted(self) -> Iterator[Callable[[str], None]]:
        """Lines of another program; none is run here."""
        yield lambda text: self._write(text, "  │ ")

    def _write(self, text: str, lead: str = "") -> None:
        self.log.write("".join(f"{lead}{line}\n" for line in text.splitlines()))


@contextmanager
def small_parts() -> Iterator[None]:
    """Large uploads begin at one part, and parts are small, in the program and in the embedded workspace."""
    with (
        patch.object(volumes, "LARGE", PART),
        patch.object(multipart, "PART_SIZES", (PART,)),
        patch.object(sandbox.multipart, "_SMALLEST_PART", PART),
    ):
        yield


def perform(
    ask: Ask,
    *,
    between: Callable[[], None] = lambda: None,
    stopped: Callable[[], bool] = lambda: False,
    log: io.StringIO | None = None,
) -> Report:
    """Do what is asked, with pauses of milliseconds. `between` is called between plan and intent."""
    nonces = itertools.count(1)

    def new_id() -> str:
        between()
        return f"{ask.number:08x}"

    settings = parse(dict(ask.inputs))
    opened = []

    def opens(_: object) -> Any:
        workspace = connect(
            host=ask.url,
            token=ask.token,
            environ={},
            policy=RetryPolicy(budget_s=ask.budget_s, base_s=0.002, cap_s=0.01),
            sleep=lambda seconds: time.sleep(min(seconds, 0.01)),
            limits=_NoLimits(),
            read_timeout_s=ask.read_timeout_s,
        )
        opened.append(workspace)
        return workspace

    doors = Doors(
        workspace_folder=ask.folder,
        connect=opens,
        check=lambda *_: Checked(()),
        stopped=stopped,
        new_id=new_id,
        now_ms=lambda: time.time_ns() // 1_000_000,
        origin=Origin("someone", "0" * 40, "https://ci/1"),
        holder=ask.who or on_this_machine(),
        nonce=lambda: f"{ask.number:08x}{next(nonces):08x}",
        alive=is_alive,
        pause=time.sleep,
    )
    narrator = Told(log or io.StringIO())
    try:
        with small_parts() if ask.in_parts else nullcontext():
            return pipeline.run(settings, doors, narrator)
    finally:
        for workspace in opened:
            workspace.close()


@dataclass
class Scene:
    """A workspace in a known state, a folder with the wheels of versions, and runs on both."""

    workspace: Sandbox
    ground: Ground
    folder: Path
    log: io.StringIO = field(default_factory=io.StringIO)
    runs: int = 0

    def build(self, version: str, content: bytes | None = None) -> None:
        """A version's wheel, where `deploys` looks for it."""
        place = self.folder / version
        place.mkdir(exist_ok=True)
        (place / file_name(version)).write_bytes(content or wheel(version))

    def ask(self, inputs: Mapping[str, str], **more: Any) -> Ask:
        """A run with these inputs in this workspace; `more` are fields of `Ask`."""
        self.runs += 1
        version = inputs.get("wheel", "").partition("/")[0]
        if version and not (self.folder / version).exists():
            self.build(version)
        given = {
            "root": self.ground.root,
            "lock-expiry": "30s",
            "lock-timeout": "1m",
            **dict(self.ground.inputs),
            **inputs,
        }
        return Ask(self.workspace.url, self.workspace.token, self.folder, given, self.runs, **more)

    def run(self, ask: Ask, **more: Any) -> Report:
        """One run in this process; `more` as `perform` takes it. What it said is in `log`."""
        print(f"── run {ask.number} ──", file=self.log)
        return perform(ask, log=self.log, **more)

    def state(self) -> State:
        """What is there now."""
        return state_of(self.workspace)


@contextmanager
def scene(ground: Ground, state: State, folder: Path | None = None) -> Iterator[Scene]:
    """A workspace in that state while the block runs. `folder` may have wheels that were built before."""
    with TemporaryDirectory() as made, running_workspace() as workspace:
        put_into(workspace, ground, state)
        yield Scene(workspace, ground, folder or Path(made))
