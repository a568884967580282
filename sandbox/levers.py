"""What tests and demonstrations do to a workspace from outside of its API.

Owns: direct ways to look into the state and to change it, in process (``Sandbox`` has them as
methods) and, through control.py, over HTTP. Must not be used by handlers: none of this exists in a
real workspace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, Literal

from sandbox import compute, identity, job_rows, oidc, paths, runs
from sandbox.calls import After, Before, CallRecord, Watch
from sandbox.cluster_libraries import Hold
from sandbox.errors import JsonObject
from sandbox.faults import Fault
from sandbox.github_issuer import ISSUER, GitHubJob
from sandbox.oidc import ServicePrincipal
from sandbox.options import Limits
from sandbox.permissions import ADMINS, Grant
from sandbox.run_states import ACTIVE
from sandbox.tree import NOTEBOOK, in_memory
from sandbox.volumes import create_volume
from sandbox.workspace import Workspace


class Levers:
    """Direct access to one workspace. All methods may be called while it serves."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    # --- jobs

    def add_job(
        self,
        settings: JsonObject,
        *,
        job_id: int | None = None,
        creator: str | None = None,
        run_as: str | None = None,
    ) -> int:
        """Add a job with exactly these settings, unchecked and without defaults; its id.

        Raises:
            ValueError: the id is taken.
        """
        return job_rows.insert(
            self._workspace.store,
            self._workspace.directory,
            settings,
            creator=creator or self._workspace.options.user,
            job_id=job_id,
            run_as=run_as,
        )

    def jobs(self) -> dict[int, JsonObject]:
        """Settings of all jobs by id, as stored: whole, unsorted, uncut; the oldest job first."""
        found = reversed(job_rows.all_jobs(self._workspace.store))
        return {job.job_id: job.settings for job in found}

    def job(self, job_id: int) -> JsonObject:
        """Settings of one job, as stored.

        Raises:
            KeyError: no such job.
        """
        found = job_rows.find(self._workspace.store, job_id)
        if found is None:
            raise KeyError(job_id)
        return found.settings

    def set_job(self, job_id: int, settings: JsonObject) -> None:
        """Replace the settings of a job, unchecked, as somebody else's edit would."""
        job_rows.replace_settings(self._workspace.store, job_id, settings)

    def delete_job(self, job_id: int) -> None:
        """Delete a job."""
        job_rows.remove(self._workspace.store, self._workspace.directory, job_id)

    # --- files

    def put_file(self, path: str, content: bytes | IO[bytes]) -> None:
        """Put a file, with its folders; the volume of a path in /Volumes is made where missing."""
        target = paths.canonical(path)
        volume = paths.volume_of(target)
        with self._workspace.store.transaction():
            if volume is not None and self._workspace.store.document("volumes", volume) is None:
                self.add_volume(volume)
            self._workspace.tree.make_folders(paths.parent(target))
            stream = in_memory(content) if isinstance(content, bytes) else content
            self._workspace.tree.write(target, stream)

    def put_notebook(self, path: str, source: bytes = b"# Databricks notebook source") -> None:
        """Put a Python notebook, with its folders."""
        target = paths.canonical(path)
        with self._workspace.store.transaction():
            self._workspace.tree.make_folders(paths.parent(target))
            self._workspace.tree.write(target, in_memory(source), NOTEBOOK, "PYTHON")

    def make_folder(self, path: str) -> None:
        """Make a workspace folder, with those above it."""
        self._workspace.tree.make_folders(paths.canonical(path))

    def add_volume(self, full_name: str) -> None:
        """Make a volume ``catalog.schema.volume``, owned by the admin."""
        create_volume(self._workspace, full_name, self._workspace.options.user)

    def files(self) -> dict[str, int]:
        """Sizes in bytes of all files and notebooks, by path with /Workspace or /Volumes."""
        return {node.path: node.size for node in self._workspace.tree.files()}

    def file(self, path: str) -> bytes:
        """The content of a file, by any spelling of its path.

        Raises:
            FileNotFoundError: there is none.
        """
        return self._workspace.runner.read_file(path)

    def uploads_under_way(self) -> int:
        """How many large uploads are neither complete nor aborted."""
        return self._workspace.uploads.under_way()

    def end_uploads(self) -> None:
        """Forget all large uploads that are under way, as if their sessions had expired."""
        self._workspace.uploads.close()

    def delete_file(self, path: str) -> None:
        """Delete a file, or a folder with all in it."""
        self._workspace.tree.delete(paths.canonical(path))

    # --- users and permissions

    def add_user(self, name: str, *, admin: bool = False, groups: Iterable[str] = ()) -> str:
        """Add a user with a home folder, or change the groups of one; the token.

        Who is not admin may write to the own home and to /Workspace/Shared, and can use neither jobs
        nor volumes until ``grant`` says more.
        """
        return identity.add_user(
            self._workspace, name, (*groups, ADMINS) if admin else tuple(groups)
        )

    def grant(self, principal: str, target: int | str, level: str) -> None:
        """Give a user, or the group ``users``, a level on a job id, a path or a cluster id.

        Levels: CAN_VIEW, CAN_MANAGE_RUN, CAN_MANAGE, IS_OWNER on jobs; CAN_READ, CAN_EDIT,
        CAN_MANAGE on folders; READ_VOLUME, WRITE_VOLUME on volumes; CAN_ATTACH_TO, CAN_RESTART,
        CAN_MANAGE on clusters.
        """
        group = self._workspace.directory.user(principal) is None
        kind = "group_name" if group else "user_name"
        if oidc.is_service_principal(self._workspace, principal):
            kind = "service_principal_name"
        self._workspace.directory.grant(
            *_object(self._workspace, target), Grant(kind, principal, level)
        )

    def deny(self, principal: str, target: int | str, keep: str = "NO_PERMISSIONS") -> None:
        """Let a user, even an admin, do at most ``keep`` there (no real workspace can)."""
        grant = Grant("user_name", principal, keep, cap=True)
        self._workspace.directory.grant(*_object(self._workspace, target), grant)

    # --- service principals and GitHub's ID tokens

    def add_service_principal(
        self,
        application_id: str = "",
        *,
        secret: str = "",
        admin: bool = False,
        groups: Iterable[str] = (),
    ) -> ServicePrincipal:
        """Add a service principal; its rights are those that ``grant`` gives to its application id."""
        member_of = (*groups, ADMINS) if admin else tuple(groups)
        return oidc.add_service_principal(
            self._workspace, application_id, secret=secret, groups=member_of
        )

    def add_federation_policy(
        self,
        application_id: str,
        subject: str,
        *,
        issuer: str = ISSUER,
        audiences: Sequence[str] = (),
    ) -> str:
        """Let whoever has an ID token with exactly these claims act as a service principal; the policy's id.

        Without ``audiences`` it is the account's id, as in the account console.

        Raises:
            KeyError: no such service principal.
        """
        rules: JsonObject = {"issuer": issuer, "subject": subject}
        if audiences:
            rules["audiences"] = list(audiences)
        return oidc.add_federation_policy(self._workspace, application_id, {"oidc_policy": rules})

    def github_job(self, **known: Any) -> dict[str, str]:
        """The environment variables of a GitHub job with `id-token: write`; fields of ``GitHubJob``."""
        return self._workspace.issuer.admit(self._workspace.url, GitHubJob(**known))

    def revoke_tokens(self) -> None:
        """End all access tokens that /oidc/v1/token gave out."""
        oidc.revoke_tokens(self._workspace)

    # --- compute and runs

    def put(self, kind: Literal["clusters", "policies", "pipelines"], document: JsonObject) -> str:
        """Add or replace a cluster (with "libraries"), a policy or a pipeline spec; its id."""
        return compute.put(self._workspace.store, kind, document)

    def hold_cluster(
        self, cluster_id: str, *, installing: str = "", starting: str = "", loading: str = ""
    ) -> None:
        """Keep a cluster at a step until ``release_cluster``; what is left out goes on as usual.

        Args:
            cluster_id: the cluster.
            installing: the status in which new libraries stay while it runs, such as INSTALLING or FAILED.
            starting: the state in which a start or restart stays, such as RESTARTING or ERROR.
            loading: the status, after a start, of libraries that it had not loaded before.

        Raises:
            KeyError: no such cluster.
        """
        compute.hold(self._workspace, cluster_id, Hold(installing, starting, loading))

    def release_cluster(self, cluster_id: str) -> None:
        """Let a held cluster go on to the end of what it was doing."""
        compute.release(self._workspace, cluster_id)

    def cluster(self, cluster_id: str) -> JsonObject:
        """A cluster with its ``library_statuses``.

        Raises:
            KeyError: no such cluster.
        """
        store = self._workspace.store
        found = store.document("clusters", cluster_id)
        if found is None:
            raise KeyError(cluster_id)
        held = store.document("libraries", cluster_id) or {}
        return {**found, "library_statuses": held.get("library_statuses", [])}

    def hold_run(self, job_id: int | None, life_cycle: str = "RUNNING", **settings: Any) -> int:
        """Add an active run that executes nothing and stays until ``finish_run``; its run id.

        Args:
            job_id: whose settings the run has; None makes a one-time run with ``settings``.
            life_cycle: one of the active states.
            settings: settings of a submitted run.
        """
        if life_cycle not in ACTIVE:
            raise ValueError(f"An active run is one of {', '.join(ACTIVE)}.")
        with self._workspace.store.transaction():
            number = self._workspace.store.next_id() if job_id is None else job_id
            return runs.new_run(
                self._workspace.runner,
                job_id=number,
                settings=settings if job_id is None else self.job(job_id),
                creator=self._workspace.options.user,
                overrides={},
                life_cycle=life_cycle,
                held=True,
                run_type="SUBMIT_RUN" if job_id is None else "JOB_RUN",
            )

    def finish_run(self, run_id: int, result: str = "SUCCESS") -> None:
        """End a run with a result state; queued runs of its job start."""
        self._workspace.runner.finish(run_id, "TERMINATED", result)

    # --- behaviour

    def behave(self, **changes: Any) -> None:
        """Switch points of ``Behaviour``, as in ``behave(tasks="replace")``.

        Raises:
            ValueError: no such point, or no such value.
        """
        self._workspace.behaviour = self._workspace.behaviour.changed(changes)

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Replace the faults; counting starts anew."""
        self._workspace.faults.put(faults)

    def set_limits(self, limits: Limits) -> None:
        """Turn the documented rate limits on or off."""
        self._workspace.limit(limits)

    def set_latency(self, milliseconds: int) -> None:
        """Delay every call from now on."""
        self._workspace.latency_ms = milliseconds

    def calls(self, method: str = "", path: str = "") -> list[CallRecord]:
        """The API calls so far, oldest first; only of a method, only whose path ends so."""
        return [
            call
            for call in list(self._workspace.calls)
            if method in ("", call.method) and call.path.endswith(path)
        ]

    def forget_calls(self) -> None:
        """Empty the log of calls."""
        self._workspace.calls.clear()

    def watch(self, callback: After) -> Watch:
        """Call back after each call that changed something, before its answer goes out.

        That is every method but GET and HEAD whose call was applied, whatever fault follows. The
        record has the status that the call came to, even if its client never sees it. The callback
        runs in the thread that serves the call, under no lock: all levers work, and callbacks of
        calls that come at once run at once. What it raises waits for ``raise_watched``.
        """
        return self._workspace.watchers.after(callback)

    def before(self, callback: Before) -> Watch:
        """Call back with method and path before each call that is applied; else as ``watch``.

        GET and HEAD are told too; what no endpoint gets to see, for lack of a token or for a fault,
        is not.
        """
        return self._workspace.watchers.before(callback)

    def raise_watched(self) -> None:
        """Raise what a callback of ``watch`` or ``before`` raised first, and forget all of it."""
        self._workspace.watchers.raise_first()

    def frozen(self) -> AbstractContextManager[None]:
        """Let nobody else write while the block runs, so that all its looks see one state.

        The block must not wait for a call: its write would wait for the block.
        """
        return self._workspace.store.transaction()

    def snapshot(self) -> Mapping[str, Any]:
        """All state in one JSON value, without contents of files."""
        store = self._workspace.store
        with store.transaction():
            return {
                "jobs": {str(job_id): settings for job_id, settings in self.jobs().items()},
                "files": self.files(),
                "users": [
                    {"name": user.name, "groups": list(user.groups)}
                    for user in identity.users(self._workspace)
                ],
                "runs": self._workspace.runner.rows.bodies(),
                **{
                    kind: store.documents(kind) for kind in (*compute.KINDS, "libraries", "volumes")
                },
            }


def _object(workspace: Workspace, target: int | str) -> tuple[str, str]:
    """The kind and the name under which access lists keep an object."""
    if isinstance(target, int):
        return "jobs", str(target)
    if workspace.store.document("clusters", target) is not None:
        return "clusters", target
    path = paths.canonical(target)
    volume = paths.volume_of(path)
    return ("directories", path) if volume is None else ("volumes", volume)
