"""What earlier deployments left behind in a root: files, and the entries of the journal that tell of them.

    deployed_before(workspace, root, *make_wheel("retail_metrics", "1.4.0"))

The entries are written by the product's own journal, so that they stay what it writes. They moved no job:
a rollback has nothing to take back in them, and no file stays because of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from deployer.deployment.journal import Journal, id_for
from deployer.deployment.ports import AlreadyExists, StoredFile
from deployer.library.model import Distribution
from deployer.library.names import parse_file_name
from deployer.plan.history import Action, Ending, Entry
from sandbox.server import Sandbox

OWN = ".spark-deploy"


def deployed_before(workspace: Sandbox, root: str, file_name: str, content: bytes) -> str:
    """Put a library file into `root` as a deployment that has ended did; the id of that deployment."""
    path = f"{root}/{file_name}"
    workspace.put_file(path, content)
    distribution, version = _read(file_name)
    journal = journal_in(workspace, root)
    sequence = journal.next_sequence(distribution)
    entry = Entry(
        id=id_for(sequence, "20260102T030405Z", f"{sequence:08x}"),
        sequence=sequence,
        action=Action.DEPLOY,
        distribution=distribution,
        version=version,
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        digest="0" * 64,
        actor="somebody earlier",
    )
    journal.begin(entry)
    journal.end(entry, Ending.SUCCEEDED, {})
    return entry.id


def _read(file_name: str) -> tuple[Distribution, str]:
    parsed = parse_file_name(file_name)
    assert parsed is not None, file_name
    assert parsed.certain is not None, file_name
    return parsed.distribution(parsed.certain), str(parsed.certain.version)


def journal_in(workspace: Sandbox, root: str) -> Journal:
    """The journal of a root, read and written beside the API."""
    return Journal(SandboxRecords(workspace, f"{root}/{OWN}/journal"), root)


@dataclass(frozen=True)
class SandboxRecords:
    """Implements `ports.Records` by the levers of an embedded workspace: no call of the API is made."""

    workspace: Sandbox
    folder: str

    def listed(self) -> tuple[StoredFile, ...]:
        return tuple(
            StoredFile(path, size, 0)
            for path, size in sorted(self.workspace.files().items())
            if path.rpartition("/")[0] == self.folder
        )

    def read(self, name: str) -> bytes | None:
        try:
            return self.workspace.file(f"{self.folder}/{name}")
        except FileNotFoundError:
            return None

    def create(self, name: str, content: bytes) -> None:
        if self.read(name) is not None:
            raise AlreadyExists(f"{self.folder}/{name} exists already.")
        self.workspace.put_file(f"{self.folder}/{name}", content)

    def delete(self, name: str) -> None:
        self.workspace.delete_file(f"{self.folder}/{name}")
