"""What an all-purpose cluster has installed, and what of it is loaded (facts B8).

Owns: the states of the libraries of a cluster from request to restart, and which libraries a task on
it gets. By default each step ends at once; a hold (a lever) keeps a cluster at a step. Must not
answer requests or check rights: compute.py does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from deployer.library.names import parse_file_name
from sandbox import paths
from sandbox.errors import JsonObject
from sandbox.store import Store
from sandbox.tree import DIRECTORY, Tree

INSTALLED, FAILED, PENDING = "INSTALLED", "FAILED", "PENDING"
LEAVING = "UNINSTALL_ON_RESTART"
ENDED = (INSTALLED, FAILED, "SKIPPED", "RESTORED")
_FILES = ("whl", "jar", "egg", "requirements")

SecondVersion = Literal["installed", "refused"]
WhenStopped = Literal["at-start", "at-once"]


@dataclass(frozen=True)
class Hold:
    """Where a cluster stays until it is released; an empty text holds nothing.

    Attributes:
        installing: the status of libraries that are installed while it runs.
        starting: the state after a start or restart.
        loading: the status, after a start, of libraries that it had not loaded before.
    """

    installing: str = ""
    starting: str = ""
    loading: str = ""


class ClusterLibraries:
    """The libraries of one cluster."""

    def __init__(
        self,
        store: Store,
        tree: Tree,
        cluster_id: str,
        second_version: SecondVersion = "installed",
    ) -> None:
        self._store = store
        self._tree = tree
        self._id = cluster_id
        self._second_version = second_version
        held = store.document("libraries", cluster_id) or {}
        self._statuses: list[JsonObject] = list(held.get("library_statuses", []))
        inner = store.document("cluster_insides", cluster_id) or {}
        self._loaded: list[JsonObject] = list(inner.get("loaded", []))
        self._hold = Hold(**inner.get("hold", {}))

    @property
    def hold(self) -> Hold:
        """Where the cluster stays."""
        return self._hold

    def keep(self, hold: Hold) -> None:
        """Stay at these steps from now on."""
        self._hold = hold
        self._save()

    def install(self, libraries: Iterable[JsonObject], *, running: bool) -> None:
        """Install what is not there, is about to go, or failed."""
        for library in libraries:
            entry = self._entry(library)
            if entry is None:
                entry = _status(library, PENDING)
                self._statuses.append(entry)
            elif entry["status"] == LEAVING and library in self._loaded and running:
                entry.update(status=INSTALLED)  # unverified: installing again takes it back
                continue
            elif entry["status"] not in (LEAVING, FAILED):
                continue
            entry.update(status=PENDING, messages=[])
            if running:
                self._settle(entry, self._hold.installing)
        self._save()

    def uninstall(
        self, libraries: Iterable[JsonObject], *, running: bool, when_stopped: WhenStopped
    ) -> None:
        """Mark for the next restart; what is not there is ignored."""
        for library in libraries:
            entry = self._entry(library)
            if entry is not None and not running and when_stopped == "at-once":
                self._statuses.remove(entry)
            elif entry is not None:
                entry.update(status=LEAVING)
        self._save()

    def start(self) -> None:
        """Load what is to be installed, anew, and drop what was uninstalled."""
        known, self._loaded = self._loaded, []
        self._statuses = [each for each in self._statuses if each["status"] != LEAVING]
        for entry in self._statuses:
            entry.update(status=PENDING, messages=[])
            self._settle(entry, "" if entry["library"] in known else self._hold.loading)
        self._save()

    def stop(self) -> None:
        """Nothing is loaded any more; what is to be installed waits for the next start.

        What it had loaded stays known, so that `Hold.loading` tells the new from the old.
        """
        for entry in self._statuses:
            if entry["status"] != LEAVING:
                entry.update(status=PENDING, messages=[])
        self._save()

    def release(self, *, running: bool) -> None:
        """Let go of what was held."""
        self._hold = Hold()
        for entry in self._statuses:
            if running and entry["status"] not in (*ENDED, LEAVING):
                self._settle(entry, "")
        self._save()

    def _settle(self, entry: JsonObject, held: str) -> None:
        """Take an entry to its end, or to where it is held."""
        library = entry["library"]
        problem = self._problem(library)
        if held:
            entry.update(status=held, messages=[_failed(self._id)] if held == FAILED else [])
        elif problem:
            entry.update(status=FAILED, messages=[problem])
        else:
            entry.update(status=INSTALLED, messages=[])
            names = [_distribution(each) for each in self._loaded]
            # A second version takes effect with the restart only (databricks-cli #548).
            if _distribution(library) not in names:
                self._loaded.append(library)

    def _problem(self, library: JsonObject) -> str:
        """Why a library can't be installed now, or the empty string."""
        path = _path(library)
        if path is not None and not self._exists(path):
            return f"{_failed(self._id)} Library from {path} : file not found."
        others = [each for each in self._loaded if each != library]
        if self._second_version == "refused" and _distribution(library) in map(
            _distribution, others
        ):
            return (
                f"{_failed(self._id)} Duplicate package installation detected. Try removing the"
                " duplicate package entry for the package and restart the cluster. Error code:"
                " ERROR_DUPLICATE_INSTALLATION"
            )
        return ""

    def _exists(self, path: str) -> bool:
        try:
            node = self._tree.get(paths.canonical(path.removeprefix("file:")))
        except ValueError:
            return True  # object storage, which is not played
        return node is not None and node.kind != DIRECTORY

    def _entry(self, library: JsonObject) -> JsonObject | None:
        return next((each for each in self._statuses if each["library"] == library), None)

    def _save(self) -> None:
        shown = {"cluster_id": self._id, "library_statuses": self._statuses}
        self._store.put_document("libraries", self._id, shown)
        insides = {"loaded": self._loaded, "hold": asdict(self._hold)}
        self._store.put_document("cluster_insides", self._id, insides)


