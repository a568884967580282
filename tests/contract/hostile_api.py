"""A workspace that answers anything: JSON in the shapes of the API with any value at any place, and garbage.

`HostileApi` stands where the connection would be, below requests, so that the real adapter reads its
answers. What it says is drawn from Hypothesis, one answer after the other.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import requests
import requests.adapters
from hypothesis import strategies as st

from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.clock import ServerClock
from deployer.platforms.databricks.limits import Limits
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.transport import Transport
from deployer.platforms.databricks.workspace import DatabricksWorkspace
from tests.job_settings import any_settings, job_settings
from tests.unit.databricks.clock import Clock
from tests.unit.report.reports import texts

TOKEN = "t0p-s3cret"
ROOT = "/Volumes/main/libs/released"
LIBRARY = "sales_metrics-1.4.0-py3-none-any.whl"

leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts,
    st.sampled_from([2**63, -1, 10**30, 1e308, "", "9" * 400, "\ud800", "\0", "..", "/", "٣"]),
)  # fmt: skip
anything = st.recursive(
    leaves,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(texts, one, max_size=3),
    max_leaves=6,
)
numbers = st.integers(0, 9) | st.sampled_from(["1", "2"])
# Where an entry of a listing says that it lies: there, deeper, above, elsewhere, nowhere.
folders = st.sampled_from(
    [ROOT, f"{ROOT}/sub", f"{ROOT}/..", "/Volumes/main/libs", f"{ROOT}//", "", "/", f"{ROOT}/.spark-deploy",
     "/Workspace/Shared/libs", "/Shared/libs", "/libs", "dbfs:/libs", f"{ROOT}/%2e%2e"]
)  # fmt: skip
names = st.one_of(
    st.sampled_from(
        [LIBRARY, "sales_metrics-1.2.0-py3-none-any.whl", "sales_metrics-1.3.0-py3-none-any.whl", "sub",
         "..", ".", "", "a\0b.whl", "x" * 5_000 + ".whl", "a\\..\\b.whl", "%2e%2e%2fb.whl", "\ud800.whl"]
    ),
    texts,
)  # fmt: skip
paths = st.builds(lambda folder, name: f"{folder}/{name}", folders, names)


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The right type as a rule, and anything at all now and then."""
    return st.one_of(usual, usual, usual, usual, anything)


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with these fields, each of which may be missing or anything."""
    return st.fixed_dictionaries(
        {}, optional={name: mostly(value) for name, value in fields.items()}
    )


def several(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(mostly(one), max_size=3)


tokens = st.sampled_from(["", "", "next", "more"])
job = shaped(
    job_id=numbers,
    settings=st.one_of(job_settings, any_settings),
    has_more=st.booleans(),
    creator_user_name=texts,
)
levels = several(
    shaped(permission_level=st.sampled_from(["CAN_MANAGE", "IS_OWNER", "CAN_EDIT", "CAN_READ"]))
)
people = st.sampled_from(["me@example.com", "users", "admins", "account users"])
access = several(
    shaped(
        user_name=people, group_name=people, service_principal_name=people, all_permissions=levels
    )
)
libraries = several(shaped(whl=paths, jar=paths, pypi=shaped(package=texts), requirements=paths))
cluster = shaped(
    cluster_id=st.sampled_from(["c-1", "c-2"]),
    cluster_name=texts,
    spark_version=st.sampled_from(["15.4.x-scala2.12", "10.4.x"]),
    cluster_source=st.sampled_from(["UI", "JOB", "API"]),
    state=st.sampled_from(["RUNNING", "TERMINATED"]),
    policy_id=texts,
    init_scripts=several(
        shaped(volumes=shaped(destination=paths), workspace=shaped(destination=paths))
    ),
)
statuses = several(
    shaped(library=shaped(whl=paths), status=st.sampled_from(["INSTALLED", "PENDING"]))
)
run = shaped(
    run_id=numbers,
    job_id=numbers,
    run_name=texts,
    tasks=several(shaped(libraries=libraries)),
    has_more=st.booleans(),
)
file_entry = shaped(
    path=paths, is_directory=st.booleans(), file_size=numbers, last_modified=numbers
)
object_entry = shaped(
    path=paths, object_type=st.sampled_from(["FILE", "DIRECTORY", "NOTEBOOK"]), size=numbers,
    modified_at=numbers, object_id=numbers,
)  # fmt: skip

grants = several(
    shaped(principal=people, privileges=several(st.just("WRITE_VOLUME") | shaped(privilege=texts)))
)
policy = shaped(policy_id=texts, name=texts, definition=texts, libraries=libraries)
dbfs_entry = shaped(path=paths, is_dir=st.booleans(), file_size=numbers, modification_time=numbers)
held = shaped(cluster_id=texts, library_statuses=statuses)
any_job = st.one_of(job_settings, any_settings)


def page(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One page of a listing."""
    return shaped(next_page_token=tokens, **fields)


