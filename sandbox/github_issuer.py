"""The token service of GitHub Actions: what a job with `id-token: write` talks to.

Owns: jobs with the claims that GitHub would state about them, their request tokens, and the endpoints
under /github-actions/. Must not know what a workspace does with the tokens: oidc.py does. Sources: GitHub's
"OpenID Connect reference", fact 27.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.errors import JsonObject
from sandbox.jwt import KeyPair
from sandbox.routing import json_response
from sandbox.store import Store, now_ms

PREFIX = "/github-actions/"
ISSUER = "https://token.actions.githubusercontent.com"
"""What the tokens name as their issuer, so that policies are those of the real service."""
_LIFETIME_S = 300
_DOCUMENTS = "github_jobs"


@dataclass(frozen=True, kw_only=True)
class GitHubJob:
    """What GitHub knows of one job; the claims of its tokens follow from it.

    Attributes:
        repository: ``owner/name``.
        repository_id, owner_id: the ids that never change.
        ids_in_subject: whether `sub` has the ids, as for repositories made, renamed or transferred
            after 2026-07-15 (fact 27).
        environment: the environment that the job names, or nothing.
        event: the event, such as ``push`` or ``pull_request``.
        ref: the Git ref.
        workflow: the path of the workflow file.
        claims: further claims, or others than would follow; None takes one away.
    """

    repository: str = "acme/retail-metrics"
    repository_id: int = 700_001
    owner_id: int = 900_001
    ids_in_subject: bool = False
    environment: str = ""
    event: str = "push"
    ref: str = "refs/heads/main"
    workflow: str = ".github/workflows/deploy.yml"
    claims: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """`sub`: the repository, and then the environment, the pull request or the ref."""
        owner, _, name = self.repository.partition("/")
        where = f"{owner}/{name}"
        if self.ids_in_subject:
            where = f"{owner}@{self.owner_id}/{name}@{self.repository_id}"
        if self.environment:
            return f"repo:{where}:environment:{self.environment}"
        if self.event == "pull_request":
            return f"repo:{where}:pull_request"
        return f"repo:{where}:ref:{self.ref}"

    def stated(self, audience: str, at_s: int) -> JsonObject:
        """The claims of a token for `audience`, given at `at_s` (seconds since the epoch)."""
        owner = self.repository.partition("/")[0]
        path = f"{self.repository}/{self.workflow}@{self.ref}"
        claims: JsonObject = {
            "iss": ISSUER,
            "aud": audience or f"https://github.com/{owner}",
            "sub": self.subject,
            "jti": secrets.token_hex(8),
            "iat": at_s,
            "nbf": at_s,
            "exp": at_s + _LIFETIME_S,
            "repository": self.repository,
            "repository_id": str(self.repository_id),
            "repository_owner": owner,
            "repository_owner_id": str(self.owner_id),
            "event_name": self.event,
            "ref": self.ref,
            "workflow_ref": path,
            "job_workflow_ref": path,
            "runner_environment": "github-hosted",
            **({"environment": self.environment} if self.environment else {}),
            **self.claims,
        }
        return {name: value for name, value in claims.items() if value is not None}


class Issuer:
    """The issuer: its key, and the jobs that may ask it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.keys = KeyPair()

    def admit(self, url: str, job: GitHubJob) -> dict[str, str]:
        """Let a job ask; the environment variables that its runner would set.

        Args:
            url: where the sandbox serves.
            job: the job.
        """
        request_token = f"request-{secrets.token_hex(16)}"
        document = {**job.__dict__, "claims": dict(job.claims)}
        self._store.put_document(_DOCUMENTS, request_token, document)
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}{PREFIX}idtoken?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": request_token,
        }

    def answer(self, url: str, request: Request) -> Response:
        """Answer a request under ``PREFIX``."""
        name = request.path.removeprefix(PREFIX)
        if request.method == "GET" and name == "idtoken":
            return self._id_token(request)
        if request.method == "GET" and name == ".well-known/jwks":
            return json_response(self.keys.jwks())
        if request.method == "GET" and name == ".well-known/openid-configuration":
            jwks = f"{url}{PREFIX}.well-known/jwks"
            algorithms = ["RS256"]
            return json_response(
                {
                    "issuer": ISSUER,
                    "jwks_uri": jwks,
                    "id_token_signing_alg_values_supported": algorithms,
                }
            )
        return Response("Not found", 404, mimetype="text/plain")

    def _id_token(self, request: Request) -> Response:
        request_token = request.headers.get("Authorization", "").partition(" ")[2]
        document = self._store.document(_DOCUMENTS, request_token)
        if document is None:
            return Response("Unauthorized", 401, mimetype="text/plain")
        claims = GitHubJob(**document).stated(request.args.get("audience", ""), now_ms() // 1000)
        return json_response({"count": 1, "value": self.keys.sign(claims)})
