"""Starts the action without Docker: an environment with the locked packages, then `entrypoint.py` in it.

The second door of the action, for runners without Docker; `action.yml` beside it is generated. Owns the
environment and the spelling of inputs. Must not decide anything that the container would not: what runs
is the same `entrypoint.py` with the same packages. Runs on any Python from 3.11, with nothing installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
REQUIREMENTS = REPOSITORY / "requirements" / "runtime.txt"


_SCRIPTS = ("entrypoint.py", "post.py")


def command(script: str) -> list[str]:
    """What to become: the main step, or the one that gives back locks that the main step left.

    Exits when the packages can't be installed, and where nothing was left.
    """
    if script == "post.py" and not os.environ.get(_NOTE):
        sys.exit(0)
    try:
        python = environment(Path(os.environ.get("RUNNER_TEMP") or tempfile.gettempdir()))
    except subprocess.CalledProcessError as error:
        sys.stdout.write(
            "::error title=spark-deploy can't be installed::Its packages could not be fetched "
            f"(exit code {error.returncode}); the log above says why.\n"
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(1)  # cancelled, and nothing was done
    return [str(python), "-E", "-s", "-u", str(REPOSITORY / script)]


_NOTE = "STATE_locks"  # what the runner would give to a post step


def state_file() -> Path:
    """Where the main step notes what the last step needs; the runner carries no state between them."""
    temp = Path(os.environ.get("RUNNER_TEMP") or tempfile.gettempdir())
    return temp / "spark-deploy" / "state"


def take_note() -> None:
    """Put the last note of the main step into the environment, as a runner does for a post step."""
    try:
        lines = state_file().read_text(encoding="utf-8").splitlines()
        state_file().unlink()
    except OSError:
        return
    notes = [line for line in lines if line.startswith("[")]  # JSON, between the lines of its frame
    os.environ[_NOTE] = notes[-1] if notes and notes[-1] != "[]" else ""


def as_for_a_container(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with inputs spelled as a container gets them: `INPUT_A_B` becomes `INPUT_A-B`.

    Hyphens are no letters of a variable for shells, and a composite action's step is a shell.
    """
    return {
        name.replace("_", "-").replace("-", "_", 1) if name.startswith("INPUT_") else name: value
        for name, value in environ.items()
    }


def environment(temp: Path) -> Path:
    """The Python of an environment with the locked packages, made once for a job below `temp`."""
    locked = REQUIREMENTS.read_bytes() + sys.version.encode()
    folder = temp / "spark-deploy" / f"venv-{hashlib.sha256(locked).hexdigest()[:16]}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if complete.is_file():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"::group::Install spark-deploy for Python {sys.version.split()[0]}\n")
    sys.stdout.flush()
    locked_only = ["--quiet", "--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS)]
    uv = shutil.which("uv")
    if uv:
        _call(uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder))
        _call(uv, "pip", "install", "--python", str(python), *locked_only)
    else:
        _call(sys.executable, "-m", "venv", str(folder))
        _call(str(python), "-m", "pip", "install", "--disable-pip-version-check", *locked_only)
    complete.touch()
    sys.stdout.write("::endgroup::\n")
    sys.stdout.flush()
    return python


def _call(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    chosen = sys.argv[1] if sys.argv[1:] else _SCRIPTS[0]
    if chosen not in _SCRIPTS:
        sys.exit(f"{chosen} is none of {', '.join(_SCRIPTS)}.")
    if chosen == "post.py":
        take_note()
    argv = command(chosen)
    if chosen == "entrypoint.py":
        state_file().parent.mkdir(parents=True, exist_ok=True)
        state_file().unlink(missing_ok=True)
        os.environ["GITHUB_STATE"] = str(state_file())
    # The process stays the same one: the runner sends the signals of a cancellation to it alone.
    os.execve(argv[0], argv, as_for_a_container(os.environ))  # noqa: S606 - no shell is what we want
