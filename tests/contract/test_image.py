"""What `make image` looks for in an image, on images that are wrong in one way, and without engines."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tools import engines, image, image_archive
from tools.image_archive import problems, read

GOOD = {
    "opt/spark-deploy/entrypoint.py": b"",
    "opt/spark-deploy/deployer/main.py": b"",
    "opt/spark-deploy/deployer/__pycache__/main.cpython-312.pyc": b"",
    "opt/spark-deploy/venv/lib/python3.12/site-packages/requests/tests/x.py": b"",
}
CONFIG = {"Entrypoint": ["/opt/spark-deploy/venv/bin/python"], "Env": ["PATH=/usr/bin"]}


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def archive(folder: Path, *layers: dict[str, bytes], history: str = "", **config: Any) -> Path:
    """A `docker save` archive with these layers."""
    tars = [tar_of(one) for one in layers]
    whole = {
        "config": {**CONFIG, **config},
        "history": [{"created_by": history} for _ in tars],
        "rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in tars]},
    }
    names = [f"{index}/layer.tar" for index, _ in enumerate(tars)]
    manifest = [{"Config": "config.json", "Layers": names}]
    files = {
        "config.json": json.dumps(whole).encode(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    path = folder / "image.tar"
    path.write_bytes(tar_of(files | dict(zip(names, tars, strict=True))))
    return path


def test_a_good_image_has_no_problem(tmp_path: Path) -> None:
    assert list(problems(read(archive(tmp_path, GOOD)))) == []


@pytest.mark.parametrize(
    "name",
    [
        "root/.cache/pip/x",
        "github/home/.netrc",
        "etc/pip.conf",
        "run/secrets/ca-bundle",
        "build/requirements.txt",
        "var/lib/apt/lists/deb.debian.org_Packages",
        "opt/spark-deploy/tests/unit/test_x.py",
        "opt/spark-deploy/sandbox/server.py",
        "opt/spark-deploy/venv/lib/python3.12/site-packages/pip/__init__.py",
    ],
)
def test_what_must_not_be_in_an_image_is_found(tmp_path: Path, name: str) -> None:
    assert list(problems(read(archive(tmp_path, GOOD, {name: b""})))) == [
        f"The image holds {name}."
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("User", "app"), ("WorkingDir", "/opt"), ("Cmd", ["sh"]), ("Entrypoint", ["python"])],
)
def test_a_configuration_that_the_runner_can_not_use_is_found(
    tmp_path: Path, name: str, value: Any
) -> None:
    changed: dict[str, Any] = {name: value}
    [sentence] = problems(read(archive(tmp_path, GOOD, **changed)))
    assert str(value) in sentence


def test_code_without_bytecode_is_found(tmp_path: Path) -> None:
    sources = {name: content for name, content in GOOD.items() if name.endswith(".py")}
    assert list(problems(read(archive(tmp_path, sources)))) == ["Our code is not compiled."]


@pytest.mark.parametrize("where", ["file", "inside", "history", "env"])
def test_a_secret_of_the_build_is_found_wherever_it_stayed(tmp_path: Path, where: str) -> None:
    secret = tmp_path / "index-url"
    secret.write_text("https://me:hunter2@example.com/simple\n", encoding="utf-8")
    said = secret.read_text(encoding="utf-8").strip()
    assert not list(problems(read(archive(tmp_path, GOOD)), [secret]))
    layer = {
        "file": {"usr/x": secret.read_bytes()},
        "inside": {"usr/x": f"index = {said}".encode()},
    }.get(where, {})
    more: dict[str, Any] = {"Env": [f"PIP_INDEX_URL={said}"]} if where == "env" else {}
    made = archive(
        tmp_path, GOOD, layer, history=f"RUN pip {said}" if where == "history" else "", **more
    )
    assert all("secret index-url" in one for one in problems(read(made), [secret]))
    assert list(problems(read(made), [secret]))


def test_layers_of_the_base_are_counted_and_not_searched(tmp_path: Path) -> None:
    path = archive(tmp_path, {"root/.cache/x": b"x" * 5_000}, GOOD)
    found = read(path, image_archive.digests(path)[:1])
    assert [one.part for one in found.layers] == ["base", "Python packages"]
    assert list(problems(found)) == []
    assert found.layers[0].size > 5_000 > found.layers[0].compressed
    assert found.size == sum(one.size for one in found.layers)


def test_a_machine_without_an_engine_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(image, "CACHE", tmp_path)
    monkeypatch.setattr(image, "candidates", lambda storage: [])
    assert image.main([]) == 2
    assert "apt-get install" in capsys.readouterr().err


def test_a_build_that_fails_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = engines.Engine("docker", (sys.executable, "-c", "raise SystemExit('no space left')"))
    monkeypatch.setattr(image, "CACHE", tmp_path)
    monkeypatch.setattr(image, "_engine", lambda *_: (broken, "base"))
    assert image.main([]) == 1
    assert "no space left" in capsys.readouterr().err


def test_a_base_that_is_given_is_the_base_and_nothing_takes_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    program = (
        "import sys; open(sys.argv[1], 'a').write(' '.join(sys.argv[2:]) + chr(10)); "
        "sys.exit(sys.argv[2] == 'pull' and 'missing' in sys.argv[3] or sys.argv[2] == 'build')"
    )
    engine = engines.Engine("docker", (sys.executable, "-c", program, str(log)))
    monkeypatch.setattr(image, "CACHE", tmp_path)
    monkeypatch.setattr(image, "candidates", lambda _: [engine])
    pinned = f"docker.io/library/python:3.12-slim-bookworm@sha256:{'0' * 64}"
    assert image.main(["--base", pinned]) == 1  # this engine can't build
    calls = log.read_text()
    assert f"pull {pinned}\ntag {pinned} {image.GIVEN_BASE}\n" in calls
    assert f"BASE={image.GIVEN_BASE}" in calls
    assert image.main(["--base", "missing"]) == 2
    assert "No registry gives missing" in capsys.readouterr().err


def test_the_last_of_a_chain_of_processes_is_found() -> None:
    innermost = "import time; print('ready', flush=True); time.sleep(60)"
    middle = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {innermost!r}])"
    # Begun by a thread that is not the first, as programs in Go do.
    outer = (
        "import subprocess, sys, threading\n"
        f"start = lambda: subprocess.run([sys.executable, '-c', {middle!r}])\n"
        "thread = threading.Thread(target=start); thread.start(); thread.join()"
    )
    process = subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        found = engines._last_child(process.pid)
        command = Path(f"/proc/{found}/cmdline").read_bytes().split(b"\0")
        assert command[2].decode() == innermost
    finally:
        subprocess.run(["kill", str(engines._last_child(process.pid))], check=False)
        process.communicate()
