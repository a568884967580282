"""A stateful emulator of GitHub's API, as far as this product uses it: real HTTP on loopback.

    with GitHub() as github:
        token = github.token("octocat", {"pull-requests": "write"})
        client = Github(auth=Auth.Token(token), base_url=github.api_url)

`world` holds the state, `server` serves it, and each other module plays one part of the API. A new part
is a module with `ROUTES`, named in `server.PARTS`. `tests/contract/test_github_emulator.py` checks it, and
where it can, checks another emulator by the same suite.
"""

from tests.github.faults import Fault
from tests.github.server import GitHub
from tests.github.world import Account, Comment, Pull, Repository

__all__ = ["Account", "Comment", "Fault", "GitHub", "Pull", "Repository"]
