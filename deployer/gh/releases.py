"""The port `release.ports.Releases` over GitHub's API, by PyGithub.

Owns the endpoints of releases, their files and tags, and what each refusal means. PyGithub would read a file
whole into memory, and knows no storage but that of github.com; so `download` asks itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import requests
from github import Auth, Github, GithubException
from github.GithubException import RateLimitExceededException
from github.Requester import Requester

from deployer.release.ports import (
    Asset,
    Attachment,
    Denied,
    Gone,
    Refused,
    Release,
    Sealed,
    Taken,
    Text,
    Unanswered,
)
from deployer.session import CHUNK, Session

Json = Mapping[str, Any]

_PAGE = 100
_PAGES = 10  # of a search; a draft of this tag is among the newest thousand
_TIMEOUT_S = (10, 60)  # to connect, and between two pieces of a file
_LONGEST = 300  # characters of an answer's own message
_STATUSES = {401: Denied, 403: Denied, 404: Gone, 410: Gone, 422: Refused}
_SEALED = ("immutable release",)


@contextmanager
def open_releases(api_url: str, token: str, repository: str) -> Iterator[GitHubReleases]:
    """The releases of `repository` at the API's address, as GITHUB_API_URL says it."""
    with Github(auth=Auth.Token(token), base_url=api_url.rstrip("/"), timeout=_TIMEOUT_S[1]) as hub:
        yield GitHubReleases(hub.requester, api_url=api_url, token=token, repository=repository)


class GitHubReleases:
    """The releases of `repository` (`owner/name`).

    Args:
        requester: PyGithub's, which knows the API's address, retries and the token.
        api_url: As `GITHUB_API_URL` says.
        token: For downloads; goes to the API's own host and nowhere else.
        session: Makes a session for downloads.
    """

    def __init__(
        self,
        requester: Requester,
        *,
        api_url: str,
        token: str,
        repository: str,
        session: Callable[[], requests.Session] = Session,
    ) -> None:
        self._requester = requester
        self._base = f"{api_url.rstrip('/')}/repos/{quote(repository)}"
        self._token = token
        self._repository = repository
        self._session = session
        self._uploads: dict[int, str] = {}  # where files of a release go, by its id

    @property
    def repository(self) -> str:
        """`owner/name`."""
        return self._repository

    def commits_of(self, tag: str) -> frozenset[str]:
        """See the port."""
        try:
            ref = self._get(f"/git/ref/tags/{quote(tag)}")
            found = [str(ref["object"]["sha"])]
            kind = ref["object"]["type"]
            while kind == "tag" and len(found) < _PAGES:  # a tag object may lead to another one
                inner = self._get(f"/git/tags/{found[-1]}")["object"]
                found.append(str(inner["sha"]))
                kind = inner["type"]
        except Gone:
            return frozenset()
        return frozenset(found)

    def of_tag(self, tag: str) -> tuple[Release, ...]:
        """See the port. Where one is published, the drafts beside it don't matter and are not looked for."""
        try:
            return (self._release(self._get(f"/releases/tags/{quote(tag)}")),)
        except Gone:
            every = self._pages("/releases")
            found = [self._release(one) for one in every if one.get("tag_name") == tag]
            return tuple(sorted(found, key=lambda one: one.id))

    def published(self) -> Iterator[Release]:
        """See the port."""
        for one in self._pages("/releases"):
            if not one.get("draft"):
                yield self._release(one)

    def read(self, release_id: int) -> Release:
        """See the port."""
        found = self._release(self._get(f"/releases/{release_id}"))
        if len(found.assets) < _SHOWN_ASSETS:
            return found
        files = tuple(map(_asset, self._pages(f"/releases/{release_id}/assets")))
        return Release(**{**vars(found), "assets": files})

    def create(self, tag: str, text: Text) -> Release:
        """See the port."""
        asked = {"tag_name": tag, "draft": True, **_said(text)}
        return self._release(self._call("POST", "/releases", asked))

    def publish(self, release: Release, text: Text) -> Release:
        """See the port."""
        asked = {"tag_name": release.tag, "draft": False, **_said(text)}
        return self._release(self._call("PATCH", f"/releases/{release.id}", asked))

    def delete(self, release: Release) -> None:
        """See the port."""
        self._removed(f"/releases/{release.id}")

    def remove(self, asset: Asset) -> None:
        """See the port."""
        self._removed(f"/releases/assets/{asset.id}")

    def upload(self, release: Release, file: Attachment) -> Asset:
        """See the port."""
        if release.id not in self._uploads:
            self.read(release.id)
        url = self._uploads[release.id]
        headers = {"Content-Type": file.media_type, "Content-Length": str(file.size)}
        with _told(), file.opened() as content:
            _, made = self._requester.requestMemoryBlobAndCheck(
                "POST", url, parameters={"name": file.name}, headers=headers, file_like=content
            )
        return _asset(made)

    def download(self, asset: Asset) -> Iterator[bytes]:
        """See the port. GitHub's answer leads to a storage service, which gets no token."""
        headers = {"Accept": "application/octet-stream", "Authorization": f"Bearer {self._token}"}
        url = f"{self._base}/releases/assets/{asset.id}"
        try:
            with self._session() as session:
                session.auth = _as_it_is
                with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as first:
                    if not first.is_redirect:
                        yield from _content(first)
                        return
                    location = first.headers["location"]
                if urlsplit(location).scheme not in {"https", urlsplit(url).scheme}:
                    raise Refused("GitHub leads to a file by an address that is not encrypted")
                plain = {"Accept": "application/octet-stream"}
                with session.get(location, headers=plain, stream=True, timeout=_TIMEOUT_S) as last:
                    yield from _content(last)
        except requests.RequestException as error:
            # Its text may hold the address, and in the address a signature that opens the file.
            raise Unanswered(f"the download broke off ({type(error).__name__})") from None

    def generated_notes(self, tag: str) -> str:
        """See the port."""
        try:
            return str(self._call("POST", "/releases/generate-notes", {"tag_name": tag})["body"])
        except (Gone, Taken, Sealed, KeyError) as error:
            raise Refused(f"GitHub wrote no notes: {error}") from error

    # ── Calls ────────────────────────────────────────────────────────────────────────────────────

    def _get(self, path: str) -> Json:
        with _told():
            return _object(self._requester.requestJsonAndCheck("GET", self._base + path)[1])

    def _call(self, verb: str, path: str, asked: Json) -> Json:
        with _told():
            return _object(
                self._requester.requestJsonAndCheck(verb, self._base + path, input=dict(asked))[1]
            )

    def _removed(self, path: str) -> None:
        try:
            with _told():
                self._requester.requestJsonAndCheck("DELETE", self._base + path)
        except Gone:
            pass

    def _pages(self, path: str) -> Iterator[Json]:
        for page in range(1, _PAGES + 1):
            query = {"per_page": _PAGE, "page": page}
            with _told():
                _, rows = self._requester.requestJsonAndCheck(
                    "GET", self._base + path, parameters=query
                )
            if not isinstance(rows, list):
                raise Refused("GitHub answered with something else than a list")
            yield from map(_object, rows)
            if len(rows) < _PAGE:
                return

    def _release(self, told: Json) -> Release:
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
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(f"GitHub's answer about a release can't be read: {error!r}") from error
        self._uploads[found.id] = str(told.get("upload_url") or "").split("{", 1)[0]
        return found


