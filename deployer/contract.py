"""The public contract: every input and every output, declared once.

`action.yml`, the README's tables, the CLI's options and the parsing of settings are all made
from these two tuples. Owns names, types, defaults and their prose; must not parse or read anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """What a run does; design.md, "Modes". A mode is declared here once it works."""

    CHECK = "check"
    PLAN = "plan"
    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    UPLOAD = "upload"
    PUBLISH = "publish"
    CLEANUP = "cleanup"
    STATUS = "status"
    DOCTOR = "doctor"
    CONFIGURE = "configure"
    COMMENT = "comment"
    AUTO = "auto"


class InputType(StrEnum):
    """How the text of an input is read."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DURATION = "duration"
    CHOICE = "choice"
    LIST = "list"  # texts, separated by commas
    SECRET = "secret"  # noqa: S105 - the name of a type, not a password


@dataclass(frozen=True)
class Input:
    """One input of the action, which is also the CLI's option of the same name."""

    name: str
    meaning: str
    type: InputType = InputType.TEXT
    default: str = ""
    choices: tuple[str, ...] = ()
    in_file: bool = False  # may also stand in spark-deploy.yml, as `file_key`
    only_in_action: str = ""  # the action's default, where that of the command line is another
    since: str = "0.1.0"

    @property
    def file_key(self) -> str:
        """The key in spark-deploy.yml, where nothing but Databricks is meant anyway."""
        return self.name.removeprefix("databricks-")

    @property
    def action_default(self) -> str:
        """The default in `action.yml`.

        The runner hands over a default as if somebody had given it, and what is given overrides the
        file. So an input that may stand in the file has none there; `settings` knows it.
        """
        return "" if self.in_file else self.only_in_action or self.default


@dataclass(frozen=True)
class Output:
    """One output that later steps consume."""

    name: str
    meaning: str
    since: str = "0.1.0"


