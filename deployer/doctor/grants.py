"""What to run or to paste when a right is missing: the doctor's remedies.

Owns these words and commands, which stand indented, as all code in remedies does. Pure; names are text
of others, so they are quoted for the language that the command is in. Sources: facts D, the Databricks
CLI's reference ("permissions"), SQL's GRANT.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable

# The application id of a service principal is its user name.
_APPLICATION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

MAY_ASK = (
    "Logging in with GitHub's OIDC needs `permissions: {contents: read, id-token: write}` in the job or"
    " the workflow; with it no secret has to be stored."
)


def job_grants(job_ids: Iterable[int], user: str) -> str:
    """The commands that let `user` edit these jobs; who manages a job, or an admin, runs them."""
    body = shlex.quote(json.dumps({"access_control_list": [_line(user)]}))
    commands = [f"  databricks permissions update jobs {one} --json {body}" for one in job_ids]
    return "\n".join(("Who manages the jobs, or a workspace admin, runs:\n", *commands))


def root_grant(root: str, user: str) -> str:
    """What lets `user` read and write `root`."""
    if not root.startswith("/Volumes/"):
        body = shlex.quote(json.dumps({"access_control_list": [_line(user)]}))
        return (
            "Who manages the folder, or a workspace admin, gives CAN MANAGE on it: in its menu under Share,"
            " or with the `object_id` that the first command shows:\n\n"
            f"  databricks workspace get-status {shlex.quote(root)}\n"
            f"  databricks permissions update directories OBJECT_ID --json {body}"
        )
    catalog, schema, volume = (_named(part) for part in root.split("/")[2:5])
    to = _named(user)
    return (
        "The owner of the volume, or who may manage it, runs in SQL:\n\n"
        f"  GRANT USE CATALOG ON CATALOG {catalog} TO {to};\n"
        f"  GRANT USE SCHEMA ON SCHEMA {catalog}.{schema} TO {to};\n"
        f"  GRANT READ VOLUME, WRITE VOLUME ON VOLUME {catalog}.{schema}.{volume} TO {to};"
    )


def _line(user: str) -> dict[str, str]:
    kind = "service_principal_name" if _APPLICATION_ID.fullmatch(user) else "user_name"
    return {kind: user, "permission_level": "CAN_MANAGE"}


def _named(name: str) -> str:
    """A name in SQL: between backticks, its own ones doubled."""
    return "`" + name.replace("`", "``") + "`"