SHAPES: tuple[tuple[str, st.SearchStrategy[Any]], ...] = (
    (r"/jobs/list", page(jobs=several(job), has_more=st.booleans())),
    (r"/jobs/get", page(job_id=numbers, settings=any_job)),
    (r"/jobs/runs/list", page(runs=several(run))),
    (r"/jobs/runs/get", run),
    (r"/permissions/", shaped(access_control_list=access)),
    (r"/scim/v2/Me", shaped(userName=people, groups=several(shaped(display=people)))),
    (r"/fs/directories", page(contents=several(file_entry))),
    (r"/workspace/list", shaped(objects=several(object_entry))),
    (r"/workspace/get-status", object_entry),
    (r"/dbfs/list", shaped(files=several(dbfs_entry))),
    (r"/dbfs/", shaped(is_dir=st.booleans(), file_size=numbers, handle=numbers, data=texts)),
    (r"/effective-permissions/", page(privilege_assignments=grants)),
    (r"/libraries/all-cluster-statuses", shaped(statuses=several(held))),
    (r"/libraries/cluster-status", shaped(library_statuses=statuses)),
    (r"/clusters/list", page(clusters=several(cluster))),
    (r"/clusters/get", cluster),
    (r"/policies/", shaped(policies=several(policy))),
    (r"/pipelines$", page(statuses=several(shaped(pipeline_id=texts, name=texts)))),
    (r"/pipelines/", shaped(spec=anything, libraries=libraries)),
    (r"", anything),
)

errors = shaped(
    error_code=st.sampled_from(["PERMISSION_DENIED", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"]),
    message=st.sampled_from(["Job 7 does not exist.", "a already exists.", "::add-mask::x"]) | texts,
    detail=texts,
)  # fmt: skip
garbage = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"", b"<html>Sign in</html>", b"[" * 5_000, b'{"a":' * 5_000, b"null", b"[]", b"7", b'{"a": NaN}',
         b'{"a": 1e999}', b'{"job_id": ' + b"9" * 5_000 + b"}", b'{"jobs": [', b"\xff\xfe{", b"<" * 20_000,
         b"<script" * 5_000, b"\x1f\x8b\x08"]
    ),
)  # fmt: skip
headers = st.fixed_dictionaries(
    {},
    optional={
        "Location": st.sampled_from(
            ["https://[", "//x", "/api", "https://u:p@h/x", "\x00", "x" * 70_000]
        ),
        "Retry-After": st.sampled_from(
            ["1", "9" * 400, "-1", "x", "Mon, 01 Jan 0001 00:00:00 +9999", "٣"]
        ),
        "Date": st.sampled_from(
            ["x", "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359"]
        ),
        "Content-Length": st.sampled_from(["1", "x", "-5", "9" * 30, "1, 2"]),
        "Content-Type": st.sampled_from(["text/html", "application/json; charset=x"]),
        "Content-Encoding": st.sampled_from(["identity", "x"]),
    },
)
bad = st.sampled_from([201, 204, 301, 302, 308, 400, 401, 403, 404, 409, 412, 429, 500, 503])


class HostileApi(requests.adapters.BaseAdapter):
    """Stands for all connections; `asked` are the calls that came."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        """The next answer."""
        url = str(request.url)
        self.asked.append(f"{request.method} {url}")
        response = requests.Response()
        response.request, response.url = request, url
        response.status_code, more, body = self.answer(url.partition("?")[0])
        response.headers.update(more)
        response.raw = io.BytesIO(body)
        return response

    def answer(self, url: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""


def shape_of(url: str) -> int:
    """Which of `SHAPES` the answers at an address have."""
    return next(index for index, (pattern, _) in enumerate(SHAPES) if re.search(pattern, url))


class Drawing(HostileApi):
    """Draws each answer when it is asked for; for one thread."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        super().__init__()
        self._draw = draw

    def answer(self, url: str) -> tuple[int, dict[str, str], bytes]:
        """Mostly what was asked for."""
        luck = self._draw(st.integers(0, 19))
        if luck < 16:
            return 200, {}, json.dumps(self._draw(mostly(SHAPES[shape_of(url)][1]))).encode()
        if luck == 16:
            return 200, self._draw(headers), bytes(self._draw(garbage))
        body = self._draw(errors.map(lambda one: json.dumps(one).encode()) | garbage)
        return self._draw(bad), self._draw(headers), body


mishaps = st.lists(
    st.one_of(
        *[st.none()] * 12,
        st.tuples(bad, headers, errors.map(lambda one: json.dumps(one).encode()) | garbage),
        st.tuples(st.just(200), headers, garbage),
    ),
    min_size=6,
    max_size=12,
)
answers = st.tuples(*(st.lists(mostly(shape), min_size=1, max_size=3) for _, shape in SHAPES))


class Prepared(HostileApi):
    """Gives prepared answers in turn; threads may ask at once. Who we are is believed as a rule."""

    def __init__(
        self, prepared: Sequence[list[Any]], trouble: Sequence[Any], *, known: bool
    ) -> None:
        super().__init__()
        self._answers = [itertools.cycle(one) for one in prepared]
        self._trouble = itertools.cycle(trouble)
        self._known = known
        self._lock = threading.Lock()

    def answer(self, url: str) -> tuple[int, dict[str, str], bytes]:
        """The next one of its shape, or the next trouble."""
        if self._known and "/scim/" in url:
            return 200, {}, b'{"userName": "me@example.com", "groups": [{"display": "admins"}]}'
        with self._lock:
            trouble = next(self._trouble)
            said = next(self._answers[shape_of(url)])
        return trouble or (200, {}, json.dumps(said).encode())


def workspace_of(api: HostileApi, clock: Clock | None = None) -> DatabricksWorkspace:
    """The real adapter on such a workspace, with a clock that only moves when somebody waits."""
    clock = clock or Clock()
    transport = Transport(
        "https://adb-1.2.example", lambda: {"Authorization": f"Bearer {TOKEN}"}, {}
    )
    transport._session.mount("https://", api)
    client = Client(
        transport,
        policy=RetryPolicy(budget_s=0),
        limits=Limits(clock=clock, sleep=clock.sleep),
        clock=clock,
        sleep=clock.sleep,
    )
    return DatabricksWorkspace(client, ServerClock(clock, clock))
