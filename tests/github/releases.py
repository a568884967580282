"""Releases, their files and the tags that they stand on, with GitHub's rules for drafts and immutability.

What real servers do is fact 40: several drafts of one tag are no error, two published releases are
(`already_exists`); a second file of a name is one, too; a published immutable release takes no files; a file
whose upload broke off stays as `starter`; the bytes of a file are at another host, which takes no token.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import quote

from werkzeug.wrappers import Response

from tests.github.accounts import account_json
from tests.github.routing import ApiError, Call, Json, Route, invalid, not_found
from tests.github.world import Account, Repository

LONGEST_NOTES = 125_000
_READ, _WRITE = {"contents": "read"}, {"contents": "write"}
_OCTETS = "application/octet-stream"
_ALLOWED = re.compile(r"[^A-Za-z0-9.+_@-]")


@dataclass
class Asset:
    """One file of a release. `state` is `uploaded`, or `starter` after an upload that broke off."""

    id: int
    name: str
    content: bytes
    media_type: str = _OCTETS
    state: str = "uploaded"


@dataclass
class Release:
    """One release."""

    id: int
    tag: str
    author: Account
    name: str = ""
    body: str = ""
    draft: bool = False
    prerelease: bool = False
    immutable: bool = False
    latest: str = "true"
    assets: dict[int, Asset] = field(default_factory=dict)

    def asset(self, name: str) -> Asset | None:
        """The file of that name."""
        return next((one for one in self.assets.values() if one.name == name), None)


@dataclass
class Releases:
    """What a repository has of all this.

    `tags` leads from the name to the object: a commit, or the tag object that `annotated` leads on from.
    With `seals` releases become immutable when they are published. `digests` says whether the API tells
    the SHA-256 of files.
    """

    all: dict[int, Release] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    annotated: dict[str, str] = field(default_factory=dict)
    seals: bool = False
    digests: bool = True
    upload_url: str = ""  # instead of the right one
    used_by_sealed: set[str] = field(default_factory=set)

    def of_tag(self, tag: str) -> list[Release]:
        """The releases of the tag, the oldest first."""
        return sorted((one for one in self.all.values() if one.tag == tag), key=lambda one: one.id)


def releases_of(repository: Repository) -> Releases:
    """The releases of a repository, made when first asked for."""
    found = repository.more.setdefault("releases", Releases())
    assert isinstance(found, Releases)
    return found


def _release_json(call: Call, release: Release) -> Json:
    name = call.repository.full_name
    api = f"{call.base}/repos/{name}/releases/{release.id}"
    shown = f"untagged-{release.id}" if release.draft else quote(release.tag)
    return {
        "id": release.id,
        "node_id": f"RE_{release.id}",
        "tag_name": release.tag,
        "target_commitish": call.repository.default_branch,
        "name": release.name,
        "body": release.body,
        "draft": release.draft,
        "prerelease": release.prerelease,
        "immutable": release.immutable,
        "author": account_json(call, release.author),
        "created_at": "2026-11-28T12:00:00Z",
        "published_at": None if release.draft else "2026-11-28T12:00:00Z",
        "url": api,
        "html_url": f"{call.html}/{name}/releases/tag/{shown}",
        "assets_url": f"{api}/assets",
        "upload_url": releases_of(call.repository).upload_url or f"{api}/assets{{?name,label}}",
        "tarball_url": None,
        "zipball_url": None,
        "assets": [_asset_json(call, release, one) for one in release.assets.values()],
    }


def _asset_json(call: Call, release: Release, asset: Asset) -> Json:
    name = call.repository.full_name
    told: Json = {
        "id": asset.id,
        "node_id": f"RA_{asset.id}",
        "name": asset.name,
        "label": "",
        "state": asset.state,
        "content_type": asset.media_type,
        "size": len(asset.content),
        "download_count": 0,
        "created_at": "2026-11-28T12:00:00Z",
        "updated_at": "2026-11-28T12:00:00Z",
        "uploader": account_json(call, release.author),
        "url": f"{call.base}/repos/{name}/releases/assets/{asset.id}",
        "browser_download_url": f"{call.html}/{name}/releases/download/{release.tag}/{asset.name}",
    }
    if releases_of(call.repository).digests:
        whole = asset.state == "uploaded"
        told["digest"] = f"sha256:{hashlib.sha256(asset.content).hexdigest()}" if whole else None
    return told


def _may_write(call: Call) -> bool:
    return call.token is not None and call.token.may(_WRITE)


def _find(call: Call) -> Release:
    found = releases_of(call.repository).all.get(int(call.places["release"]))
    if found is None or (found.draft and not _may_write(call)):
        raise not_found()
    return found


def _list(call: Call) -> Response:
    """All releases, the newest first; drafts only for whoever may write."""
    every = sorted(releases_of(call.repository).all.values(), key=lambda one: -one.id)
    seen = [one for one in every if not one.draft or _may_write(call)]
    return call.page([_release_json(call, one) for one in seen])


def _by_tag(call: Call) -> Json:
    for one in releases_of(call.repository).of_tag(call.places["tag"]):
        if not one.draft:
            return _release_json(call, one)
    raise not_found()


def _check(call: Call, tag: str, body: str, *, draft: bool, itself: Release | None = None) -> None:
    there = releases_of(call.repository)
    if not tag:
        raise invalid("Release", "missing_field", "tag_name")
    if len(body) > LONGEST_NOTES:
        message = f"body is too long (maximum is {LONGEST_NOTES} characters)"
        raise invalid("Release", "custom", "body", message)
    if draft:
        return
    if any(not one.draft and one is not itself for one in there.of_tag(tag)):
        raise invalid("Release", "already_exists", "tag_name")
    if tag in there.used_by_sealed and (itself is None or itself.draft):
        raise invalid("Release", "custom", "tag_name", "tag_name was used by an immutable release")


def _create(call: Call) -> Json:
    given, there = call.body(), releases_of(call.repository)
    tag, draft = str(given.get("tag_name") or ""), bool(given.get("draft"))
    body = str(given.get("body") or "")
    _check(call, tag, body, draft=draft)
    made = Release(
        next(call.world.numbers),
        tag,
        call.account,
        name=str(given.get("name") or ""),
        body=body,
        draft=draft,
        prerelease=bool(given.get("prerelease")),
        latest=str(given.get("make_latest", "true")),
    )
    there.all[made.id] = made
    if not draft:
        _published(call, made)
    return _release_json(call, made)


def _edit(call: Call) -> Json:
    release, given = _find(call), call.body()
    draft = bool(given.get("draft", release.draft))
    tag = str(given.get("tag_name") or release.tag)
    body = str(given.get("body", release.body) or "")
    if release.immutable and (draft or tag != release.tag):
        raise ApiError(422, "Cannot change the tag of an immutable release.")
    _check(call, tag, body, draft=draft, itself=release)
    was_draft = release.draft
    release.tag, release.body, release.draft = tag, body, draft
    release.name = str(given.get("name", release.name) or "")
    release.prerelease = bool(given.get("prerelease", release.prerelease))
    release.latest = str(given.get("make_latest", release.latest))
    if was_draft and not draft:
        _published(call, release)
    return _release_json(call, release)


def _published(call: Call, release: Release) -> None:
    there = releases_of(call.repository)
    there.tags.setdefault(release.tag, "d" * 40)  # GitHub makes a tag that is missing
    if there.seals:
        release.immutable = True
        there.used_by_sealed.add(release.tag)


def _delete(call: Call) -> Response:
    del releases_of(call.repository).all[_find(call).id]
    return Response(status=204)


def _assets(call: Call) -> Response:
    release = _find(call)
    return call.page([_asset_json(call, release, one) for one in release.assets.values()])


def _upload(call: Call) -> Json:
    release = _find(call)
    if release.immutable and not release.draft:
        raise ApiError(422, "Cannot upload assets to an immutable release.")
    wanted = call.request.args.get("name", "")
    name = _ALLOWED.sub(".", wanted).strip(".")
    if not name:
        raise ApiError(400, "Bad Request")
    if release.asset(name):
        raise invalid("ReleaseAsset", "already_exists", "name")
    kind = call.request.content_type or _OCTETS
    made = Asset(next(call.world.numbers), name, call.request.get_data(), kind)
    release.assets[made.id] = made
    return _asset_json(call, release, made)


def _find_asset(call: Call) -> tuple[Release, Asset]:
    wanted = int(call.places["asset"])
    for release in releases_of(call.repository).all.values():
        if wanted in release.assets and (not release.draft or _may_write(call)):
            return release, release.assets[wanted]
    raise not_found()


def _asset(call: Call) -> Json | Response:
    """What a file is; or, for whoever asks for its bytes, where they are."""
    release, asset = _find_asset(call)
    if _OCTETS not in call.request.headers.get("Accept", ""):
        return _asset_json(call, release, asset)
    storage = call.base.replace("127.0.0.1", "localhost")
    name = call.repository.full_name
    return Response(
        status=302, headers={"Location": f"{storage}/storage/{name}/{asset.id}?signature=s3cr3t"}
    )


def _stored(call: Call) -> Response:
    """The bytes. A storage service refuses a request that is signed in two ways."""
    if call.request.headers.get("Authorization"):
        return Response("Only one auth mechanism allowed", 400)
    _, asset = next(
        (release, release.assets[int(call.places["asset"])])
        for release in releases_of(call.repository).all.values()
        if int(call.places["asset"]) in release.assets
    )
    return Response(asset.content, content_type=_OCTETS)


def _remove(call: Call) -> Response:
    release, asset = _find_asset(call)
    if release.immutable and not release.draft:
        raise ApiError(422, "Cannot delete asset from an immutable release.")
    del release.assets[asset.id]
    return Response(status=204)


def _notes(call: Call) -> Json:
    tag = str(call.body().get("tag_name") or "")
    if not tag:
        raise invalid("Release", "missing_field", "tag_name")
    return {"name": tag, "body": f"## What's Changed\n* A change by @octocat\n\n**{tag}**"}


def _ref(call: Call) -> Json:
    there, tag = releases_of(call.repository), call.places["tag"]
    if tag not in there.tags:
        raise not_found()
    sha = there.tags[tag]
    kind = "tag" if sha in there.annotated else "commit"
    api = f"{call.base}/repos/{call.repository.full_name}/git"
    return {
        "ref": f"refs/tags/{tag}",
        "node_id": f"REF_{tag}",
        "url": f"{api}/refs/tags/{quote(tag)}",
        "object": {"type": kind, "sha": sha, "url": f"{api}/{kind}s/{sha}"},
    }


def _tag(call: Call) -> Json:
    there, sha = releases_of(call.repository), call.places["sha"]
    if sha not in there.annotated:
        raise not_found()
    api = f"{call.base}/repos/{call.repository.full_name}/git"
    commit = there.annotated[sha]
    return {
        "tag": next(name for name, one in there.tags.items() if one == sha),
        "sha": sha,
        "node_id": f"TAG_{sha[:7]}",
        "tagger": {"name": "x", "email": "x@example.com", "date": "2026-11-28T12:00:00Z"},
        "message": "",
        "url": f"{api}/tags/{sha}",
        "object": {"type": "commit", "sha": commit, "url": f"{api}/commits/{commit}"},
    }


_ALL = "/repos/<owner>/<name>/releases"
_ONE = f"{_ALL}/<int:release>"
_FILE = f"{_ALL}/assets/<int:asset>"
ROUTES = (
    Route("GET", _ALL, _list, _READ),
    Route("POST", _ALL, _create, _WRITE, success=201),
    Route("POST", f"{_ALL}/generate-notes", _notes, _WRITE),
    Route("GET", f"{_ALL}/tags/<path:tag>", _by_tag, _READ),
    Route("GET", _ONE, lambda call: _release_json(call, _find(call)), _READ),
    Route("PATCH", _ONE, _edit, _WRITE),
    Route("DELETE", _ONE, _delete, _WRITE),
    Route("GET", f"{_ONE}/assets", _assets, _READ),
    Route("POST", f"{_ONE}/assets", _upload, _WRITE, success=201),
    Route("GET", _FILE, _asset, _READ),
    Route("DELETE", _FILE, _remove, _WRITE),
    Route("GET", "/storage/<owner>/<name>/<int:asset>", _stored),
    Route("GET", "/repos/<owner>/<name>/git/ref/tags/<path:tag>", _ref, _READ),
    Route("GET", "/repos/<owner>/<name>/git/tags/<sha>", _tag, _READ),
)