_SHOWN_ASSETS = 30  # from here on a release itself may not name all of its files


def _said(text: Text) -> Json:
    return {
        "name": text.title,
        "body": text.body,
        "prerelease": text.prerelease,
        "make_latest": text.latest,
    }


def _asset(told: Json) -> Asset:
    digest = str(told.get("digest") or "")
    try:
        return Asset(
            id=int(told["id"]),
            name=str(told["name"]),
            size=int(told["size"]),
            whole=told.get("state", "uploaded") == "uploaded",
            sha256=digest.removeprefix("sha256:").lower() if digest.startswith("sha256:") else "",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"GitHub's answer about a file can't be read: {error!r}") from error


def _object(told: Any) -> Json:
    if not isinstance(told, Mapping):
        raise Refused("GitHub answered with something else than a JSON object")
    return told


def _content(response: requests.Response) -> Iterator[bytes]:
    if response.status_code == requests.codes.not_found:
        raise Gone("the file is not there")
    if response.status_code != requests.codes.ok:
        raise Unanswered(f"the download was answered with status {response.status_code}")
    yield from response.iter_content(CHUNK)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials from `.netrc`, which requests would add on its own."""
    return request


@contextmanager
def _told() -> Iterator[None]:
    """PyGithub's and requests' exceptions as those of the port."""
    try:
        yield
    except GithubException as error:
        _raise(error)
    except requests.RequestException as error:
        raise Unanswered(f"no answer ({type(error).__name__})") from None
    except AssertionError as error:  # PyGithub refuses an address that is not GitHub's this way
        raise Refused(f"GitHub named an address of a strange host: {error}") from error


def _raise(error: GithubException) -> NoReturn:
    data = error.data if isinstance(error.data, dict) else {}
    message = str(data.get("message") or error.message or "")[:_LONGEST]
    details = [one for one in data.get("errors") or () if isinstance(one, dict)]
    said = " ".join([message, *(str(one.get("message", ""))[:_LONGEST] for one in details)]).strip()
    if isinstance(error, RateLimitExceededException) or error.status in {408, 429}:
        raise Unanswered(said) from error
    if any(one.get("code") == "already_exists" for one in details):
        raise Taken(said) from error
    if any(mark in said for mark in _SEALED):
        raise Sealed(said) from error
    if error.status in _STATUSES:
        accepted = (error.headers or {}).get("x-accepted-github-permissions", "")
        needs = f" It takes {accepted}." if accepted and error.status == 403 else ""  # noqa: PLR2004
        raise _STATUSES[error.status](
            f"{said or error.status}.{needs}".replace("..", ".")
        ) from error
    raise Unanswered(f"status {error.status}: {said}") from error
