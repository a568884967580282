"""The bill of materials of the action's image, as CycloneDX 1.6: what Debian and Python say is installed.

    python -m tools.image_sbom IMAGE > sbom.cdx.json

Asks the image itself, by Docker, and looks nothing up. Owns that document.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from urllib.parse import quote

_DEBIAN = ("dpkg-query", "--show", "--showformat", r"${Package}\t${Version}\t${Architecture}\n")
_PYTHON = (
    "/opt/spark-deploy/venv/bin/python", "-I", "-c",
    "import importlib.metadata as m\n"
    "for one in m.distributions(): print(one.metadata['Name'], one.version, 'python', sep='\\t')",
)  # fmt: skip

Json = dict[str, object]


def bill_of_materials(image: str, debian: str, python: str) -> Json:
    """The document. `debian` and `python` have a line for each package: name, version, architecture."""
    parts = [_debian(*line.split("\t")) for line in sorted(set(debian.splitlines()))]
    parts += [_python(*line.split("\t")[:2]) for line in sorted(set(python.splitlines()))]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": image, "name": image}},
        "components": parts,
    }


def _debian(name: str, version: str, architecture: str) -> Json:
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}?arch={quote(architecture)}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _python(name: str, version: str) -> Json:
    purl = f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version, safe='')}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def main(arguments: Sequence[str]) -> int:
    """Print the bill of materials of the image; the exit code."""
    [image] = arguments
    debian, python = (_asked(image, command) for command in (_DEBIAN, _PYTHON))
    print(json.dumps(bill_of_materials(image, debian, python), indent=2))
    return 0


def _asked(image: str, command: Sequence[str]) -> str:
    program, *rest = command
    argv = ["docker", "run", "--rm", "--network", "none", "--entrypoint", program, image, *rest]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
