"""The layering: imports point one way, pure rooms do no I/O, and each SDK has one place.

The tables here are the rule; docs/architecture.md shows the first of them, and a test compares the two.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# A room is a package or a module at the top of `deployer`. Each may import the rooms that it names,
# all of which stand above it: so imports can't go round in a circle.
ROOMS: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "approval": frozenset(),
    "contract": frozenset(),
    "context": frozenset(),
    "redaction": frozenset(),
    "narrator": frozenset(),
    "stopping": frozenset(),
    "ownership": frozenset(),
    "process": frozenset(),
    "settings": frozenset({"approval", "contract", "errors"}),
    "inputs": frozenset({"contract", "settings"}),
    "config": frozenset({"contract", "errors", "settings"}),
    "library": frozenset({"errors"}),
    "event": frozenset({"errors"}),
    "trust": frozenset({"config", "contract", "errors", "settings"}),
    "auto": frozenset({"config", "contract", "errors", "event", "library"}),
    "request": frozenset({"auto", "config", "contract", "errors", "event", "settings", "trust"}),
    "jobs": frozenset({"library"}),
    "plan": frozenset({"jobs", "library"}),
    "report": frozenset({"contract", "errors"}),
    "session": frozenset(),
    "notify": frozenset({"contract", "report", "session", "settings"}),
    "forge": frozenset(),
    "release": frozenset({"errors", "forge", "library"}),
    "conversation": frozenset({"contract", "event", "forge", "report"}),
    "gh": frozenset({"conversation", "forge", "release", "session"}),
    "narrators": frozenset({"gh", "narrator", "redaction", "report"}),
    "checks": frozenset({"errors", "library", "report"}),
    "deployment": frozenset({"errors", "jobs", "library", "plan"}),
    "leftover": frozenset({"deployment"}),
    "draft": frozenset(
        {"approval", "contract", "deployment", "errors", "jobs", "library", "narrator", "plan"}
        | {"report", "settings"}
    ),
    "doors": frozenset(
        {"checks", "conversation", "deployment", "draft", "errors", "release", "settings"}
    ),
    "commenting": frozenset(
        {"contract", "conversation", "doors", "draft", "errors", "event", "forge", "report"}
    ),
    "locking": frozenset({"deployment", "doors", "draft", "errors", "library"}),
    "journaling": frozenset({"deployment", "doors", "draft", "errors", "plan"}),
    "releasing": frozenset(
        {"doors", "draft", "errors", "forge", "library", "ownership", "release"}
    ),
    "obtain": frozenset({"doors", "draft", "errors", "library", "releasing", "report"}),
    "advice": frozenset({"deployment", "draft", "library", "plan", "report"}),
    "survey": frozenset(
        {"advice", "deployment", "doors", "draft", "errors", "library", "locking", "obtain", "plan"}
        | {"settings"}
    ),
    "planning": frozenset(
        {"advice", "approval", "deployment", "draft", "jobs", "library", "plan", "survey"}
    ),
    "gate": frozenset({"approval", "errors", "plan", "settings"}),
    "doctor": frozenset(
        {"config", "deployment", "doors", "draft", "errors", "jobs", "library", "obtain", "plan"}
        | {"report", "request", "survey"}
    ),
    "configure": frozenset({"config", "draft", "errors", "ownership", "report", "settings"}),
    "changes": frozenset(
        {"deployment", "doors", "draft", "errors", "journaling", "plan", "planning", "report"}
        | {"survey"}
    ),
    "deploying": frozenset(
        {"approval", "changes", "deployment", "doors", "draft", "journaling", "locking", "plan"}
        | {"planning", "report", "survey"}
    ),
    "rollback": frozenset(
        {"advice", "changes", "deployment", "doors", "draft", "errors", "gate"}
        | {"jobs", "journaling", "library", "locking", "plan", "report", "survey"}
    ),
    "pipeline": frozenset(
        {"advice", "approval", "changes", "commenting", "configure", "contract", "deploying"}
        | {
            "deployment",
            "doctor",
            "doors",
            "draft",
            "errors",
            "gate",
            "locking",
            "narrator",
            "obtain",
            "planning",
        }
        | {"releasing", "report", "rollback", "settings", "survey"}
    ),
    "platforms": frozenset({"deployment", "errors", "jobs", "session"}),
    "checking": frozenset(
        {"checks", "context", "draft", "narrator", "ownership", "report", "settings"}
    ),
    "connections": frozenset(
        {"context", "conversation", "errors", "event", "forge", "gh", "redaction", "request"}
        | {"settings", "stopping"}
    ),
    "delivery": frozenset(
        {"context", "conversation", "gh", "narrator", "notify", "ownership", "redaction", "report"}
    ),
    "main": frozenset(
        {"checking", "config", "connections", "context", "contract", "delivery", "deployment"}
        | {
            "doors",
            "draft",
            "errors",
            "gh",
            "leftover",
            "narrator",
            "narrators",
            "notify",
            "pipeline",
            "platforms",
        }
        | {"process", "redaction", "release", "report", "request", "settings", "stopping"}
    ),
    "cli": frozenset({"context", "contract", "delivery", "errors", "main"}),
    "entrypoint": frozenset({"context", "delivery", "inputs", "main", "stopping"}),
    "post": frozenset({"context", "delivery", "inputs", "leftover", "main"}),
}

# What rooms without I/O may import from outside, whole. A new line here wants a reason: none of these
# opens a file or a socket, starts a process, reads the clock or draws lots.
PURE = frozenset(
    {"auto", "config", "event", "jobs", "library", "plan", "release", "report", "trust"}
)
# Of other rooms, the modules that do none either.
PURE_MODULES = frozenset(
    {"notify.news", "notify.slack", "notify.teams", "notify.texts", "notify.webhook"}
)
PURE_IMPORTS = frozenset(
    {
        "__future__",
        "base64",
        "bisect",
        "collections",
        "configparser",
        "contextlib",
        "copy",
        "csv",
        "dataclasses",
        "email",
    }
    | {
        "enum",
        "functools",
        "hashlib",
        "hmac",
        "itertools",
        "json",
        "packaging",
        "re",
        "semver",
        "stat",
    }
    | {"struct", "textwrap", "typing", "unicodedata", "urllib.parse", "zipfile", "zlib"}
    | {"rich"}  # report.terminal builds what main prints
    | {"yaml"}  # both that use it read events from a text, and construct nothing
)
PURE_BUILTINS = frozenset({"open", "print", "input", "exec", "eval", "__import__", "breakpoint"})

# Packages from outside the standard library, and the modules or rooms that may import each.
OUTSIDE: dict[str, frozenset[str]] = {
    "databricks": frozenset({"platforms.databricks"}),
    "requests": frozenset({"gh.api", "notify.sender", "platforms.databricks", "session"}),
    "urllib3": frozenset({"platforms.databricks"}),
    "ghapi": frozenset({"gh.core"}),
    "github": frozenset({"gh.api"}),
    "yaml": frozenset({"config.yaml_text", "jobs.installs"}),
    "rich": frozenset({"delivery", "narrators", "report.terminal"}),
    "ruff": frozenset({"checks.toolbox"}),
    "uv": frozenset({"checks.java", "checks.toolbox"}),
    "semver": frozenset({"library.versions"}),
    "packaging": frozenset(
        {"checks", "deployment.intent", "jobs", "library", "plan", "release", "report"}
        | {"obtain", "releasing", "rollback", "settings"}
    ),
    "sandbox": frozenset({"cli"}),
}

# Whoever reads the environment. `gh.core` only undoes what importing ghapi leaves there.
ENVIRONMENT = frozenset({"cli", "entrypoint", "gh.core", "post"})


@dataclass(frozen=True)
class Module:
    """One source file; `name` is without `deployer.`, `library.wheel` for instance."""

    name: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.name.split(".")[0]

    def imports(self) -> Iterator[str]:
        """The dotted names of what is imported, wherever in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name} has a relative import"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Call) and _is_import_module(node):
                yield str(ast.literal_eval(node.args[0]))

    def inside(self) -> Iterator[str]:
        """What is imported from `deployer`, without that prefix."""
        for name in self.imports():
            if name.startswith("deployer.") and name != "deployer.__version__":
                yield name.removeprefix("deployer.")

    def outside(self) -> Iterator[str]:
        return (name for name in self.imports() if name.split(".")[0] != "deployer")