INPUTS: tuple[Input, ...] = (
    Input(
        "mode",
        "What to do: `check` lints, tests and builds `project`; `plan` shows what a deployment would "
        "change and changes nothing; `deploy` uploads the library and moves the jobs; `rollback` moves the "
        "jobs back to what they named before a deployment, from its journal; `upload` only uploads; "
        "`publish` only makes the release of the tag, with the library and its hashes; "
        "`cleanup` only removes old versions that nothing uses; `status` lists the library "
        "references of the workspace; `doctor` checks credentials, rights and the root, and changes "
        "nothing; `configure` writes a first `spark-deploy.yml` and workflow, and asks no workspace; "
        "`comment` writes on the pull request what another run's `from-report` says; `auto`, "
        "the action's default, does what the event of the run asks for, see docs/events.md.",
        InputType.CHOICE,
        "plan",
        tuple(mode.value for mode in Mode),
        only_in_action="auto",
    ),
    Input(
        "environment",
        "The target, such as `production`: one of `spark-deploy.yml`, where there is one; else a name "
        "that is shown in every report.",
    ),
    Input(
        "config",
        "The file with the environments, from the workspace; default: `spark-deploy.yml`, which may be "
        "missing. What is given as an input counts more than what it says.",
    ),
    Input(
        "wheel",
        "Glob of the one library file to deploy, a wheel, jar or egg, relative to the workspace, such as "
        "`dist/*.whl`. A given file is deployed as it is, never rebuilt.",
    ),
    Input(
        "version",
        "For `plan` and `deploy`: take the library file of the published release of this version, such as "
        "`1.4.0`, instead of building. It is used only if the `SHA256SUMS` of the release name it.",
    ),
    Input(
        "publish",
        "Whether `deploy` first attaches its file to the release of the tag that the run is for, with its "
        "hashes and its bill of materials. What is attached and what is deployed are the same bytes.",
        InputType.BOOLEAN,
        "false",
    ),
    Input(
        "project",
        "Folder of the Python project to lint, test and build when no `wheel` is given.",
        default=".",
    ),
    Input(
        "root",
        "Where released libraries live: a volume or workspace folder that only the deployer may write, "
        "such as `/Volumes/main/libraries/released`. Nothing outside is rewired or removed.",
        in_file=True,
    ),
    Input(
        "to",
        "For `mode: rollback`: `previous` (the state before the last deployment, the default), or a version "
        "or the id of a deployment (the state right after it). With `mode: plan` it shows what such a "
        "rollback would change.",
    ),
    Input(
        "library",
        "For a rollback, and for `version`: the name of the library; needed only where there are several.",
    ),
    Input(
        "folder",
        "For `mode: upload`: another folder to upload to. No job is touched.",
    ),
    Input(
        "allow-dbfs",
        "Whether `root` may lie in DBFS (`dbfs:/libs`). Every user may write there, and runtimes from 15.1 "
        "on load no library from it: prefer a volume.",
        InputType.BOOLEAN,
        "false",
        in_file=True,
    ),
    Input(
        "policy",
        "Which jobs move: `same-major` (the default rule), `same-minor`, `any` (whatever is older), or "
        "`exact` (only the versions named in `from-versions`).",
        InputType.CHOICE,
        "same-major",
        ("same-major", "same-minor", "any", "exact"),
        in_file=True,
    ),
    Input(
        "from-versions",
        "For `policy: exact`: the versions to move, separated by commas, such as `1.4.0, 1.4.1`.",
        InputType.LIST,
        in_file=True,
    ),
    Input(
        "allow-prereleases",
        "Whether a pre-release or local version may replace a final version.",
        InputType.BOOLEAN,
        "false",
        in_file=True,
    ),
    Input(
        "owned",
        "What to do with jobs that an Asset Bundle owns, whose next deploy would undo the move: `skip` "
        "reports them, `move` moves them all the same.",
        InputType.CHOICE,
        "skip",
        ("skip", "move"),
        in_file=True,
    ),
    Input(
        "clusters",
        "What to do with all-purpose clusters that have an older version installed: `report` names them, "
        "`update` installs the new version and uninstalls the old one, which takes effect when they "
        "restart, `restart` also restarts those that run and that no active run uses.",
        InputType.CHOICE,
        "report",
        ("report", "update", "restart"),
        in_file=True,
    ),
    Input(
        "read-notebooks",
        "Whether to read the notebooks of jobs for `%pip install` and the like. `false` is quicker where "
        "there are thousands; what notebooks install is then not reported, and nothing is removed.",
        InputType.BOOLEAN,
        "true",
        in_file=True,
    ),
    Input(
        "cleanup",
        "Whether to remove old versions of the same MAJOR that nothing uses. `false` lists them only.",
        InputType.BOOLEAN,
        "true",
        in_file=True,
    ),
    Input(
        "keep",
        "How many of the newest unused old versions per MAJOR stay all the same.",
        InputType.INTEGER,
        "0",
        in_file=True,
    ),
    Input(
        "min-age",
        "How long ago a newer version must have replaced a version before cleanup may remove it, such as "
        "`12h` or `7d`.",
        InputType.DURATION,
        "0s",
        in_file=True,
    ),
    Input(
        "checks",
        "Whether to lint, test and build `project` (when no `wheel` is given). `false` only builds.",
        InputType.BOOLEAN,
        "true",
        in_file=True,
    ),
    Input(
        "check-timeout",
        "How long each of lint, test and build may take, such as `20m`.",
        InputType.DURATION,
        "30m",
        in_file=True,
    ),
    Input(
        "expected-plan-digest",
        "The `plan-digest` that was approved: `deploy` and `rollback` refuse any other plan.",
    ),
    Input(
        "approved-plan",
        "Path of the `report.json` of the approved plan, relative to the workspace. Its digest is then the "
        "expected one, and a refusal shows what differs.",
    ),
    Input(
        "on-failure",
        "What happens when a job does not move: `rollback` moves those back that had moved, `stop` leaves "
        "them and begins no further one, `continue` goes on with the others. The run fails in each case.",
        InputType.CHOICE,
        "rollback",
        ("rollback", "stop", "continue"),
        in_file=True,
    ),
    Input(
        "lock-timeout",
        "How long to wait while another run deploys the same library, or moves jobs of the same workspace, "
        "such as `10m`; `0` refuses at once.",
        InputType.DURATION,
        "10m",
        in_file=True,
    ),
    Input(
        "lock-expiry",
        "After how long without a sign of life a lock is void, such as `2m`; its holder died. From `1s` to "
        "`1h`.",
        InputType.DURATION,
        "2m",
        in_file=True,
    ),
    Input(
        "lock-path",
        "Folder of the lock that lets one run at a time move jobs; default: below `root`. Give all roots of "
        "one workspace the same one.",
        in_file=True,
    ),
    Input(
        "force-unlock",
        "Whether to take a lock from whoever holds it. Only when that run is surely dead: else two write at "
        "once.",
        InputType.BOOLEAN,
        "false",
    ),
    Input(
        "databricks-host",
        "The workspace's address, such as `https://adb-123.4.azuredatabricks.net`; "
        "default: `DATABRICKS_HOST`.",
        in_file=True,
    ),
    Input(
        "databricks-token",
        "A personal access token. Prefer OAuth, by Databricks' own environment variables.",
        InputType.SECRET,
    ),
    Input(
        "databricks-client-id",
        "Application id of the service principal; default: `DATABRICKS_CLIENT_ID`.",
        in_file=True,
    ),
    Input(
        "databricks-client-secret",
        "OAuth secret of the service principal; default: `DATABRICKS_CLIENT_SECRET`.",
        InputType.SECRET,
    ),
    Input(
        "auth-type",
        "Pins one way to authenticate, such as `oauth-m2m` or `pat`; default: `DATABRICKS_AUTH_TYPE`.",
        in_file=True,
    ),
    Input(
        "notify",
        "Of which runs `slack-url`, `teams-url` and `webhook-url` are told: `changes` (runs that changed "
        "something, and every failure), `failure`, `always` or `off`. Checks and plans of a pull request "
        "are told only with `always`.",
        InputType.CHOICE,
        "changes",
        ("changes", "failure", "always", "off"),
    ),
    Input(
        "slack-url",
        "The URL of an incoming webhook of Slack. Whoever has it can post: keep it as a secret.",
        InputType.SECRET,
    ),
    Input(
        "teams-url",
        "The URL of a Teams workflow that begins with `When a Teams webhook request is received`. Keep it "
        "as a secret.",
        InputType.SECRET,
    ),
    Input(
        "webhook-url",
        "Where to post a JSON document about the run, signed with `webhook-secret`; see "
        "docs/notifications.md. Keep it as a secret.",
        InputType.SECRET,
    ),
    Input(
        "webhook-secret",
        "The key of that signature (HMAC-SHA256), 16 characters or more. Without it nothing is posted to "
        "`webhook-url`.",
        InputType.SECRET,
    ),
    Input(
        "comment",
        "What becomes of the comment on the pull request when the plan changes: `update` edits it, "
        "`recreate` writes a new one and folds the old one, `off` writes none.",
        InputType.CHOICE,
        "update",
        ("update", "recreate", "off"),
    ),
    Input(
        "comment-id",
        "Tells comments apart where several steps plan the same library for the same environment.",
    ),
    Input(
        "from-report",
        "For `mode: comment`: the `report.json`, or the folder with it, that the run of the pull request "
        "left as an artifact. It is read as data of a stranger.",
    ),
    Input(
        "github-token",
        "The token for comments and releases, with `pull-requests: write` for comments; default: that of the "
        "job, and `GITHUB_TOKEN` on a command line.",
        InputType.SECRET,
        only_in_action="${{ github.token }}",
    ),
    Input(
        "trust-project",
        "Whether a run for a pull request may build it and hold credentials at once: its author could then "
        "take them. Prefer a job that builds and one that plans, see docs/events.md.",
        InputType.BOOLEAN,
        "false",
    ),
    Input(
        "log-level",
        "`info`, or `debug` to see why each job was or was not moved.",
        InputType.CHOICE,
        "info",
        ("debug", "info"),
    ),
    Input(
        "host-paths",
        "Set by the action itself; leave it alone. Says where its container's folders lie on the "
        "runner's machine, so that `report-path` and `wheel-path` name files for later steps.",
        default="temp=${{ runner.temp }}:workspace=${{ github.workspace }}",
    ),
    Input(
        "report-path",
        "Where to write `report.json`; default: below the runner's temporary folder.",
    ),
)

