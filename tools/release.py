"""What a release of this action needs beside its tests and its image, for `.github/workflows/release.yml`.

    python -m tools.release check v1.4.0        the tag, the code and the changelog agree; prints outputs
    python -m tools.release notes v1.4.0        the notes
    python -m tools.release pin IMAGE DIGEST    action.yml with the image that was built

Owns these three. `pin` runs in a job that may write and so has nothing installed: it needs Python alone. Must
not talk to GitHub or a registry: the workflow does.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
_TAG = re.compile(r"v(?P<version>\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)")
_IMAGE = re.compile(r"[a-z0-9.-]+(?::\d+)?(?:/[a-z0-9._-]+)+:[A-Za-z0-9_.-]+")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LINE = re.compile(r"^(?P<before>  image: )Dockerfile$", re.M)


def problems(tag: str, version: str, changelog: str) -> Iterator[str]:
    """What stands in the way of a release of the code of `version` as `tag`."""
    from packaging.version import Version  # noqa: PLC0415 - see `pin` above

    from deployer.release.agreement import version_of_tag  # noqa: PLC0415
    from deployer.release.notes import section  # noqa: PLC0415

    if not _TAG.fullmatch(tag):
        yield f"The tag {tag} is not of the form v1.4.0 or v1.4.0-rc.1."
    elif version_of_tag(tag) != Version(version):
        yield f"The tag {tag} is not the version of the code, {version} (deployer/__init__.py)."
    if not section(changelog, Version(version)):
        yield f"CHANGELOG.md has no section of {version}."


def moving_tags(tag: str) -> tuple[str, ...]:
    """The tags that move on to a final release: `v1` for `v1.4.0`; none for a pre-release or a 0."""
    found = _TAG.fullmatch(tag)
    if found is None or "-" in tag or tag.startswith("v0."):
        return ()
    return (tag.partition(".")[0],)


def outputs(tag: str) -> dict[str, str]:
    """What later jobs of the workflow ask."""
    version = tag.removeprefix("v")
    return {
        "version": version,
        "prerelease": str("-" in version).lower(),
        "moving": " ".join(moving_tags(tag)),
    }


def pinned(action: str, image: str, digest: str) -> str:
    """`action.yml` with the image that was built instead of the Dockerfile.

    Raises ValueError for what is no image, no digest, or an action.yml that has no such line.
    """
    if not _IMAGE.fullmatch(image) or not _DIGEST.fullmatch(digest):
        raise ValueError(f"{image}@{digest} is not the name of an image with its digest")
    made, count = _LINE.subn(rf"\g<before>docker://{image}@{digest}", action)
    if count != 1:
        raise ValueError(
            f"action.yml has {count} lines `image: Dockerfile`, and one is to be replaced"
        )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one of the three; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.release")
    modes = parser.add_subparsers(dest="mode", required=True)
    for name in ("check", "notes"):
        modes.add_parser(name).add_argument("tag")
    pin = modes.add_parser("pin")
    pin.add_argument("image")
    pin.add_argument("digest")
    given = parser.parse_args(arguments)
    if given.mode == "pin":
        file = REPOSITORY / "action.yml"
        file.write_text(pinned(file.read_text(encoding="utf-8"), given.image, given.digest))
        return 0
    return _check(given.tag) if given.mode == "check" else _notes(given.tag)


def _check(tag: str) -> int:
    from deployer import __version__  # noqa: PLC0415

    found = list(problems(tag, __version__, _changelog()))
    for one in found:
        print(one, file=sys.stderr)
    if not found:
        print("\n".join(f"{name}={value}" for name, value in outputs(tag).items()))
    return 1 if found else 0


def _notes(tag: str) -> int:
    from packaging.version import Version  # noqa: PLC0415

    from deployer.release.notes import fitting, section  # noqa: PLC0415

    print(fitting(section(_changelog(), Version(tag))))
    return 0


def _changelog() -> str:
    return (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
