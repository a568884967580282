"""What is in an image: its layers with their sizes, its configuration, and what must not be in it.

Reads a `docker save` archive, which all engines write. Must not run or build anything.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

MB = 1_000_000
_OURS = "opt/spark-deploy/"
_UNWANTED = re.compile(
    r"(?:^|/)(?:\.cache|\.git|\.gitconfig|\.netrc|pip\.conf|uv\.toml|\.pytest_cache)(?:/|$)"
    r"|^run/secrets/.|^build/|^var/lib/apt/lists/.*_Packages|^var/cache/apt/.*\.(?:deb|bin)$"
)
_OURS_UNWANTED = re.compile(
    rf"^{_OURS}(?!venv/)(?:.*/)?(?:tests?|sandbox|examples|docs|tools)(?:/|$)|^{_OURS}venv/.*/pip(?:/|-)"
)
_SMALL = 1_000_000  # bytes; secrets are searched for in files up to this size


@dataclass(frozen=True)
class Layer:
    """One layer: what it brings, and bytes as it is and compressed as registries keep it."""

    part: str
    size: int
    compressed: int


BASE = "base"
# What a layer brings, by the first mark that one of its paths has.
_PARTS = (
    ("usr/lib/git-core/", "git"),
    (f"{_OURS}venv/", "Python packages"),
    (_OURS, "spark-deploy"),
    ("opt/java/", "Java"),
    ("usr/", "bytecode of the standard library"),
    ("etc/passwd", "the user of projects"),
)


@dataclass(frozen=True)
class Image:
    """An image as the archive has it."""

    config: dict[str, Any]
    layers: tuple[Layer, ...]
    files: tuple[str, ...]  # of the layers that are not the base's
    hashes: frozenset[str]  # SHA-256 of these
    text: bytes  # the small ones, for searching

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(one.size for one in self.layers)

    @property
    def compressed(self) -> int:
        """Bytes of all layers, compressed."""
        return sum(one.compressed for one in self.layers)


def read(archive: Path, base: Sequence[str] = ()) -> Image:
    """The image in `archive`, whose first layers are those with the digests `base`."""
    with tarfile.open(archive) as tar:
        [manifest] = json.load(_member(tar, "manifest.json"))
        config = json.load(_member(tar, manifest["Config"]))
        layers: list[Layer] = []
        files: list[str] = []
        hashes: set[str] = set()
        text = bytearray()
        digests = config["rootfs"]["diff_ids"]
        for index, name in enumerate(manifest["Layers"]):
            from_base = list(base[: index + 1]) == digests[: index + 1]
            size, compressed = _sizes(_member(tar, name))
            paths: list[str] = []
            for path, content in () if from_base else _contents(_member(tar, name)):
                paths.append(path)
                hashes.add(hashlib.sha256(content).hexdigest())
                text += content if len(content) <= _SMALL else b""
            layers.append(Layer(BASE if from_base else _part(paths), size, compressed))
            files += paths
    return Image(config, tuple(layers), tuple(files), frozenset(hashes), bytes(text))


def digests(archive: Path) -> list[str]:
    """The digests of the layers of an image."""
    with tarfile.open(archive) as tar:
        [manifest] = json.load(_member(tar, "manifest.json"))
        found: list[str] = json.load(_member(tar, manifest["Config"]))["rootfs"]["diff_ids"]
        return found


def problems(image: Image, secrets: Iterable[Path] = ()) -> Iterator[str]:
    """A sentence for each thing that must not be so."""
    config = image.config["config"]
    entrypoint = config.get("Entrypoint") or [""]
    if not entrypoint[0].startswith("/"):
        yield f"The entrypoint is not absolute: {entrypoint}."
    for name in ("User", "WorkingDir", "Volumes", "Cmd"):
        if config.get(name) not in (None, "", "/", {}, []):
            yield f"The image sets {name}: {config[name]}."
    for path in image.files:
        if _UNWANTED.search(path) or _OURS_UNWANTED.search(path):
            yield f"The image holds {path}."
    sources = [one for one in image.files if one.startswith(_OURS) and one.endswith(".py")]
    compiled = {one for one in image.files if one.endswith(".pyc")}
    if not sources or not any(one.startswith(f"{_OURS}deployer/__pycache__/") for one in compiled):
        yield "Our code is not compiled."
    history = json.dumps(image.config).encode()
    for secret in secrets:
        content = secret.read_bytes()
        if hashlib.sha256(content).hexdigest() in image.hashes:
            yield f"The image holds the build's secret {secret.name}, as a file."
        if len(content) < _SMALL and (content.strip() in image.text or content.strip() in history):
            yield f"The image holds what the build's secret {secret.name} says."


def _part(paths: Sequence[str]) -> str:
    for mark, part in _PARTS:
        if any(path.startswith(mark) for path in paths):
            return part
    return "other"


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    found = tar.extractfile(name)
    if found is None:
        raise ValueError(f"the archive has no {name}")
    return found


def _sizes(layer: IO[bytes]) -> tuple[int, int]:
    """Bytes of a layer, plain and as gzip makes them at its usual level."""
    size = compressed = 0
    squeeze = zlib.compressobj(6, wbits=31)
    while chunk := layer.read(1 << 20):
        size += len(chunk)
        compressed += len(squeeze.compress(chunk))
    return size, compressed + len(squeeze.flush())


def _contents(layer: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=layer) as tar:
        for one in tar:
            if one.isfile():
                found = tar.extractfile(one)
                yield one.name.removeprefix("./"), found.read() if found else b""
