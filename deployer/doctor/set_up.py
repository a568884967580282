"""Checks of the surroundings: versions, files, GitHub, the way into the workspace, clocks and limits.

Owns what their answers mean for a deployment. Must not write.
"""

from __future__ import annotations

import importlib.metadata
import platform

from deployer import __version__
from deployer.doctor.grants import MAY_ASK
from deployer.doctor.patient import NAMED, Answer, CannotTell, Patient
from deployer.errors import DeployError, FailureReason
from deployer.obtain import given_library
from deployer.request import FILE

_CLOCK_LIMIT_S = 60
_READ = 1_000_000  # bytes of the configuration file


def versions(_: Patient) -> Answer:
    """What runs here."""
    sdk = importlib.metadata.version("databricks-sdk")
    here = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return Answer(f"spark-deploy {__version__}, databricks-sdk {sdk}, {here}.")


def configuration(patient: Patient) -> Answer:
    """Which environments the configuration file has."""
    # Only who has such a file pays for the YAML reader.
    from deployer.config.file import read_configuration  # noqa: PLC0415

    name = patient.draft.settings.config or FILE
    path = patient.doors.workspace_folder / name
    if not path.is_file():
        raise CannotTell(f"There is no {name}; inputs alone are enough for one target.")
    with path.open("rb") as content:
        found = read_configuration(content.read(_READ + 1), name)
    environments = ", ".join(one.name for one in found.environments[:NAMED])
    chosen = patient.draft.settings.environment
    of = f"; this run is for {chosen}" if chosen else ""
    return Answer(f"{name} has {len(found.environments)} environments: {environments}{of}.")


def library(patient: Patient) -> Answer:
    """Whether the given library file can be read."""
    if not patient.draft.settings.wheel:
        raise CannotTell("No `wheel` is given.")
    patient.library = given_library(patient.draft, patient.doors)[0]
    return Answer(f"{patient.library.display_name} {patient.library.version} can be read.")


def github(patient: Patient) -> Answer:
    """Whether this GitHub job may ask for OIDC tokens."""
    may_ask = patient.doors.id_token
    if may_ask is None:
        raise CannotTell("This is no GitHub job.")
    if may_ask:
        return Answer("The job may ask GitHub for OIDC tokens, so it needs no stored secret.")
    return Answer("The job may not ask GitHub for OIDC tokens.", (MAY_ASK,))


def connection(patient: Patient) -> Answer:
    """Whether the address answers."""
    try:
        patient.workspace = patient.doors.connect(patient.draft.settings.credentials)
    except DeployError as error:
        if error.reason is not FailureReason.AUTHENTICATION_FAILED:
            raise
        # The address is fine, the credentials are not: that is what the next check is about.
        patient.problems["identity"] = error.problems
        return Answer("The address answers.")
    patient.draft.workspace = patient.workspace
    return Answer(f"{patient.workspace.host} answers. We speak Jobs API 2.2 to it.")


def identity(patient: Patient) -> Answer:
    """Who we are, how we came in, and whether we see all jobs."""
    if "identity" in patient.problems:
        raise DeployError(*patient.problems["identity"])
    workspace = patient.reached()
    identity = workspace.identity()
    credential = workspace.credential()
    patient.identity = identity
    patient.draft.note_identity(identity)
    way = f" by {credential.kind}" if credential.kind else ""
    subject = f" ({credential.subject})" if credential.subject else ""
    role = "a workspace admin" if identity.admin else "not a workspace admin"
    findings = [credential.caution] if credential.caution else []
    if not identity.admin:
        findings.append(
            "Who is no workspace admin may not see all jobs: the inventory may be incomplete, and no old"
            " version is removed."
        )
    return Answer(f"{identity.user}{way}{subject}, {role}.", tuple(findings))


def clock(patient: Patient) -> Answer:
    """Whether this machine's clock agrees with the workspace's."""
    workspace = patient.reached()
    ahead_s = round((patient.doors.now_ms() - workspace.now_ms()) / 1000)
    if abs(ahead_s) <= _CLOCK_LIMIT_S:
        return Answer("This machine's clock agrees with the workspace's.")
    way = "ahead of" if ahead_s > 0 else "behind"
    return Answer(
        f"This machine's clock is {abs(ahead_s):,} s {way} the workspace's.",
        (
            "Ages of files follow the workspace's clock; logins may fail. Set this machine's clock (NTP).",
        ),
    )


def limits(patient: Patient) -> Answer:
    """How many calls a second we make at most."""
    kept = patient.reached().limits()
    told = "; ".join(f"{one.what} {one.documented:g}/{one.ours:g}" for one in kept)
    return Answer(f"Calls a second, as documented/ours: {told}.")
