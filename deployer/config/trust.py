"""Where credentials may go, when a file names the workspace (design.md, rule 10).

Owns two rules. A proposal's file is its author's: on a pull request what leads to the workspace has to be
said outside of it, too. And credentials of the environment go to no other host than the one beside them.
Must not connect to anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from deployer.config.environments import Entry
from deployer.contract import input_named
from deployer.errors import FailureReason, Problem

HOST = "databricks-host"
# What leads a credential to a workspace, and the variable that says the same (databricks-sdk).
CONNECTION = {
    HOST: "DATABRICKS_HOST",
    "databricks-client-id": "DATABRICKS_CLIENT_ID",
    "auth-type": "DATABRICKS_AUTH_TYPE",
}
_PROFILE = "DATABRICKS_CONFIG_PROFILE"


def objections(
    entries: Mapping[str, Entry],
    file: str,
    *,
    texts: Mapping[str, str],
    environ: Mapping[str, str],
    under_review: bool,
) -> Iterator[Problem]:
    """Why `file` may not lead the credentials where its `entries` say; nothing where it may.

    `texts` are the inputs that were given, `environ` the variables of the run.
    """
    for name, variable in CONNECTION.items():
        if name not in entries:
            continue
        entry, given = entries[name], texts.get(name, "").strip()
        outside = given or environ.get(variable, "").strip()
        if under_review and not outside:
            yield _only_in_file(name, entry, file)
        elif under_review and not _same(name, entry.text, outside):
            yield _differs_under_review(name, entry, file)
        elif not given and outside and not _same(name, entry.text, outside):
            yield _two_answers(name, entry, file)
        elif name == HOST and not outside and environ.get(_PROFILE, "").strip():
            yield _beside_a_profile(entry, file)


def _same(name: str, one: str, other: str) -> bool:
    if name != HOST:
        return one.strip() == other.strip()
    return _host(one) == _host(other) is not None


def _host(text: str) -> tuple[str, str, int | None] | None:
    """Scheme, name and port; None for what can't be compared."""
    stripped = text.strip()
    try:
        parts = urlsplit(stripped if "://" in stripped else f"https://{stripped}")
        if parts.username is not None or not parts.hostname:
            return None
        port = parts.port
    except ValueError:
        return None
    return parts.scheme, parts.hostname, None if port == 443 else port  # noqa: PLR2004 - https


def _where(name: str, entry: Entry, file: str) -> str:
    return f"`{input_named(name).file_key}` in {file}, line {entry.line}"


def _outside(name: str) -> str:
    variable = CONNECTION[name]
    return f"```yaml\nenv:\n  {variable}: ${{{{ vars.{variable} }}}}\n```"


def _only_in_file(name: str, entry: Entry, file: str) -> Problem:
    return Problem(
        FailureReason.UNTRUSTED_CONFIGURATION,
        f"On a pull request, {_where(name, entry, file)} alone can't say where credentials go.",
        "The file is part of the proposal: its author could have this job's credentials sent to a host or "
        "used for an account of their choice.",
        f"Say it in the workflow as well, where the author can't:\n\n{_outside(name)}",
    )


def _differs_under_review(name: str, entry: Entry, file: str) -> Problem:
    return Problem(
        FailureReason.UNTRUSTED_CONFIGURATION,
        f"On a pull request, {_where(name, entry, file)} is not what the workflow says.",
        f"The workflow says it by the input `{name}` or by {CONNECTION[name]}. The file is part of the "
        "proposal, so where they differ nothing is sent anywhere.",
        "Bring the two together; if the change of the file is wanted, change the workflow's value first.",
    )


def _two_answers(name: str, entry: Entry, file: str) -> Problem:
    return Problem(
        FailureReason.INVALID_INPUT,
        f"{_where(name, entry, file)} and {CONNECTION[name]} say different things.",
        "Credentials in the environment belong to what stands beside them there, and are sent nowhere else.",
        f"Remove {CONNECTION[name]} or make it the same; the input `{name}` counts more than both.",
    )


def _beside_a_profile(entry: Entry, file: str) -> Problem:
    return Problem(
        FailureReason.INVALID_INPUT,
        f"{_where(HOST, entry, file)} is named beside a profile, which has a host of its own.",
        f"{_PROFILE} is set, and the credentials of that profile go to no other host.",
        f"Confirm the host by the input `{HOST}`, or unset {_PROFILE}.",
    )
