"""Any sequence of deployments, edits and rollbacks against a model that simply keeps snapshots.

The model knows no journal: before and after each deployment it copies all strings, and it notes who touched
a string when. Wherever a rollback may lead, all strings that nobody touched since then must be exactly what
they were, and what somebody wrote since, and no deployment came over, must stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from packaging.utils import canonicalize_name
from packaging.version import Version

from deployer.jobs.places import Keyed, Place
from deployer.library.model import Distribution, Kind
from deployer.plan.history import (
    Action,
    Ending,
    Entry,
    History,
    MovedJob,
    carried,
    goal_of,
    merged,
    undo_of,
)
from deployer.plan.model import Change, Rewire
from tests.job_settings import ROOT, wheel

Where = tuple[int, Place]
Strings = dict[Where, str]

LIBRARY = Distribution(canonicalize_name("sales-metrics"), Kind.WHEEL)
PLACES = tuple(Place(("tasks", Keyed("task_key", key), "libraries", 0, "whl")) for key in "ab")
WHERE = ((1, PLACES[0]), (1, PLACES[1]), (2, PLACES[0]))
LEFT = "1.0.0"  # of which every deployment says that jobs left it
VERSIONS = ("1.1.0", "1.2.0", "1.3.0")

some = st.just(frozenset(WHERE)) | st.frozensets(st.sampled_from(WHERE))
unfinished = st.sampled_from([None, Ending.FAILED, Ending.CANCELLED])
endings = st.sampled_from([*[Ending.SUCCEEDED] * 4, *Ending, None])


def path(version: str) -> str:
    return f"{ROOT}/{wheel(version)}"


@dataclass
class Group:
    """One deployment with the unfinished ones of the same file before it, which it finishes.

    `before` and `after` are all strings then, `began` and `ended` the times.
    """

    ids: list[str]
    version: str
    before: Strings
    began: int
    after: Strings
    ended: int


@dataclass(frozen=True)
class Left:
    """What a rollback leaves: so many groups, the strings as they were then, and when that was."""

    groups: int
    strings: Mapping[Where, str]
    then: int


@dataclass(frozen=True)
class Touch:
    """When somebody else wrote what.

    `alone`: nobody else writes that. `as_we_did`: what stands wrote the same there.
    """

    when: int
    text: str
    alone: bool
    as_we_did: bool


class Deployments(RuleBasedStateMachine):
    """One library, two jobs with two references each, and everybody who changes them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.strings: Strings = dict.fromkeys(WHERE, path("1.0.0"))
        self.written: Strings = dict(self.strings)  # by us, at last
        self.touched: dict[Where, Touch] = {}
        self.entries: tuple[Entry, ...] = ()
        self.groups: list[Group] = []  # oldest first; those that stand
        self.left: Left | None = None  # what an unfinished rollback was to leave

    @initialize(versions=st.tuples(*[st.sampled_from(["1.0.0", "0.9.0"]) for _ in WHERE]))
    def jobs_are_there(self, versions: tuple[str, ...]) -> None:
        self.strings = {
            where: path(version) for where, version in zip(WHERE, versions, strict=True)
        }
        self.written = dict(self.strings)

    # ── What happens ─────────────────────────────────────────────────────────────────────────────

    @rule(version=st.sampled_from(VERSIONS), scope=some, ending=endings, written=some)
    def deploy(
        self,
        version: str,
        scope: frozenset[Where],
        ending: Ending | None,
        written: frozenset[Where],
    ) -> None:
        """A deployment plans `scope`; one that comes to no end writes only what is in `written`, too."""
        self.now += 1
        history = History(self.entries)
        carries = history.to_carry(version, path(version))
        plan = {
            where: (self.strings[where], path(version))
            for where in WHERE
            if where in scope and self.strings[where] != path(version)
        }
        jobs = merged(rewires(plan), carried(carries, self.read()))
        before = dict(self.strings)
        if ending is Ending.SUCCEEDED:
            written = scope
        self.write({where: path(version) for where in plan.keys() & written})
        if ending is Ending.MOVED_BACK:
            for job in jobs:
                for one in job.strings:
                    if self.strings[job.job_id, one.place] == one.after:
                        self.write({(job.job_id, one.place): one.before})
        entry = self.noted(Action.DEPLOY, version, jobs, ending, carries=carries)
        group = Group([entry.id], version, before, self.now, {}, 0)
        if self.groups and carries and carries[0].id in self.groups[-1].ids:
            first = self.groups.pop()  # both are one deployment
            group = Group([*first.ids, entry.id], version, first.before, first.began, {}, 0)
        if jobs and ending is not Ending.MOVED_BACK:
            group.after, group.ended = dict(self.strings), self.now
            self.groups.append(group)
        self.left = None

    @rule(scope=some, ending=endings, written=some)
    def deploy_the_same_again(
        self, scope: frozenset[Where], ending: Ending | None, written: frozenset[Where]
    ) -> None:
        if self.entries:
            self.deploy(self.entries[0].version, scope, ending, written)

    @rule(
        version=st.sampled_from(VERSIONS),
        scope=some,
        ending=unfinished,
        written=some,
        where=st.sampled_from(WHERE),
    )
    def deploy_while_somebody_writes(
        self,
        version: str,
        scope: frozenset[Where],
        ending: Ending | None,
        written: frozenset[Where],
        where: Where,
    ) -> None:
        """Between the plan and the write of that string, which then is left alone."""
        before = self.strings[where]
        self.deploy(version, scope | {where}, ending, written - {where})
        if self.strings[where] == before:
            self.somebody_writes(where)
            if self.groups and self.groups[-1].ids[-1] == self.entries[0].id:
                self.groups[-1].after, self.groups[-1].ended = dict(self.strings), self.now

    @rule(where=st.sampled_from(WHERE), version=st.sampled_from([*VERSIONS, "1.0.0"]))
    def somebody_moves(self, where: Where, version: str) -> None:
        """To a version that others know, too, so that it may look as if a deployment had done it."""
        self.touch(where, path(version), alone=False)

    @rule(where=st.sampled_from(WHERE))
    def somebody_writes(self, where: Where) -> None:
        """What nobody else writes."""
        self.touch(where, path(f"0.0.{self.now}"), alone=True)

    def touch(self, where: Where, text: str, *, alone: bool) -> None:
        self.now += 1
        self.strings[where] = text
        ours = [
            afters(one)[where] for one in History(self.entries).in_force() if where in afters(one)
        ]
        as_we_did = text in {self.written[where], *ours[:1]}
        self.touched[where] = Touch(self.now, text, alone, as_we_did)

    def write(self, texts: Strings) -> None:
        self.strings.update(texts)
        self.written.update(texts)

    @rule(data=st.data(), complete=st.booleans(), ending=unfinished, written=some)
    def roll_back(
        self, data: st.DataObject, complete: bool, ending: Ending | None, written: frozenset[Where]
    ) -> None:
        """A rollback, to its end or not."""
        known = {one: left for one, left in self.goals().items() if left is not None}
        if not known:
            return
        to = data.draw(st.sampled_from(sorted(known)))
        history = History(self.entries)
        goal = goal_of(history, to)
        assert goal is not None
        plan = self.way_back(to)
        if not plan and history.unfinished_rollback() is None:
            return
        self.now += 1
        self.write({w: back for w, (_, back) in plan.items() if complete or w in written})
        self.noted(
            Action.ROLLBACK,
            goal.undone[0].version,
            merged(rewires(plan), ()),
            Ending.SUCCEEDED if complete else ending,
            undoes=goal.undone,
        )
        if complete:
            del self.groups[known[to].groups :]
        self.left = None if complete else known[to]

    # ── What must hold ───────────────────────────────────────────────────────────────────────────

    @invariant()
    def every_way_back_leads_to_what_was_there(self) -> None:
        for to, left in self.goals().items():
            goal = goal_of(History(self.entries), to)
            if left is None:
                assert goal is None, to
                continue
            assert goal is not None, to
            there = {**self.strings, **{w: back for w, (_, back) in self.way_back(to).items()}}
            for where in WHERE:
                touched = self.touched.get(where)
                if touched is None or touched.when < left.then:
                    assert there[where] == left.strings[where], (to, where)
                elif self.is_plain(where, touched):
                    assert there[where] == touched.text, (to, where, "somebody wrote that")

    def is_plain(self, where: Where, touched: Touch) -> bool:
        """Whether anybody could tell from the strings that somebody else wrote it."""
        certain = all(one.finished for one in self.entries if where in afters(one))
        return not touched.as_we_did and (touched.alone or certain)

    @invariant()
    def what_stands_is_what_the_model_says(self) -> None:
        standing = [one.id for one in History(self.entries).standing()]
        assert standing == [group.ids[-1] for group in reversed(self.groups)]

    def goals(self) -> dict[str, Left | None]:
        """What each goal leaves; None where there is nothing to go back to."""
        found: dict[str, Left | None] = {}
        for count, group in enumerate(self.groups, start=1):
            found[group.ids[-1]] = found[group.version] = Left(count, group.after, group.ended)
        first = self.groups[0] if self.groups else None
        found[LEFT] = Left(0, first.before, first.began) if first else None
        newest = self.entries[0] if self.entries else None
        over = newest is not None and (
            newest.ending is Ending.MOVED_BACK
            or (newest.action, newest.ending) == (Action.ROLLBACK, Ending.SUCCEEDED)
        )
        if self.left is not None:
            found["previous"] = self.left
        elif over:
            found["previous"] = Left(len(self.groups), self.strings, self.now + 1)
        elif self.groups:
            last = self.groups[-1]
            found["previous"] = Left(len(self.groups) - 1, last.before, last.began)
        else:
            found["previous"] = None
        return found

    # ── The program ──────────────────────────────────────────────────────────────────────────────

    def way_back(self, to: str) -> dict[Where, tuple[str, str]]:
        """What a rollback writes, as `plan.undo` decides it."""
        goal = goal_of(History(self.entries), to)
        assert goal is not None
        found: dict[Where, tuple[str, str]] = {}
        for job in undo_of(goal.undone):
            for one in job.strings:
                now = self.strings[job.job_id, one.place]
                if now != one.back and one.stands(now):
                    found[job.job_id, one.place] = (now, one.back)
        return found

    def read(self) -> Mapping[int, Mapping[Place, str]]:
        found: dict[int, dict[Place, str]] = {}
        for (job_id, place), text in self.strings.items():
            found.setdefault(job_id, {})[place] = text
        return found

    def noted(
        self,
        action: Action,
        version: str,
        jobs: tuple[MovedJob, ...],
        ending: Ending | None,
        *,
        carries: Iterable[Entry] = (),
        undoes: Iterable[Entry] = (),
    ) -> Entry:
        number = len(self.entries) + 1
        entry = Entry(
            id=f"id-{number}",
            sequence=number,
            action=action,
            distribution=LIBRARY,
            version=version,
            path=path(version),
            sha256=version,
            size=1,
            digest="",
            jobs=jobs,
            carries=tuple(one.id for one in carries),
            undoes=tuple(one.id for one in undoes),
            ending=ending,
        )
        self.entries = (entry, *self.entries)
        return entry


def afters(entry: Entry) -> Strings:
    """What an entry writes."""
    return {(job.job_id, one.place): one.after for job in entry.jobs for one in job.strings}


def rewires(plan: Mapping[Where, tuple[str, str]]) -> Iterable[Rewire]:
    for job_id in sorted({job_id for job_id, _ in plan}):
        changes = tuple(
            Change(place, "", before, after)
            for (owner, place), (before, after) in plan.items()
            if owner == job_id
        )
        yield Rewire(job_id, f"job {job_id}", changes, (Version(LEFT),))


TestDeployments = Deployments.TestCase
TestDeployments.settings = settings(max_examples=300, stateful_step_count=12, deadline=None)
