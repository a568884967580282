"""Who the workspace says we are.

Owns the first call of a run, and so the words for a host that is no workspace.
"""

from __future__ import annotations

from deployer.deployment.ports import Denied, Identity, NotFound, Refused
from deployer.platforms.databricks import answers
from deployer.platforms.databricks.client import Client, Garbled
from deployer.platforms.databricks.documents import objects, text
from deployer.platforms.databricks.limits import Family

_ADMINS = "admins"


def identity(client: Client) -> Identity:
    """The caller by SCIM's "Me"; admins are the members of the group `admins`.

    Raises:
        DeployError: the credential is not accepted, or this is no workspace.
        Unavailable: the workspace does not answer.
    """
    try:
        me = client.get("/api/2.0/preview/scim/v2/Me", Family.OTHER)
    except Denied as error:
        # Such as an IP access list, or a service principal that was not added to the workspace.
        raise answers.authentication_failed(client.host, str(error)) from error
    except (NotFound, Refused, Garbled) as error:
        raise answers.no_workspace(client.host, str(error)) from error
    user = text(me.get("userName"))
    if not user:
        raise answers.no_workspace(client.host, "it does not say who we are")
    groups = frozenset(text(group.get("display")) for group in objects(me.get("groups"))) - {""}
    return Identity(user=user, admin=_ADMINS in groups, groups=groups)
