"""A `gh` that keeps tags, commits and releases of one repository in the JSON file `STATE`.

Knows the calls of `.github/workflows/release.yml` and refuses every other one, so that a script can't pass by
a call that nobody thought of.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

STATE = Path(os.environ["STATE"])


def main() -> int:
    state = json.loads(STATE.read_text())
    words = sys.argv[1:]
    state["calls"].append(words)
    code, answer = _api(state, words[1:]) if words[0] == "api" else _release(state, words[1:])
    STATE.write_text(json.dumps(state))
    if answer is not None and "--silent" not in words:
        sys.stdout.write(_asked(words, answer) + "\n")
    return code


def _api(state: Any, words: list[str]) -> tuple[int, Any]:
    method, path, fields = _read(words)
    if not method:
        method = "POST" if fields else "GET"
    answer = _looked_up(state, path) if method == "GET" else _written(state, method, path, fields)
    if answer is None:
        return 1, None
    return 0, answer


def _read(words: list[str]) -> tuple[str, list[str], Any]:
    """Method, path below `git/` in parts, and fields."""
    method, path, fields = "", "", {}
    rest = iter(words)
    for word in rest:
        if word == "--method":
            method = next(rest)
        elif word in {"-f", "-F"}:
            name, _, value = next(rest).partition("=")
            fields[name] = value
        elif word in {"--jq", "--input"}:
            next(rest)
        elif not word.startswith("--"):
            path = word.removeprefix(f"repos/{os.environ['GH_REPO']}/git/")
    if "--input" in words:
        fields = json.load(sys.stdin)
    return method, path.split("/"), fields


def _looked_up(state: Any, path: list[str]) -> Any:
    refs = state["tags"]
    match path:
        case ["ref", "tags", tag]:
            return {"object": {"sha": refs[tag]}} if tag in refs else None
        case ["matching-refs", "tags", start]:
            return [{"ref": f"refs/tags/{tag}"} for tag in refs if tag.startswith(start)]
        case ["commits", sha]:
            return {"parents": [{"sha": one} for one in state["commits"][sha]["parents"]]}
    raise SystemExit(f"gh: nobody thought of {path}")


def _written(state: Any, method: str, path: list[str], fields: Any) -> Any:
    refs = state["tags"]
    match method, path:
        case "POST", ["trees"]:
            return {"sha": _made(state, "trees", fields)}
        case "POST", ["commits"]:
            made = {"parents": [fields["parents[]"]], "tree": fields["tree"]}
            return {"sha": _made(state, "commits", made)}
        case "PATCH", ["refs", "tags", tag] if tag in refs and fields["force"] == "true":
            refs[tag] = fields["sha"]
            return {}
        case "PATCH", ["refs", "tags", _]:
            return None
        case "POST", ["refs"]:
            refs[fields["ref"].removeprefix("refs/tags/")] = fields["sha"]
            return {}
    raise SystemExit(f"gh: nobody thought of {method} {path}")


def _made(state: Any, kind: str, what: Any) -> str:
    name = f"{kind[:-1]}{len(state[kind]) + 1}"
    state[kind][name] = what
    return name


def _release(state: Any, words: list[str]) -> tuple[int, Any]:
    verb, tag, *rest = words
    releases = state["releases"]
    if verb == "create" and tag not in releases and {"--draft", "--verify-tag"} <= set(rest):
        notes = Path(rest[rest.index("--notes-file") + 1]).read_text()
        before = "--prerelease=true" in rest
        releases[tag] = {"isDraft": True, "notes": notes, "prerelease": before, "files": []}
        return 0, None
    if tag not in releases:
        return 1, None
    if verb == "view":
        return 0, releases[tag]
    if verb == "upload" and releases[tag]["isDraft"]:
        releases[tag]["files"] = [Path(one).name for one in rest if not one.startswith("--")]
        return 0, None
    if verb == "edit" and rest == ["--draft=false"]:
        releases[tag]["isDraft"] = False
        return 0, None
    raise SystemExit(f"gh: nobody thought of {words}")


def _asked(words: list[str], answer: Any) -> str:
    text = json.dumps(answer)
    if "--jq" not in words:
        return text
    argv = ["jq", "--raw-output", words[words.index("--jq") + 1]]
    return subprocess.run(
        argv, input=text, capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
