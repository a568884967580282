"""The port `release.ports.Releases` over GitHub's API.

Owns the endpoints of releases, their files and tags, and what of an answer is believed. Calls, their
repetition and the token are `gh.api`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from deployer.forge import NotFound, Rejected, Unavailable
from deployer.gh.api import Api, Upload
from deployer.release.ports import Asset, Attachment, Release, Sealed, Taken, Text

Json = Mapping[str, Any]

_SEARCHED = 1_000  # releases; a draft of this tag is among the newest
_TAG_OBJECTS = 10  # one may lead to another
_SHOWN_ASSETS = 30  # from here on a release itself may not name all of its files
_SEALED = "immutable release"


class GitHubReleases:
    """The releases of `repository` (`owner/name`)."""

    def __init__(self, api: Api, repository: str) -> None:
        self._api = api
        self._base = f"/repos/{quote(repository)}"
        self._repository = repository
        self._uploads: dict[int, str] = {}  # where files of a release go, by its id

    @property
    def repository(self) -> str:
        """`owner/name`."""
        return self._repository

    def commits_of(self, tag: str) -> frozenset[str]:
        """See the port."""
        try:
            found = _object(self._api.get(f"{self._base}/git/ref/tags/{quote(tag)}"))
            shas = [_sha(found)]
            while _kind(found) == "tag" and len(shas) < _TAG_OBJECTS:
                found = _object(self._api.get(f"{self._base}/git/tags/{quote(shas[-1])}"))
                shas.append(_sha(found))
        except NotFound:
            return frozenset()
        return frozenset(shas)

    def of_tag(self, tag: str) -> tuple[Release, ...]:
        """See the port. Where one is published, the drafts beside it don't matter and are not looked for."""
        try:
            return (self._release(self._api.get(f"{self._base}/releases/tags/{quote(tag)}")),)
        except NotFound:
            found = [one for one in self._all() if one.tag == tag]
            return tuple(sorted(found, key=lambda one: one.id))

    def published(self) -> Iterator[Release]:
        """See the port."""
        return (one for one in self._all() if not one.draft)

    def read(self, release_id: int) -> Release:
        """See the port."""
        found = self._release(self._api.get(f"{self._base}/releases/{release_id}"))
        if len(found.assets) < _SHOWN_ASSETS:
            return found
        files = self._api.pages(f"{self._base}/releases/{release_id}/assets")
        return replace(found, assets=tuple(map(_asset, files)))

    def create(self, tag: str, text: Text) -> Release:
        """See the port."""
        asked = {"tag_name": tag, "draft": True, **_said(text)}
        with _meaning():
            path = f"{self._base}/releases"
            return self._release(self._api.change("POST", path, asked, repeatable=False))

    def publish(self, release: Release, text: Text) -> Release:
        """See the port."""
        asked = {"tag_name": release.tag, "draft": False, **_said(text)}
        with _meaning():
            path = f"{self._base}/releases/{release.id}"
            return self._release(self._api.change("PATCH", path, asked, repeatable=True))

    def delete(self, release: Release) -> None:
        """See the port."""
        self._removed(f"{self._base}/releases/{release.id}")

    def remove(self, asset: Asset) -> None:
        """See the port."""
        self._removed(f"{self._base}/releases/assets/{asset.id}")

    def upload(self, release: Release, file: Attachment) -> Asset:
        """See the port."""
        if release.id not in self._uploads:
            self.read(release.id)
        sent = Upload(file.name, file.size, file.media_type, file.opened)
        with _meaning():
            return _asset(self._api.send_file(self._uploads.get(release.id, ""), sent))

    def download(self, asset: Asset) -> Iterator[bytes]:
        """See the port."""
        return self._api.file(f"{self._base}/releases/assets/{asset.id}")

    def generated_notes(self, tag: str) -> str:
        """See the port."""
        path = f"{self._base}/releases/generate-notes"
        found = self._api.change("POST", path, {"tag_name": tag}, repeatable=True)
        body = found.get("body") if isinstance(found, Mapping) else None
        return body if isinstance(body, str) else ""

    def _all(self) -> Iterator[Release]:
        """All releases that the token sees, the newest first."""
        for number, one in enumerate(self._api.pages(f"{self._base}/releases")):
            if number >= _SEARCHED:
                return
            yield self._release(one)

    def _removed(self, path: str) -> None:
        try:
            with _meaning():
                self._api.change("DELETE", path, repeatable=True)
        except NotFound:
            pass

    def _release(self, told: object) -> Release:
        told = _mapping(told)
        try:
            found = Release(
                id=int(told["id"]),
                tag=str(told["tag_name"]),
                title=str(told.get("name") or ""),
                body=str(told.get("body") or ""),
                draft=bool(told.get("draft")),
                prerelease=bool(told.get("prerelease")),
                url=str(told.get("html_url") or ""),
                immutable=bool(told.get("immutable")),
                assets=tuple(_asset(one) for one in told.get("assets") or ()),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise Unavailable(
                f"GitHub's answer about a release can't be read ({error!r})"
            ) from error
        self._uploads[found.id] = str(told.get("upload_url") or "").split("{", 1)[0]
        return found


def _said(text: Text) -> Json:
    return {
        "name": text.title,
        "body": text.body,
        "prerelease": text.prerelease,
        "make_latest": text.latest,
    }


def _asset(told: object) -> Asset:
    told = _mapping(told)
    digest = str(told.get("digest") or "")
    try:
        return Asset(
            id=int(told["id"]),
            name=str(told["name"]),
            size=int(told["size"]),
            whole=told.get("state", "uploaded") == "uploaded",
            sha256=digest.removeprefix("sha256:").lower() if digest.startswith("sha256:") else "",
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Unavailable(f"GitHub's answer about a file can't be read ({error!r})") from error


def _mapping(told: object) -> Json:
    if not isinstance(told, Mapping):
        raise Unavailable("GitHub answered with something else than a JSON object")
    return told


def _object(told: object) -> Json:
    """What a ref or a tag object leads to."""
    return _mapping(_mapping(told).get("object"))


def _sha(found: Json) -> str:
    return str(found.get("sha", ""))


def _kind(found: Json) -> str:
    return str(found.get("type", ""))


@contextmanager
def _meaning() -> Iterator[None]:
    """What of a rejected write the story can do something about."""
    try:
        yield
    except Rejected as error:
        if "already_exists" in error.codes:
            raise Taken(str(error)) from error
        if _SEALED in str(error):
            raise Sealed(str(error)) from error
        raise
