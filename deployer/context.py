"""Who, what and where this run is: read once from the environment, then passed as a value.

Owns the meaning of the runner's variables (facts, "Contract facts" 6 and 11). The mapping is
given by the composition root; nothing here reads `os.environ`, a file or the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunContext:
    """Where the run happens. Outside GitHub all of the runner's parts are empty."""

    on_github: bool
    debug: bool
    workspace: Path
    temp: Path
    output_file: Path | None
    summary_file: Path | None
    event_name: str = ""
    actor: str = ""
    sha: str = ""
    ref: str = ""
    repository: str = ""
    run_url: str = ""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, cwd: Path, temp: Path) -> RunContext:
        """The context that `environ` describes; `cwd` and `temp` stand in for what it leaves out."""
        on_github = environ.get("GITHUB_ACTIONS") == "true"
        server = environ.get("GITHUB_SERVER_URL", "https://github.com")
        repository = environ.get("GITHUB_REPOSITORY", "") if on_github else ""
        run_id = environ.get("GITHUB_RUN_ID", "")
        return cls(
            on_github=on_github,
            debug=environ.get("RUNNER_DEBUG") == "1",
            workspace=Path(environ.get("GITHUB_WORKSPACE") or cwd),
            temp=Path(environ.get("RUNNER_TEMP") or temp),
            output_file=_path(environ, "GITHUB_OUTPUT"),
            summary_file=_path(environ, "GITHUB_STEP_SUMMARY"),
            event_name=environ.get("GITHUB_EVENT_NAME", ""),
            actor=environ.get("GITHUB_ACTOR", ""),
            sha=environ.get("GITHUB_SHA", ""),
            ref=environ.get("GITHUB_REF", ""),
            repository=repository,
            run_url=f"{server}/{repository}/actions/runs/{run_id}" if repository and run_id else "",
        )


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name)
    return Path(value) if value else None
