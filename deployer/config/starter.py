"""The first `spark-deploy.yml` and workflow of a repository, as texts.

Owns their wording. Both are meant to be read and changed by people, so they explain themselves. Must not
look at or write files; what was seen comes in as a value.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

EXAMPLE_HOST = "https://adb-1234567890123456.7.azuredatabricks.net"
EXAMPLE_ROOT = "/Volumes/main/libraries/released"
# It stands in a shell command, so it has no character that means anything to a shell or to YAML.
FOLDER_FORM = r"[A-Za-z0-9_][A-Za-z0-9_./-]*"
_ACTION = "OWNER/spark-deploy-action@COMMIT"
_SCHEMA = "https://raw.githubusercontent.com/OWNER/spark-deploy-action/COMMIT/docs/spark-deploy.schema.json"
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*(?::[A-Za-z0-9_./-]+)*")
# Words that some readers of YAML take for something else than a text.
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


@dataclass(frozen=True)
class Seen:
    """What is known of a repository; empty where nothing says it."""

    library: str = ""
    branch: str = ""
    environment: str = ""
    host: str = ""
    client_id: str = ""
    root: str = ""
    project: str = ""  # its folder, where that is not the repository itself; see FOLDER_FORM


def configuration_text(seen: Seen) -> str:
    """`spark-deploy.yml` with one environment."""
    library = f" of {_shown(seen.library)}" if seen.library else ""
    client = (
        f"    client-id: {_scalar(seen.client_id)} # application id of the service principal\n"
        if seen.client_id
        else "    # client-id: 11111111-2222-3333-4444-555555555555 # the service principal\n"
    )
    return f"""\
# yaml-language-server: $schema={_SCHEMA}
# Where the releases{library} go. docs/configuration.md of spark-deploy-action explains every key.
# Never put a token or another secret here.
version: 1

environments:
  {_scalar(seen.environment or "production")}:
    # A run for this branch, or for a pull request into it, means this environment.
    branches: [{_scalar(seen.branch or "main")}]
    host: {_scalar(seen.host or EXAMPLE_HOST)}{_check(seen.host)}
{client}\
    # Only the deployer may write here. Nothing outside is rewired or removed.
    root: {_scalar(seen.root or EXAMPLE_ROOT)}{_check(seen.root)}
    # Old versions go once nothing uses them. `cleanup: false` only lists them.
    # keep: 3
    # min-age: 7d

  # A second one, chosen by its branches or by the input `environment`:
  # development:
  #   branches: [develop, "feature/*"]
  #   host: {EXAMPLE_HOST}
  #   root: /Volumes/dev/libraries/released
"""


def workflow_text(seen: Seen) -> str:
    """The workflow: pull requests plan in two jobs, a published release deploys."""
    environment = _scalar(seen.environment or "production")
    build = "pipx run build --wheel" + (f" --outdir dist {seen.project}" if seen.project else "")
    project = f"          project: {_scalar(seen.project)}\n" if seen.project else ""
    return f"""\
# Plans on pull requests and deploys published releases with spark-deploy-action.
# Replace OWNER and COMMIT by where the action lives and by the commit that you have read, and pin the other
# actions as your rules ask.
name: spark-deploy
on:
  pull_request:
    branches: [{_scalar(seen.branch or "main")}]
  release:
    types: [published]
permissions: {{}}
concurrency:
  group: spark-deploy-${{{{ github.ref }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}

jobs:
  # The code of a pull request runs here, without credentials.
  build:
    name: Build
    if: github.event_name == 'pull_request'
    runs-on: ubuntu-latest
    permissions:
      contents: read # to check out the code
    steps:
      - uses: actions/checkout@v6
        with:
          persist-credentials: false
      - run: {build}
      - uses: actions/upload-artifact@v6
        with:
          name: wheel
          path: dist/*.whl

  # None of its code runs here: the wheel is read, and the workspace is only read, too.
  plan:
    name: Plan
    if: github.event_name == 'pull_request'
    needs: build
    runs-on: ubuntu-latest
    permissions:
      contents: read # to check out spark-deploy.yml
      id-token: write # tells the workspace which job this is, so that no secret is stored
      pull-requests: write # to write the comment with the plan
    steps:
      - uses: actions/checkout@v6
        with:
          persist-credentials: false
          sparse-checkout: spark-deploy.yml
          sparse-checkout-cone-mode: false
      - uses: actions/download-artifact@v7
        with:
          name: wheel
          path: dist
      - uses: {_ACTION}
        with:
          mode: plan
          wheel: dist/*.whl
          environment: {environment}
{_VARIABLES}
  # Lints, tests and builds the project, and deploys only what passed.
  deploy:
    name: Deploy
    if: github.event_name == 'release'
    runs-on: ubuntu-latest
    environment: {environment}
    concurrency:
      group: deploy-{environment.strip('"')}
      cancel-in-progress: false
    permissions:
      contents: read # to check out the code
      id-token: write # tells the workspace which job this is, so that no secret is stored
    steps:
      - uses: actions/checkout@v6
        with:
          persist-credentials: false
      - uses: {_ACTION}
        with:
          mode: deploy
          environment: {environment}
{project}{_VARIABLES}"""


def next_steps(seen: Seen, *, fresh: bool) -> tuple[str, str, str]:
    """What is left to do, in order; `fresh` says that spark-deploy.yml was not there before."""
    parts = (("`host`", seen.host), ("`root`", seen.root))
    open_parts = [part for part, found in parts if fresh and not found]
    first = (
        f"Put your own {' and '.join(open_parts)} into spark-deploy.yml."
        if open_parts
        else "Read spark-deploy.yml, and change what you want otherwise."
    )
    return (
        f"{first} Try it with `spark-deploy plan`, which changes nothing.",
        "Give the repository the variables DATABRICKS_HOST (as in spark-deploy.yml) and "
        "DATABRICKS_CLIENT_ID, and the service principal behind it a federation policy for this repository.",
        "Replace OWNER and COMMIT in both files, commit them, and open a pull request: its plan is in a "
        "comment, and in the job summary.",
    )


_VARIABLES = """\
        env:
          DATABRICKS_HOST: ${{ vars.DATABRICKS_HOST }}
          DATABRICKS_CLIENT_ID: ${{ vars.DATABRICKS_CLIENT_ID }}
"""


def _check(seen: str) -> str:
    return "" if seen else " # an example: put your own here"


def _scalar(text: str) -> str:
    """`text` as a YAML scalar that every reader takes for this text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)


def _shown(text: str) -> str:
    """A name for a comment: it stays on its line."""
    return re.sub(r"[^\w.-]", "?", text)[:80]