def _is_import_module(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    return name == "import_module" and bool(call.args) and isinstance(call.args[0], ast.Constant)


def _modules() -> Iterator[Module]:
    package = REPOSITORY / "deployer"
    files = {path: path.relative_to(package) for path in package.rglob("*.py")}
    files |= {REPOSITORY / name: Path(name) for name in ("entrypoint.py", "post.py")}
    for path, relative in sorted(files.items()):
        name = ".".join(relative.with_suffix("").parts).removesuffix("__init__").rstrip(".")
        if name:
            yield Module(name, ast.parse(path.read_text(encoding="utf-8")))


MODULES = tuple(_modules())
EACH = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


def _is_in(name: str, places: frozenset[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def test_every_room_has_its_line_and_imports_only_rooms_above_it() -> None:
    assert {module.room for module in MODULES} == set(ROOMS)
    above: set[str] = set()
    for room, imports in ROOMS.items():
        assert imports <= above, f"{room} imports {imports - above}, which stand below it"
        above.add(room)


@EACH
def test_a_module_imports_only_what_its_room_may_import(module: Module) -> None:
    rooms = {name.split(".")[0] for name in module.inside()} - {module.room}
    assert rooms <= ROOMS[module.room]


def test_the_table_allows_nothing_that_is_not_used() -> None:
    used: dict[str, set[str]] = {room: set() for room in ROOMS}
    for module in MODULES:
        used[module.room] |= {name.split(".")[0] for name in module.inside()} - {module.room}
    assert used == {room: set(imports) for room, imports in ROOMS.items()}


@EACH
def test_a_room_without_io_imports_only_what_is_listed(module: Module) -> None:
    if module.room in PURE or module.name in PURE_MODULES:
        assert [name for name in module.outside() if not _is_in(name, PURE_IMPORTS)] == []
        names = {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)}
        assert not names & PURE_BUILTINS


@EACH
def test_a_package_from_outside_is_imported_only_in_its_place(module: Module) -> None:
    for name in module.outside():
        package = name.split(".")[0]
        if package not in sys.stdlib_module_names:
            assert _is_in(module.name, OUTSIDE[package]), f"{module.name} imports {name}"


@EACH
def test_only_the_doors_read_the_environment(module: Module) -> None:
    of_os = {
        f"os.{node.attr}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    reads = {"os.environ", "os.environb", "os.getenv"} & (of_os | set(module.imports()))
    assert not reads or module.name in ENVIRONMENT


@EACH
def test_only_main_builds_adapters(module: Module) -> None:
    if module.room not in {"platforms", "main"}:
        assert not [name for name in module.inside() if name.startswith("platforms")]


def test_the_embedded_workspace_is_imported_only_when_its_command_is_given() -> None:
    cli = next(module for module in MODULES if module.name == "cli")
    lazy = [
        function.name
        for function in ast.walk(cli.tree)
        if isinstance(function, ast.FunctionDef)
        and any(
            name.startswith("sandbox") for name in Module("cli", _as_module(function)).imports()
        )
    ]
    assert lazy == ["_sandbox"]
    top = ast.Module([node for node in cli.tree.body if not isinstance(node, ast.FunctionDef)], [])
    assert not [name for name in Module("cli", top).imports() if name.startswith("sandbox")]


def test_the_yaml_reader_is_imported_only_by_who_has_a_file() -> None:
    code = "import sys, deployer.main; sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_pygithub_is_imported_only_by_who_asks_github() -> None:
    code = "import sys, deployer.main; sys.exit('github' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def _as_module(function: ast.FunctionDef) -> ast.Module:
    return ast.Module(body=list(function.body), type_ignores=[])
