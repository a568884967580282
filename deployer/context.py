"""Who, what and where this run is: read once from the environment, then passed as a value.

Owns the meaning of the runner's variables (facts, "Contract facts" 6 and 11). The mapping is
given by the composition root; nothing here reads `os.environ`, a file or the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
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
    run: str = ""  # one job of one run, the same for its re-runs; "" outside GitHub
    attempt: int = 0
    runner: str = ""
    state_file: Path | None = None
    id_token: bool = False  # whether the job may ask GitHub for OIDC tokens (fact 27)
    host_folders: tuple[tuple[Path, Path], ...] = ()  # (as we see it, as later steps see it)

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
            actor=_first(environ, "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID"),
            sha=_first(environ, "GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT"),
            ref=environ.get("GITHUB_REF", ""),
            repository=repository,
            id_token=bool(
                environ.get("ACTIONS_ID_TOKEN_REQUEST_URL")
                and environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
            ),
            run_url=f"{server}/{repository}/actions/runs/{run_id}"
            if repository and run_id
            else _first(environ, "CI_JOB_URL", "BUILD_URL"),
            run=f"{server}/{repository}/{run_id}/{environ.get('GITHUB_JOB', '')}"
            if repository and run_id
            else "",
            attempt=_number(environ.get("GITHUB_RUN_ATTEMPT", "")),
            runner=environ.get("RUNNER_NAME", "") if on_github else "",
            state_file=_path(environ, "GITHUB_STATE") if on_github else None,
        )

    def with_host_paths(self, text: str) -> RunContext:
        """This context, told where its folders lie outside of the container.

        `text` is the input `host-paths`: `temp=FOLDER:workspace=FOLDER`. The runner translates values
        that are such a path or begin with one to paths of the container, so the value begins with a
        word (facts, "Contract facts" 8). What is no path, as on a command line, is left out.
        """
        inside = {"temp": self.temp, "workspace": self.workspace}
        return replace(self, host_folders=tuple(_host_folders(text, inside)))

    def outside(self, path: str | Path) -> str:
        """`path` as later steps of the job name it: on the machine, not in this container."""
        for inside, host in self.host_folders:
            if Path(path).is_relative_to(inside):
                return str(host / Path(path).relative_to(inside))
        return str(path)


def _host_folders(text: str, inside: Mapping[str, Path]) -> Iterator[tuple[Path, Path]]:
    for part in text.split(":"):  # a folder that is mounted has no colon in its path
        name, _, folder = part.partition("=")
        if name in inside and folder.startswith("/"):
            yield inside[name], Path(folder)


def _first(environ: Mapping[str, str], *names: str) -> str:
    """The first variable that is set: GitHub's, GitLab's or Jenkins' name of the same thing."""
    return next((environ[name] for name in names if environ.get(name)), "")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name)
    return Path(value) if value else None
