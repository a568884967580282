"""Whether a run may do what it is about to do with somebody else's proposal.

Owns two rules. `pull_request_target` hands secrets to a run for whoever opens a pull request, so it serves
nothing but comments. And a run for a proposal that would run the proposed code holds no credentials, unless
somebody said that it may (design.md, rule 10). Pure; it is asked before any credential is used and any code
of the project runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.config.revision import revision
from deployer.contract import INPUTS, InputType, Mode
from deployer.errors import FailureReason, Problem
from deployer.settings import Settings

_TARGET = "pull_request_target"
# Every way of Databricks' unified authentication that needs no person beside it (databricks-sdk).
_VARIABLES = (
    "DATABRICKS_TOKEN",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_PASSWORD",
    "DATABRICKS_OIDC_TOKEN",
    "DATABRICKS_METADATA_SERVICE_URL",
    "DATABRICKS_CONFIG_FILE",
    "DATABRICKS_CONFIG_PROFILE",
    "ARM_CLIENT_SECRET",
    "AZURE_CLIENT_SECRET",
    "GOOGLE_CREDENTIALS",
)
_NAMES_A_VARIABLE = "DATABRICKS_OIDC_TOKEN_ENV"  # of the SDK: where it looks for the token instead
_ID_TOKEN = "`id-token: write`"  # noqa: S105 - a permission
_OURS = "OWNER/spark-deploy-action@COMMIT"
_MODES_THAT_BUILD = frozenset({Mode.CHECK, Mode.PLAN, Mode.DEPLOY, Mode.UPLOAD, Mode.PUBLISH})


def credentials_held(texts: Mapping[str, str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """What of the inputs `texts` and the variables `environ` logs in to a workspace, as people call it."""
    given = [
        f"the input `{one.name}`"
        for one in INPUTS
        if one.type is InputType.SECRET
        and one.name.startswith("databricks-")
        and texts.get(one.name, "").strip()
    ]
    names = (*_VARIABLES, environ.get(_NAMES_A_VARIABLE, "").strip())
    found = [f"`{name}`" for name in names if name and environ.get(name, "").strip()]
    return (*given, *found, *((_ID_TOKEN,) if _may_ask_github(environ) else ()))


def can_log_in(texts: Mapping[str, str], environ: Mapping[str, str], *, known: bool) -> bool:
    """Whether the run has what it takes to log in; `known`: the configuration file has a client id.

    A token of GitHub's is for nobody in particular: it needs a service principal to be exchanged for.
    """
    principal = (
        known
        or texts.get("databricks-client-id", "").strip()
        or environ.get("DATABRICKS_CLIENT_ID", "").strip()
    )
    return any(one != _ID_TOKEN or principal for one in credentials_held(texts, environ))


def objections_to_event(mode: str, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Why a run of `mode` may not be for its event; nothing where it may."""
    if environ.get("GITHUB_EVENT_NAME") == _TARGET and mode != Mode.COMMENT.value:
        yield Problem(
            FailureReason.UNTRUSTED_CODE,
            f"On `{_TARGET}` this action does nothing but comment.",
            "Such a run has the secrets of this repository, and everybody who may open a pull request "
            "starts it, also from a fork. With their code in the workspace those secrets would be theirs.",
            "Use `pull_request` for checks and plans. What a fork's run can't write, because it has no "
            "rights here, a second workflow can, which runs none of its code:\n\n"
            + _SECOND_WORKFLOW,
        )


def objections(
    settings: Settings,
    texts: Mapping[str, str],
    environ: Mapping[str, str],
    *,
    at_second_hand: bool = False,
) -> Iterator[Problem]:
    """Why the run that `settings` ask for may not run the project's code; nothing where it may.

    `at_second_hand`: a proposal caused the run, though its variables don't say so.
    """
    if settings.trust_project or not would_build(settings):
        return
    held = credentials_held(texts, environ)
    if held and (at_second_hand or revision(environ).under_review):
        on_github = bool(environ.get("GITHUB_EVENT_NAME"))
        yield Problem(
            FailureReason.UNTRUSTED_CODE,
            "This run for a proposal would build the project, and it holds credentials for a workspace.",
            f"It holds {', '.join(held)}. Linting, testing and building a project runs its code, and "
            "whoever proposes it writes that code: it could take them. Nothing was run, and nothing was "
            "asked of the workspace.",
            _remedy(on_github=on_github),
        )


def _may_ask_github(environ: Mapping[str, str]) -> bool:
    return all(
        environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{one}", "").strip() for one in ("URL", "TOKEN")
    )


def would_build(settings: Settings) -> bool:
    """Whether the run would run code of the project."""
    if settings.checks_too:
        return True
    builds = settings.mode in _MODES_THAT_BUILD and not (settings.mode is Mode.PLAN and settings.to)
    return builds and settings.builds


def _remedy(*, on_github: bool) -> str:
    split = _SPLIT if on_github else _SPLIT_ELSEWHERE
    opt_in = (
        "```yaml\nwith:\n  trust-project: true\n```"
        if on_github
        else "```\nspark-deploy plan --trust-project\n```"
    )
    return (
        f"{split}\n\nOnly where everybody who can propose something may use these credentials anyway, let "
        f"one job do both:\n\n{opt_in}"
    )


_SPLIT = f"""\
Build in a job that holds nothing, and give its file to the one that plans:

```yaml
jobs:
  build:
    runs-on: ubuntu-latest
    permissions:
      contents: read
    steps:
      - uses: actions/checkout@v6
      - uses: {_OURS}
        id: check
        with:
          mode: check
      - uses: actions/upload-artifact@v6
        with:
          name: library
          path: ${{{{ steps.check.outputs.wheel-path }}}}
  plan:
    needs: build
    runs-on: ubuntu-latest
    permissions:
      contents: read
      id-token: write
    steps:
      - uses: actions/checkout@v6
      - uses: actions/download-artifact@v6
        with:
          name: library
          path: dist
      - uses: {_OURS}
        with:
          wheel: dist/*.whl
```"""

_SPLIT_ELSEWHERE = """\
Build in a job that holds no credentials, and give its file to the one that plans:

```
python -m build --wheel                # in a job without DATABRICKS_* variables
spark-deploy plan --wheel 'dist/*.whl' # in one that has them, and runs no code of the project
```"""

_SECOND_WORKFLOW = f"""\
```yaml
on:
  workflow_run:
    workflows: [Pull request] # the name of the workflow for pull requests
    types: [completed]
permissions: {{}}
jobs:
  comment:
    runs-on: ubuntu-latest
    permissions:
      actions: read
      pull-requests: write
    steps:
      - uses: actions/download-artifact@v6
        with:
          name: spark-deploy-report # which the other workflow uploaded: its output `report-path`
          path: report
          run-id: ${{{{ github.event.workflow_run.id }}}}
          github-token: ${{{{ github.token }}}}
      - uses: {_OURS}
        with:
          mode: comment
          from-report: report/report.json
```"""