OUTPUTS: tuple[Output, ...] = (
    Output("outcome", "`succeeded`, `nothing-to-do`, `failed`, `refused` or `cancelled`."),
    Output("failure-reason", "One of the reasons of docs/errors.md, or empty."),
    Output("version", "The version that was planned or deployed."),
    Output("previous-version", "The newest version that the moved jobs were on before."),
    Output("sha256", "SHA-256 of the library file."),
    Output("wheel-path", "Path of the built or given library file, for `actions/upload-artifact`."),
    Output("remote-path", "Where the library lies in the workspace."),
    Output("plan-digest", "Names the plan; give it to `expected-plan-digest` after an approval."),
    Output("jobs-updated", "How many jobs moved (for `plan`: would move)."),
    Output("jobs-untouched", "How many jobs name the library and stay."),
    Output("removed-versions", "The removed versions, separated by commas."),
    Output("deployment-id", "The id of this deployment."),
    Output(
        "comment-url", "The comment on the pull request that this run wrote or found up to date."
    ),
    Output("release-url", "The page of the release that has the library file."),
    Output("environment-url", "The page of this run, for `environment.url` of a job."),
    Output("report-path", "Path of `report.json`."),
    Output("report", "The report as JSON, shortened to fit."),
)


def input_named(name: str) -> Input:
    """The input called `name`; KeyError if there is none."""
    return _BY_NAME[name]


_BY_NAME = {one.name: one for one in INPUTS}
