"""The digest: one name for what a plan would do, so that an approval means exactly that.

It is the SHA-256 of canonical JSON: keys sorted, no blanks, ASCII. Hashed are the target with its
content hash and every rewire with its *before* strings, under addresses that do not change when the
API returns tasks in another order; and the changes of clusters, where there are any. Untouched
references and removals are not hashed (design.md, "plan, digest"); neither is whether the target is
uploaded already, so that a run that broke after its upload can be finished under the same approval.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from deployer.plan.model import ClusterChange, Rewire, Target

FORMAT = 1


def digest(
    target: Target, rewires: Iterable[Rewire], clusters: Iterable[ClusterChange] = ()
) -> str:
    """Lower-case hex SHA-256 of what these changes would do."""
    content: dict[str, object] = {
        "format": FORMAT,
        "target": {"path": target.path, "sha256": target.sha256},
        "rewires": [
            {
                "job_id": rewire.job_id,
                "changes": sorted(
                    [str(change.place), change.before, change.after] for change in rewire.changes
                ),
            }
            for rewire in sorted(rewires, key=lambda rewire: rewire.job_id)
        ],
    }
    changed = [
        {
            "cluster_id": one.cluster_id,
            "kind": one.kind,
            "before": sorted(one.before),
            "after": one.after,
            "restart": one.restart,
        }
        for one in sorted(clusters, key=lambda one: one.cluster_id)
    ]
    if changed:
        content["clusters"] = changed
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