def seed(store: Store, cluster_id: str, statuses: Iterable[JsonObject], *, running: bool) -> None:
    """Have a cluster hold exactly these libraries, unchecked.

    Each has a "library" and maybe a "status"; what is installed is loaded if the cluster runs.
    """
    filled = [
        {**_status(each["library"], INSTALLED if running else PENDING), **each} for each in statuses
    ]
    loaded = [each["library"] for each in filled if each["status"] in (INSTALLED, LEAVING)]
    shown = {"cluster_id": cluster_id, "library_statuses": filled}
    store.put_document("libraries", cluster_id, shown)
    insides = {"loaded": loaded if running else [], "hold": asdict(Hold())}
    store.put_document("cluster_insides", cluster_id, insides)


def on_its_cluster(store: Store, task: Mapping[str, Any]) -> dict[str, Any]:
    """A task with the libraries that its all-purpose cluster has loaded before its own.

    Where both have the same distribution, only the task's counts: which one wins on a real cluster is
    unverified.
    """
    found = dict(task)
    cluster_id, own = task.get("existing_cluster_id"), task.get("libraries") or []
    insides = store.document("cluster_insides", cluster_id) if isinstance(cluster_id, str) else None
    if insides is not None and isinstance(own, list):
        names = [_distribution(each) for each in own if isinstance(each, dict)]
        loaded = [each for each in insides["loaded"] if _distribution(each) not in names]
        if loaded:
            found["libraries"] = [*loaded, *own]
    loop = task.get("for_each_task")
    if isinstance(loop, dict) and isinstance(loop.get("task"), dict):
        found["for_each_task"] = {**loop, "task": on_its_cluster(store, loop["task"])}
    return found


def _status(library: JsonObject, status: str) -> JsonObject:
    return {
        "library": library,
        "status": status,
        "messages": [],
        "is_library_for_all_clusters": False,
    }


def _path(library: JsonObject) -> str | None:
    return next((str(library[kind]) for kind in _FILES if library.get(kind)), None)


def _distribution(library: JsonObject) -> tuple[str, str]:
    """What two versions of one library have in common; other libraries are only like themselves."""
    path = _path(library)
    parsed = parse_file_name(path.rsplit("/", 1)[-1]) if path else None
    if parsed is not None and parsed.certain is not None:
        return parsed.kind.value, parsed.certain.name
    return "", repr(sorted(library.items()))


def _failed(cluster_id: str) -> str:
    return (
        "Library installation attempted on the driver node of cluster"
        f" {cluster_id} and failed. Error code: DRIVER_LIBRARY_INSTALLATION_FAILURE."
    )
