"""Filling an empty workspace from a folder.

Owns: the layout of a seed folder. Must not check settings as the API would: seeding takes them as they
are (design.md, CLI).

A seed folder holds
    *.json                 one job each: {"settings": {...}}, and optionally "job_id",
                           "creator_user_name", "run_as_user_name", "created_time" (ms) and
                           "permissions", a list as in the Permissions API;
                           other fields are notes for readers
    files/Workspace/...    workspace files and folders
    files/Volumes/c/s/v/.. volumes and their files
    files/dbfs/..          files in DBFS
    clusters/*.json        clusters, with "libraries"
    policies/*.json        cluster policies
    service_principals/*.json  {"application_id", "secret", "groups", "federation_policies": [...]}
    pipelines/*.json       pipeline specs
All parts may be missing. A job without a name takes the name of its file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sandbox import compute, job_rows, oidc, paths
from sandbox.errors import JsonObject
from sandbox.permissions import grant_from
from sandbox.volumes import create_volume
from sandbox.workspace import Workspace


class SeedError(ValueError):
    """A seed folder that can't be used; the message names the file."""


@dataclass(frozen=True)
class Seeded:
    """What came out of a seed folder."""

    jobs: int
    files: int


def seed(workspace: Workspace, folder: Path) -> Seeded:
    """Load a seed folder, all or nothing.

    Raises:
        SeedError: the folder or one of its files can't be used.
    """
    if not folder.is_dir():
        raise SeedError(f"The seed folder {folder} does not exist.")
    with workspace.store.transaction():
        job_files = sorted(folder.glob("*.json"))
        # Given ids first, so that a made-up one never takes the place of one that follows.
        loaded = [(file, _json(file)) for file in job_files]
        for file, job in sorted(loaded, key=lambda each: "job_id" not in each[1]):
            _job(workspace, file, job)
        for kind in compute.KINDS:
            for file in sorted((folder / kind).glob("*.json")):
                compute.put(workspace.store, kind, _json(file))
        for file in sorted((folder / "service_principals").glob("*.json")):
            _service_principal(workspace, file, _json(file))
        files = _files(workspace, folder / "files")
    return Seeded(len(job_files), files)


def _json(file: Path) -> JsonObject:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SeedError(f"The seed file {file} is not readable JSON: {error}") from error
    if not isinstance(value, dict):
        raise SeedError(f"The seed file {file} holds no JSON object.")
    return value


def _job(workspace: Workspace, file: Path, job: JsonObject) -> None:
    settings = job.get("settings")
    if not isinstance(settings, dict):
        raise SeedError(f'The seed file {file} has no "settings" object.')
    for name in ("job_id", "created_time"):
        if name in job and type(job[name]) is not int:
            raise SeedError(f"In the seed file {file}, {name} is no whole number.")
    if not isinstance(job.get("permissions", []), list):
        raise SeedError(f"In the seed file {file}, permissions is no list.")
    try:
        job_id = job_rows.insert(
            workspace.store,
            workspace.directory,
            settings if "name" in settings else {"name": file.stem, **settings},
            creator=str(job.get("creator_user_name") or workspace.options.user),
            job_id=job.get("job_id"),
            run_as=job.get("run_as_user_name"),
            created_time=job.get("created_time"),
        )
        for line in job.get("permissions", []):
            workspace.directory.grant("jobs", str(job_id), grant_from(line))
    except ValueError as error:
        raise SeedError(f"The seed file {file} can't be used: {error}") from error


def _service_principal(workspace: Workspace, file: Path, document: JsonObject) -> None:
    name, secret = document.get("application_id"), document.get("secret", "")
    groups, policies = document.get("groups", []), document.get("federation_policies", [])
    if not isinstance(name, str) or not name or not isinstance(secret, str):
        raise SeedError(f"The seed file {file} has no application_id, or a secret that is no text.")
    if not isinstance(groups, list) or not isinstance(policies, list):
        raise SeedError(f"In the seed file {file}, groups or federation_policies is no list.")
    oidc.add_service_principal(workspace, name, secret=secret, groups=[str(one) for one in groups])
    for policy in policies:
        try:
            oidc.add_federation_policy(workspace, name, policy if isinstance(policy, dict) else {})
        except ValueError as error:
            raise SeedError(f"The seed file {file} can't be used: {error}") from error


def _files(workspace: Workspace, folder: Path) -> int:
    count = 0
    for file in sorted(folder.rglob("*")):
        path = "/" + file.relative_to(folder).as_posix()
        if path.split("/")[1] not in ("Workspace", "Volumes", "dbfs"):
            raise SeedError(f"The seed file {file} lies in none of Workspace, Volumes and dbfs.")
        path = paths.canonical(path)
        volume = paths.volume_of(path)
        if volume is not None and workspace.store.document("volumes", volume) is None:
            create_volume(workspace, volume, workspace.options.user)
        try:
            if file.is_dir():
                workspace.tree.make_folders(path)
                continue
            if path.startswith(paths.VOLUMES) and volume is None:
                raise SeedError(f"The seed file {file} lies in no /Volumes/catalog/schema/volume.")
            with file.open("rb") as content:
                workspace.tree.make_folders(paths.parent(path))
                workspace.tree.write(path, content)
        except OSError as error:
            raise SeedError(f"The seed file {file} can't be used: {error}") from error
        count += 1
    return count
