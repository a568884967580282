"""What can be set on the embedded workspace.

Owns: the options and the named behaviours, each with the faithful value as its default. Must not
act on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from sandbox.faults import Fault

Limits = Literal["documented", "off"]
MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How the workspace behaves, point by point; each default is what the real one does.

    A test switches one point to the naive value and shows that the product notices. Where the facts
    mark a point as unverified (``environments``, ``parameters``, ``missing_job``), the product has
    to be right under both values.
    """

    list_paging: bool = True
    """jobs/list answers at most ``limit`` jobs (facts B1). Naive: all of them."""
    array_paging: bool = True
    """jobs/get and jobs/list cut arrays at 100 elements (facts B1, B2). Naive: whole arrays."""
    tasks: Literal["merge", "replace"] = "merge"
    """What jobs/update does with tasks and job_clusters (facts B3). Naive: replaces the array."""
    environments: Literal["merge", "replace"] = "merge"
    """What jobs/update does with environments: unverified in facts B3, so played both ways."""
    parameters: Literal["merge", "replace"] = "merge"
    """What jobs/update does with parameters: unverified in facts B3, so played both ways."""
    sort_tasks: bool = True
    """Tasks come back ordered by task_key, depends_on too (facts B2). Naive: as submitted."""
    shuffle_webhooks: bool = True
    """Webhook lists come back in another order (facts B2). Naive: as submitted."""
    create_defaults: bool = True
    """jobs/create fills in what the real API fills in, such as run_if and timeout_seconds."""
    queue_by_default: bool = True
    """Jobs API 2.2 turns queueing on where create or reset leave it unset (facts B3)."""
    reset_keeps_run_as: bool = True
    """A reset without run_as keeps the old one (facts B3). Naive: run_as is cleared."""
    drops_write_only: bool = True
    """apply_policy_default_values is taken and never given back (facts B3)."""
    system_managed: Literal["refused", "writable"] = "refused"
    """Writes to a job with deployment.kind SYSTEM_MANAGED (facts B3). Naive: they succeed."""
    permission_first: bool = True
    """A missing job is 403 for those who are not admin (facts B4). Naive: "does not exist"."""
    list_only_viewable: bool = True
    """jobs/list shows only what the caller may view (facts B4). Naive: all jobs."""
    missing_job: Literal[400, 404] = 400
    """Status for a job that does not exist: both were seen (facts B4)."""
    path_aliases: bool = True
    """/Users is /Workspace/Users, /Shared is /Workspace/Shared (facts A2). Naive: other paths."""
    exclusive_create: Literal["atomic", "racy", "ignored"] = "atomic"
    """What overwrite=false and a move in DBFS do about an existing file (facts C; whether it is atomic is
    unverified): look and write at once; look, and write ``create_gap_ms`` later over whatever is there
    by then; not look. Naive: the last writer wins."""
    create_gap_ms: int = 30
    """How long a "racy" create waits between its look and its write, in milliseconds."""
    parents: Literal["required", "created"] = "required"
    """Uploads need an existing parent folder (facts C). Naive: it is created."""
    delete_guard: bool = True
    """A folder with content needs recursive=true (facts B4). Naive: it goes, with all in it."""
    retry_after: Literal["always", "sometimes", "never"] = "sometimes"
    """Whether a 429 carries Retry-After (facts B5: sometimes). "sometimes" is every other one."""
    import_file_limit: int = 500 * MIB
    """Largest body of import-file in bytes (facts C)."""
    import_limit: int = 10 * MIB
    """Largest content of workspace/import in bytes (facts C)."""
    export_limit: int = 10 * MIB
    """Largest file that workspace/export gives back, in bytes (facts C)."""
    volume_limit: int = 5 * 1024 * MIB
    """Largest single-shot upload to a volume in bytes (facts C)."""
    large_uploads: Literal["multipart", "resumable", "disabled", "missing"] = "multipart"
    """How a volume takes large files (facts C): in parts as on AWS and Azure, in chunks one after the
    other as on GCP, not by signed addresses (403), or not at all (404)."""
    upload_conflict: Literal["complete", "initiate"] = "complete"
    """When a large upload with overwrite=false is told that the file is there (facts C): at its end,
    or at its beginning as well."""
    dbfs: Literal["open", "disabled"] = "open"
    """Whether the DBFS root is there for everybody (facts C), or turned off, as in new workspaces."""
    address_life_s: int = 3600
    """How long a signed address is good at most, in seconds; 0 makes all of them expire at once."""
    second_version: Literal["installed", "refused"] = "installed"
    """What a running cluster does with a second version of a library: unverified in facts B8, so played
    both ways. Neither takes effect before the restart."""
    uninstall_when_stopped: Literal["at-start", "at-once"] = "at-start"
    """When a stopped cluster drops what is uninstalled: unverified in facts B8, so played both ways."""
    request_limit: int = 10 * MIB
    """Largest body of a Jobs API request in bytes (facts B3)."""
    token_lifetime_s: int = 3600
    """How long access tokens from /oidc/v1/token live, in seconds; a federated one at most as long
    as its ID token (facts D)."""
    token_leeway_s: int = 60
    """By how many seconds the validity of an ID token may be missed (unverified)."""
    clock_offset_s: int = 0
    """By how many seconds the workspace's clock is ahead of this machine's: in Date headers and for the
    validity of tokens. The issuer of GitHub's tokens keeps this machine's time."""

    def changed(self, changes: Mapping[str, Any]) -> Behaviour:
        """This behaviour with some points set.

        Raises:
            ValueError: a name or a value that is none of the documented ones.
        """
        hints = get_type_hints(type(self))
        for name, value in changes.items():
            if name not in {each.name for each in fields(self)}:
                raise ValueError(f"There is no behaviour named {name!r}.")
            allowed = get_args(hints[name])
            if allowed and value not in allowed:
                raise ValueError(f"Behaviour {name!r} takes one of {allowed}, not {value!r}.")
            if not allowed and not isinstance(value, hints[name]):
                raise ValueError(f"Behaviour {name!r} takes {hints[name].__name__}, not {value!r}.")
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How one embedded workspace is started."""

    port: int = 0
    """The port on 127.0.0.1; 0 takes a free one."""
    state: Path | None = None
    """The SQLite file that keeps the state; None keeps it in memory."""
    seed: Path | None = None
    """A folder to load into an empty workspace (see sandbox/seed.py)."""
    latency_ms: int = 0
    """Added to every call, in milliseconds."""
    limits: Limits = "off"
    """Whether the documented rate limits (facts B5) are enforced."""
    faults: tuple[Fault, ...] = ()
    """Calls that go wrong (see sandbox/faults.py)."""
    behaviour: Behaviour = field(default_factory=Behaviour)
    user: str = "admin@example.com"
    """Name of the workspace admin whose token is ``Sandbox.token``."""
    cache: Path | None = None
    """Where runs keep the environments they built; None takes a folder that goes at the end."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """The environment that runs draw on: PATH, JAVA_HOME, proxies and package indexes."""


def user_cache(environ: Mapping[str, str]) -> Path | None:
    """Our folder among the user's caches (XDG Base Directory); None without a home."""
    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"], "spark-deploy", "sandbox")
    if environ.get("HOME"):
        return Path(environ["HOME"], ".cache", "spark-deploy", "sandbox")
    return None
