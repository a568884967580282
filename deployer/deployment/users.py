"""Who uses which file: what a scan and a look elsewhere found, put together for retention.

Owns what counts as a use of a file (design.md, rule 7). Whatever is not known keeps files. Must not
read: `scan` and `elsewhere` do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from deployer.deployment.elsewhere import Elsewhere
from deployer.deployment.ports import Identity
from deployer.deployment.scan import NamedJob, Scan
from deployer.jobs.mentions import file_names_in
from deployer.plan.model import Rewire
from deployer.plan.retention import Users


def users_of_files(
    scan: Scan, rewires: Iterable[Rewire], elsewhere: Elsewhere, identity: Identity
) -> Users:
    """Who uses which file once `rewires` are applied to the jobs of `scan`; and what can't be seen.

    After an apply, give a fresh scan, a fresh look elsewhere, and no rewires.
    """
    by_file = defaultdict(list, {name: list(users) for name, users in scan.others.items()})
    blind = [f"{one} searches the whole folder" for one in scan.folder_searchers]
    blind += [f"{one} can't be read whole" for one in scan.unread]
    if not identity.admin:
        blind.append("not a workspace admin: other jobs may use it unseen")
    planned = {rewire.job_id: rewire for rewire in rewires}
    for job in scan.jobs:
        rewire = planned.get(job.job_id)
        after = rewire.applied_to(job.settings) if rewire else job.settings
        for name in file_names_in(after):
            by_file[name].append(NamedJob(job.job_id, job.name).label)
    for name, users in elsewhere.by_file.items():
        by_file[name] += users
    blind += elsewhere.blind
    return Users({name: tuple(users) for name, users in by_file.items()}, tuple(blind))
