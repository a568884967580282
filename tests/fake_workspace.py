"""A workspace in memory behind the ports, for tests of the story that need no HTTP.

It keeps the promises of the ports and no others; tests/contract/workspace_suite.py runs against it
and against the adapter, so that the two can't drift apart.

    workspace = FakeWorkspace()
    job_id = workspace.add_job({"name": "nightly", "tasks": [...]})
    workspace.put_file("/Workspace/libs/x-1.0.0-py3-none-any.whl", b"...")
    workspace.may_view_only.add(job_id)                       # 403 when it is written
    workspace.before_write = lambda job_id: ...               # somebody else's edit in between
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from deployer.deployment.ports import (
    RECORD_LIMIT,
    AlreadyExists,
    ClusterListing,
    Credential,
    Denied,
    Identity,
    JobDocument,
    NotFound,
    RateLimit,
    Refused,
    RootRights,
    StoredFile,
    UsageDocument,
)
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.roots import Kind, Root, canonical, parse_root

_KEYS = {
    "tasks": "task_key",
    "job_clusters": "job_cluster_key",
    "environments": "environment_key",
    "parameters": "name",
}


@dataclass
class FakeWorkspace:
    """Implements `ports.Workspace`, and its `Jobs` and `Usage` as well.

    Attributes:
        user: who we are.
        admin: whether we are a workspace admin.
        groups: our groups.
        settings: the settings of all jobs by id; change them as somebody else would.
        contents: the bytes of all files by canonical path.
        folders: the folders that are there, besides those that hold files.
        volumes: the volumes that are there, such as `main.libs.released`.
        open_folders: roots that every user may write to.
        may_view_only: jobs whose writes are denied.
        unreadable: jobs that can be listed only; their documents are not complete.
        denied_paths: files and folders on which every write is denied.
        writers: names of others that may write, by root.
        before_write: called with the job id before each update or reset.
        fence: called before each write; there are no retries.
        runs: active runs.
        others: clusters, policies and pipelines.
        usage_denied: makes listing `runs` and `others` fail.
        unmanaged_clusters: clusters whose libraries we may not change.
        export_limit: the largest workspace file that can be read back, in bytes.
        written: the writes so far, such as `("update", 7)`, `("upload", "/Workspace/…")` or, for a
            record, `("create", "/Workspace/…")`.
    """

    user: str = "deployer@example.com"
    admin: bool = True
    groups: frozenset[str] = frozenset()
    settings: dict[int, JsonObject] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    volumes: set[str] = field(default_factory=set)
    open_folders: set[str] = field(default_factory=set)
    may_view_only: set[int] = field(default_factory=set)
    unreadable: set[int] = field(default_factory=set)
    denied_paths: set[str] = field(default_factory=set)
    writers: dict[str, set[str]] = field(default_factory=dict)
    before_write: Callable[[int], None] = lambda _: None
    fence: Callable[[], None] = lambda: None
    runs: list[UsageDocument] = field(default_factory=list)
    others: list[UsageDocument] = field(default_factory=list)
    usage_denied: bool = False
    unmanaged_clusters: set[str] = field(default_factory=set)
    export_limit: int = 10 * 1024 * 1024
    written: list[tuple[str, int | str]] = field(default_factory=list)
    modified_ms: dict[str, int] = field(default_factory=dict)
    _clock_ms: int = 1_750_000_000_000

    # --- what tests do

    def add_job(self, settings: Mapping[str, object], job_id: int | None = None) -> int:
        """Add a job with these settings; its id."""
        made = job_id if job_id is not None else max(self.settings, default=1000) + 1
        self.settings[made] = copy.deepcopy(dict(settings))
        return made

    def put_file(self, path: str, content: bytes, *, modified_ms: int | None = None) -> None:
        """Put a file, with the volume and the folders that it needs."""
        path = canonical(path)
        if path.startswith("/Volumes/"):
            self.volumes.add(Root(Kind.VOLUME, path).volume)
        self._make_folders(path.rpartition("/")[0])
        self._store(path, content, modified_ms)

    def _store(self, path: str, content: bytes, modified_ms: int | None = None) -> None:
        self._clock_ms += 1000
        self.contents[path] = content
        self.modified_ms[path] = self._clock_ms if modified_ms is None else modified_ms

    def _make_folders(self, folder: str) -> None:
        while folder not in ("", "/Workspace", "/Volumes"):
            self.folders.add(folder)
            folder = folder.rpartition("/")[0]

    # --- ports.Workspace

    @property
    def host(self) -> str:
        return "https://fake.example.com"

    @property
    def jobs(self) -> FakeWorkspace:
        return self

    @property
    def usage(self) -> FakeWorkspace:
        return self

    @property
    def clusters(self) -> FakeClusters:
        return FakeClusters(self)

    def fenced_by(self, fence: Callable[[], None]) -> FakeWorkspace:
        fenced = copy.copy(self)  # all that tests look at is shared
        fenced.fence = fence
        return fenced

    def records(self, folder: str, *, allow_dbfs: bool = False) -> FakeRecords:
        return FakeRecords(FakeStore(self, parse_root(folder, allow_dbfs=allow_dbfs)))

    def identity(self) -> Identity:
        return Identity(self.user, self.admin, self.groups)

    def store(self, root: str, *, allow_dbfs: bool = False) -> FakeStore:
        return FakeStore(self, parse_root(root, allow_dbfs=allow_dbfs))

    def credential(self) -> Credential:
        return Credential("fake")

    def limits(self) -> tuple[RateLimit, ...]:
        return (RateLimit("everything", 20, 15),)

    def now_ms(self) -> int:
        return self._clock_ms

    def root_rights(self, root: str, identity: Identity) -> RootRights:
        path = parse_root(root, allow_dbfs=True).path
        may = True if identity.admin else None
        everybody = self.store(root, allow_dbfs=True).open_to_all()
        return RootRights(may, may, tuple(sorted(self.writers.get(path, ()))), everybody)

    def calls(self) -> tuple[int, int, float]:
        return len(self.written), 0, 0.0

    # --- ports.Jobs

    def all_jobs(self) -> Iterator[JobDocument]:
        for job_id in sorted(self.settings):
            yield self._document(job_id)

    def job(self, job_id: int) -> JobDocument:
        if job_id in self.unreadable:
            raise Denied(f"User {self.user} does not have View permissions on job {job_id}")
        return self._document(job_id)

    def _document(self, job_id: int) -> JobDocument:
        return JobDocument(
            job_id,
            copy.deepcopy(self._settings(job_id)),
            creator=self.user,
            complete=job_id not in self.unreadable,
        )

    def _settings(self, job_id: int) -> JsonObject:
        if job_id not in self.settings:
            raise NotFound(f"Job {job_id} does not exist.")
        return self.settings[job_id]

    def update(self, job_id: int, new_settings: JsonObject) -> None:
        stored = self._writable(job_id)
        for name, value in copy.deepcopy(new_settings).items():
            before = stored.get(name)
            if name in _KEYS and isinstance(value, list) and isinstance(before, list):
                stored[name] = _merged(before, value, _KEYS[name])
            else:
                stored[name] = value
        self.written.append(("update", job_id))

    def reset(self, job_id: int, settings: JsonObject) -> None:
        self._writable(job_id)
        self.settings[job_id] = copy.deepcopy(settings)
        self.written.append(("reset", job_id))

    def _writable(self, job_id: int) -> JsonObject:
        self.fence()
        self.before_write(job_id)
        stored = self._settings(job_id)
        if job_id in self.may_view_only:
            raise Denied(
                f"User {self.user} does not have Admin or Owner permissions on job {job_id}"
            )
        return stored

    def may_edit(self, job_id: int, identity: Identity) -> bool | None:
        if identity.admin:
            return True
        return None if job_id in self.unreadable else job_id not in self.may_view_only

    # --- ports.Usage

    def active_runs(self) -> Iterator[UsageDocument]:
        return self._users(self.runs)

    def other_users(self) -> Iterator[UsageDocument]:
        return self._users(self.others)

    def read_text(self, path: str) -> str | None:
        if path in self.denied_paths:
            raise Denied(f"No permission on {path}.")
        content = self.contents.get(path)
        return None if content is None else content.decode()

    def runtimes(self) -> Mapping[str, str]:
        if self.usage_denied:
            return {}
        clusters = [one for one in self.others if one.kind == "cluster"]
        return {
            one.id: str(one.document["spark_version"])
            for one in clusters
            if one.document.get("spark_version")
        }

    def read_notebook(self, path: str) -> str | None:
        return self.read_text(path)

    def _users(self, found: list[UsageDocument]) -> Iterator[UsageDocument]:
        if self.usage_denied:
            raise Denied("They can't be listed.")
        yield from copy.deepcopy(found)


def _merged(before: list[object], new: list[object], key: str) -> list[object]:
    """Replace elements of the same key, keep the others, add new ones (facts B3)."""
    named = {_name(each, key): each for each in before}
    named.update({_name(each, key): each for each in new})
    return list(named.values())


def _name(element: object, key: str) -> str:
    return str(element[key]) if isinstance(element, dict) else repr(element)


@dataclass(frozen=True)
class FakeClusters:
    """Implements `ports.Clusters` on the `others` of a `FakeWorkspace`; every step ends at once."""

    workspace: FakeWorkspace

    def listing(self) -> ClusterListing:
        found = list(self.workspace.other_users())
        return ClusterListing(
            tuple(one.document for one in found if one.kind == "cluster"),
            tuple(one.document for one in found if one.kind == "policy"),
        )

    def cluster(self, cluster_id: str) -> JsonObject:
        return copy.deepcopy(self._cluster(cluster_id))

    def _cluster(self, cluster_id: str) -> JsonObject:
        for found in self.workspace.others:
            if (found.kind, found.id) == ("cluster", cluster_id):
                return found.document
        raise NotFound(f"Cluster {cluster_id} does not exist.")

    def _statuses(self, cluster_id: str) -> list[JsonObject]:
        """The statuses of a cluster that we are about to change."""
        self.workspace.fence()
        held = self._cluster(cluster_id).setdefault("library_statuses", [])
        if cluster_id in self.workspace.unmanaged_clusters:
            raise Denied(f"{self.workspace.user} does not have Manage permissions on {cluster_id}.")
        assert isinstance(held, list)
        return held

    def install(self, cluster_id: str, library: JsonObject) -> None:
        statuses = self._statuses(cluster_id)
        files = self.workspace.contents
        missing = [one for one in library.values() if canonical(str(one)) not in files]
        entry: JsonObject = {
            "library": dict(library),
            "status": "FAILED" if missing else "INSTALLED",
            "messages": [f"{one} : file not found" for one in missing],
        }
        statuses[:] = [*(each for each in statuses if each["library"] != library), entry]
        self.workspace.written.append(("install", cluster_id))

    def uninstall(self, cluster_id: str, libraries: Sequence[JsonObject]) -> None:
        for each in self._statuses(cluster_id):
            if each["library"] in libraries:
                each["status"] = "UNINSTALL_ON_RESTART"
        self.workspace.written.append(("uninstall", cluster_id))

    def restart(self, cluster_id: str) -> None:
        statuses = self._statuses(cluster_id)
        state = str(self._cluster(cluster_id).get("state", "RUNNING"))
        if state != "RUNNING":
            raise Refused(f"Cluster {cluster_id} is in unexpected state {state.capitalize()}.")
        statuses[:] = [each for each in statuses if each["status"] != "UNINSTALL_ON_RESTART"]
        self.workspace.written.append(("restart", cluster_id))


@dataclass(frozen=True)
class FakeStore:
    """Implements `ports.Store` on the files of a `FakeWorkspace`."""

    workspace: FakeWorkspace
    place: Root

    @property
    def root(self) -> str:
        return self.place.path

    def exists(self) -> bool:
        if not self._has_volume():
            raise NotFound(f"The volume {self.place.volume} does not exist.")
        return (
            self.root in self.workspace.folders
            or any(path.startswith(f"{self.root}/") for path in self.workspace.contents)
            or (self.place.kind is Kind.VOLUME and self._is_volume_itself())
        )

    def _is_volume_itself(self) -> bool:
        return self.root == "/Volumes/" + self.place.volume.replace(".", "/")

    def _has_volume(self) -> bool:
        return self.place.kind is not Kind.VOLUME or self.place.volume in self.workspace.volumes

    def create_root(self) -> None:
        there = self.exists()
        self._need_write(self.root)
        if not there:
            self.workspace.written.append(("create_root", self.root))
        self.workspace._make_folders(self.root)

    def _need_write(self, path: str) -> None:
        self.workspace.fence()
        if any(f"{path}/".startswith(f"{each}/") for each in self.workspace.denied_paths):
            raise Denied(f"{self.workspace.user} may not write to {path}.")

    def open_to_all(self) -> bool | None:
        everybody = f"{self.root}/".startswith("/Workspace/Shared/")
        in_dbfs = self.place.kind is Kind.DBFS
        return everybody or in_dbfs or self.root in self.workspace.open_folders

    def files(self) -> tuple[StoredFile, ...]:
        own = f"{self.root}/.spark-deploy/"
        return tuple(
            StoredFile(path, len(content), self.workspace.modified_ms[path])
            for path, content in sorted(self.workspace.contents.items())
            if path.startswith(f"{self.root}/") and not path.startswith(own)
        )

    def sha256(self, path: str) -> str | None:
        if path not in self.workspace.contents:
            raise NotFound(f"{path} does not exist.")
        content = self.workspace.contents[path]
        if self.place.kind is Kind.WORKSPACE and len(content) > self.workspace.export_limit:
            return None
        return hashlib.sha256(content).hexdigest()

    def upload(self, path: str, content: BinaryIO, size: int) -> None:
        self._need_write(path)
        if path in self.workspace.contents:
            raise AlreadyExists(f"{path} exists already.")
        folder = path.rpartition("/")[0]
        if folder != self.root and folder not in self.workspace.folders:
            raise NotFound(f"The parent folder ({folder}) does not exist.")
        if not self.exists():
            raise NotFound(f"The parent folder ({folder}) does not exist.")
        sent = content.read()
        if len(sent) != size:
            raise Refused(f"{len(sent)} bytes were sent, {size} were announced.")
        self.workspace._store(path, sent)
        self.workspace.written.append(("upload", path))

    def delete(self, path: str) -> None:
        self._need_write(path)
        if path in self.workspace.contents:
            del self.workspace.contents[path]
            self.workspace.written.append(("delete", path))


@dataclass(frozen=True)
class FakeRecords:
    """Implements `ports.Records` on the files of a `FakeWorkspace`; `store` has the folder as its root."""

    store: FakeStore

    @property
    def folder(self) -> str:
        return self.store.root

    def listed(self) -> tuple[StoredFile, ...]:
        if not self.store.exists():
            return ()
        found = self.store.workspace.contents.items()
        return tuple(
            StoredFile(path, len(content), self.store.workspace.modified_ms[path])
            for path, content in sorted(found)
            if path.rpartition("/")[0] == self.folder
        )

    def read(self, name: str) -> bytes | None:
        path = self._path(name)
        content = self.store.workspace.contents.get(path)
        if content is not None:
            self._need_within(path, content)
        return content

    def create(self, name: str, content: bytes) -> None:
        path = self._path(name)
        self._need_within(path, content)
        workspace = self.store.workspace
        self.store._need_write(path)
        if path in workspace.contents:
            raise AlreadyExists(f"{path} exists already.")
        if not self.store.exists():
            workspace._make_folders(self.folder)
        workspace._store(path, content)
        workspace.written.append(("create", path))

    def delete(self, name: str) -> None:
        self.store.delete(self._path(name))

    def _path(self, name: str) -> str:
        if "/" in name or name in ("", ".", ".."):
            raise ValueError(f"{name!r} is no name of a file.")
        return f"{self.folder}/{name}"

    def _need_within(self, path: str, content: bytes) -> None:
        if len(content) > RECORD_LIMIT:
            raise Refused(f"{path} is larger than {RECORD_LIMIT:,} bytes.")
