"""What a run warns of: facts that do not stop it, and that its reader should act on."""

from __future__ import annotations

from deployer.deployment.ports import Identity, Store
from deployer.deployment.scan import Scan
from deployer.draft import Draft


def warn_of_root(draft: Draft, store: Store, *, exists: bool) -> None:
    """A root that is missing, or that everybody may write (design.md, "Where things lie")."""
    if not exists:
        draft.warn(f"The root {store.root} does not exist yet: deploy makes it.")
    elif store.open_to_all():
        draft.warn(
            f"Everybody may write to the root {store.root}: whoever replaces a file there runs code in "
            "production. Use a volume or folder that only the deployer may write."
        )


def warn_if_blind(draft: Draft, identity: Identity) -> None:
    """An identity that may not see every job (facts B4)."""
    if not identity.admin:
        draft.warn(
            f"{identity.user} is not a workspace admin and may not see all jobs, so jobs can be missing "
            "here, and no old version is removed."
        )


def warn_of_unread(draft: Draft, scan: Scan) -> None:
    """Files named by jobs that may name the library in turn (facts A1 row 4)."""
    if scan.requirements_jobs:
        draft.warn(
            f"{scan.requirements_jobs} jobs install from requirements files, whose content is never edited: "
            "what they name does not move."
        )
