"""Every order in which contenders for one lock can make their calls: a model checker for `deployment.lock`.

    found = explore([works(), works(dies=True)], mode="racy")
    assert found.states > 1000

The real `Lock` and `Holding` run, against a folder in memory. What a contender does follows from what it was
answered, so it needs no thread: it is run again from its beginning with the answers so far, up to its next
call, and what is known of it is kept by those answers. States that are equal (files, time, answers) are
visited once. Owns the order of calls, what creates and listings may do, time, death and sleep.

After each step at most one contender may pass `check`, and everybody who lives is done before long; else
`Broken` tells the steps that led there.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple
from unittest.mock import patch

from deployer.deployment import claims, holding, lock
from deployer.deployment.claims import Holder
from deployer.deployment.holding import Holding, Me
from deployer.deployment.lock import Contended, Lock
from deployer.deployment.ports import AlreadyExists, LockLost, StoredFile, Unavailable

FOLDER = "/lock"
LEASE_S = 8.0
_WRONG_CLOCKS_S = (0.0, 7200.0, -7200.0)  # the clock of answers, against that of files
PATIENCE_S = 100.0
"""By then everybody is done: nobody waits for more than some leases."""
_LUCK = 0.2  # how often a walk asks whether something happens that need not
_FILES_S = 1_000_000.0  # when time begins, by the clock of files


class Broken(AssertionError):
    """What was promised and did not hold, and the steps that led there."""


class _Suspended(BaseException):
    """The contender came to a call that was not answered yet."""


# ── Contenders ───────────────────────────────────────────────────────────────────────────────────


class Call(NamedTuple):
    """What a contender asks for next."""

    kind: str  # listed, read, create, delete, pause, work
    name: str = ""
    content: bytes = b""
    seconds: float = 0.0


class Answer(NamedTuple):
    """What it was answered: when, how long it had been asleep by then, and what."""

    at: float
    asleep: float
    result: Any


@dataclass(frozen=True)
class Contender:
    """What one contender does, and what may happen to it.

    `rounds` is how often it waits and renews before it gives the lock back; with none, it works for a step.
    Whoever `forgets` sleep has a monotonic clock that stands still meanwhile; whoever `overlooks` gets a
    listing that lacks an intent that was there. `takes` is the class of its lock.
    """

    rounds: int = 1
    lease_s: float = LEASE_S
    dies: bool = False
    sleeps: tuple[float, ...] = ()
    forgets: bool = False
    fails: bool = False
    sweeps: bool = False
    overlooks: bool = False
    takes: type[Lock] = Lock
    holder: Holder | None = None


def works(rounds: int = 1, **more: Any) -> Contender:
    """A contender that takes the lock, works, renews it and gives it back."""
    return Contender(rounds, **more)


class _Script:
    """A contender's whole world, up to where its answers end. Implements `ports.Records`."""

    folder = FOLDER

    def __init__(self, contender: Contender, number: int, answers: Sequence[Answer]) -> None:
        self.contender, self.number, self.answers = contender, number, answers
        self.now, self.asleep = 0.0, 0.0
        self.used = 0
        self.call: Call | None = None
        self.holding: Holding | None = None
        self.outcome = ""
        self._nonces = itertools.count(1)

    def run(self) -> None:
        """Up to the first call without an answer, or to the end."""
        with suppress(_Suspended):
            self.outcome = self._work()

    def _work(self) -> str:
        lock = self.contender.takes(self, self._me())
        try:
            self.holding = lock.take(wait_s=1e9, on_wait=lambda holder: None)
            if self.contender.sweeps:
                self.holding._sweep()
            if not self.contender.rounds:
                self._ask(Call("work"))
            for _ in range(self.contender.rounds):
                self.holding.check()
                self._ask(Call("pause", seconds=self.contender.lease_s / 4))
                self.holding.renew()
                self.holding.check()
        except Contended:
            return "contended"
        except Unavailable:
            return "failed"
        except LockLost:
            assert self.holding is not None
            self.holding.release()
            return "lost"
        self.holding.release()
        return "done"

    def _me(self) -> Me:
        offset_s = _WRONG_CLOCKS_S[self.number % len(_WRONG_CLOCKS_S)]
        return Me(
            holder=self.contender.holder or Holder(f"contender {self.number}"),
            nonce=lambda: f"{self.number:08x}{next(self._nonces):08x}",
            pause=lambda seconds: self._ask(Call("pause", seconds=seconds)),
            now_ms=lambda: int((_FILES_S + self.now + offset_s) * 1000),
            monotonic=lambda: self.now - (self.asleep if self.contender.forgets else 0.0),
            wall=lambda: self.now + offset_s,
            lease_s=self.contender.lease_s,
        )

    def _ask(self, call: Call) -> Any:
        if self.call is not None or self.used == len(self.answers):
            self.call = self.call or call
            raise _Suspended
        answer = self.answers[self.used]
        self.used += 1
        self.now, self.asleep = answer.at, answer.asleep
        if isinstance(answer.result, type):
            raise answer.result(call.name)
        return answer.result

    def may_write(self, at: float, asleep: float) -> bool:
        """Whether `check` would pass, without another call."""
        if self.holding is None:
            return False
        self.now, self.asleep = at, asleep
        self.call = self.call or Call("over")
        try:
            self.holding.check()
        except (LockLost, _Suspended):
            return False
        return True

    def listed(self) -> tuple[StoredFile, ...]:
        found: tuple[StoredFile, ...] = self._ask(Call("listed"))
        return found

    def read(self, name: str) -> bytes | None:
        found: bytes | None = self._ask(Call("read", name))
        return found

    def create(self, name: str, content: bytes) -> None:
        self._ask(Call("create", name, content))

    def delete(self, name: str) -> None:
        self._ask(Call("delete", name))


class _Known:
    """What is known of a contender after some answers: its next call, and when it may write."""

    def __init__(self, contender: Contender, number: int, answers: tuple[Answer, ...] = ()) -> None:
        script = _Script(contender, number, answers)
        script.run()
        self.call, self.outcome = script.call, script.outcome
        self.since = script.now
        self._script, self._answers = script, answers
        self._after: dict[Answer, _Known] = {}
        self._writes: dict[tuple[float, float], bool] = {}

    def after(self, answer: Answer) -> _Known:
        found = self._after.get(answer)
        if found is None:
            one = self._script
            found = _Known(one.contender, one.number, (*self._answers, answer))
            self._after[answer] = found
        return found

    def may_write(self, at: float, asleep: float) -> bool:
        found = self._writes.get((at, asleep))
        if found is None:
            found = self._writes[at, asleep] = self._script.may_write(at, asleep)
        return found


# ── The world ────────────────────────────────────────────────────────────────────────────────────


class File(NamedTuple):
    """One file of the folder."""

    name: str
    content: bytes
    at: float

    def stored(self) -> StoredFile:
        """As a listing tells it."""
        return StoredFile(
            f"{FOLDER}/{self.name}", len(self.content), int((_FILES_S + self.at) * 1000)
        )


class One(NamedTuple):
    """Where one contender stands. `midway` is what a call that needs two steps has found in its first one."""

    known: _Known
    midway: Any = None
    until: float = 0.0  # asleep until then
    asleep: float = 0.0  # in all
    dead: bool = False


class State(NamedTuple):
    """Everything there is. `luck` is how many deaths, sleeps and failures may still happen.

    `last` is who acted last, and `turns` how often somebody else may still act while that one could go on;
    both stay as they are where turns are not counted.
    """

    now: float
    files: frozenset[File]
    ones: tuple[One, ...]
    luck: int
    last: int = -1
    turns: int = 0

    def content(self, name: str) -> bytes | None:
        """The content of a file, None if it is not there."""
        return next((one.content for one in self.files if one.name == name), None)


@dataclass
class Found:
    """What an exploration came by."""

    states: int = 0
    with_a_writer: int = 0
    ends: int = 0
    latest: float = 0.0
    outcomes: set[tuple[str, ...]] = field(default_factory=set)
    complete: bool = True

    def note_end(self, state: State) -> None:
        """Count one end."""
        self.ends += 1
        self.latest = max(self.latest, state.now)
        self.outcomes.add(tuple("dead" if one.dead else one.known.outcome for one in state.ones))


@dataclass(frozen=True)
class World:
    """The rules: `mode` of creates, and whether a listing may be `torn` by what is written meanwhile.

    `turns` bounds how often one contender is held up for another; without it, all orders are possible.
    """

    contenders: tuple[Contender, ...]
    mode: str = "atomic"
    torn: bool = False
    luck: int = 1
    turns: int | None = None

    def beginning(self, files: Sequence[File] = ()) -> State:
        """Nobody has begun."""
        ones = tuple(One(_Known(one, number)) for number, one in enumerate(self.contenders))
        return State(0.0, frozenset(files), ones, self.luck, turns=self.turns or 0)

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """What may happen next."""
        awake = [number for number in range(len(state.ones)) if self._may_act(state, number)]
        # The end of a pause changes nothing for others, so it needs no order.
        paused = [one for one in awake if _call(state, one).kind == "pause"]
        if paused or self.turns is None:
            for number in paused[:1] or awake:
                yield from self._act(state, number)
        else:
            for number in awake:
                turns = state.turns - (state.last in awake and state.last != number)
                if turns >= 0:
                    yield from self._act(state._replace(last=number, turns=turns), number)
        for number, one in enumerate(state.ones):
            if one.dead and one.midway is not None and _call(state, number).kind == "create":
                yield f"{number}: its write arrives", self._written(state, number, dead=True)
        if state.luck:
            yield from self._luck(state)
        if not awake:
            yield from self._time_passes(state)

    def _may_act(self, state: State, number: int) -> bool:
        one = state.ones[number]
        call = one.known.call
        if one.dead or call is None or one.until > state.now:
            return False
        return call.kind != "pause" or one.known.since + call.seconds <= state.now

    def _time_passes(self, state: State) -> Iterator[tuple[str, State]]:
        moments = []
        for one in state.ones:
            if one.dead or one.known.call is None:
                continue
            call = one.known.call
            wakes = one.known.since + call.seconds if call.kind == "pause" else state.now
            moments.append(max(wakes, one.until))
        later = [one for one in moments if one > state.now]
        if later:
            yield f"it is {min(later)}", state._replace(now=min(later))

    def _luck(self, state: State) -> Iterator[tuple[str, State]]:
        less = state._replace(luck=state.luck - 1)
        for number, one in enumerate(state.ones):
            if one.dead or one.known.call is None or one.until > state.now:
                continue
            contender, call = self.contenders[number], one.known.call
            if contender.dies:
                yield f"{number} dies", _with(less, number, dead=True)
            for seconds in contender.sleeps:
                times = {"until": state.now + seconds, "asleep": one.asleep + seconds}
                yield f"{number} sleeps {seconds}", _with(less, number, **times)
            if contender.overlooks and call.kind == "listed":
                for file in sorted(one for one in state.files if "intent" in one.name):
                    shown = _listing(state.files - {file})
                    yield f"{number} overlooks {file.name}", self._answered(less, number, shown)
            if contender.fails and call.kind not in {"pause", "work"}:
                yield f"{number} fails", self._answered(less, number, Unavailable)
            if contender.fails and call.kind == "create":
                done = self._put(less, call)
                yield f"{number} fails late", self._answered(done, number, Unavailable)

    def _act(self, state: State, number: int) -> Iterator[tuple[str, State]]:
        one, call = state.ones[number], _call(state, number)
        told = f"{number}: {call.kind} {call.name}"
        match call.kind:
            case "pause" | "work":
                yield f"{told} {call.seconds}", self._answered(state, number, None)
            case "read":
                yield told, self._answered(state, number, state.content(call.name))
            case "delete":
                kept = frozenset(each for each in state.files if each.name != call.name)
                yield told, self._answered(state._replace(files=kept), number, None)
            case "listed" if self.torn and one.midway is None:
                yield f"{told} begins", _with(state, number, midway=state.files)
            case "listed":
                for shown in _torn(one.midway, state.files) if self.torn else (state.files,):
                    yield told, self._answered(state, number, _listing(shown))
            case _:
                yield from self._create(state, number, told)

    def _create(self, state: State, number: int, told: str) -> Iterator[tuple[str, State]]:
        one, call = state.ones[number], _call(state, number)
        if one.midway is not None:
            yield f"{told} writes", self._written(state, number)
        elif self.mode != "ignored" and state.content(call.name) is not None:
            yield f"{told} exists", self._answered(state, number, AlreadyExists)
        elif self.mode == "racy" and call.name.endswith(
            ".claim.json"
        ):  # all others are nobody else's
            yield f"{told} looks", _with(state, number, midway="free")
        else:
            yield told, self._written(state, number)

    def _written(self, state: State, number: int, *, dead: bool = False) -> State:
        done = self._put(state, _call(state, number))
        return _with(done, number, midway=None) if dead else self._answered(done, number, None)

    def _put(self, state: State, call: Call) -> State:
        if self.mode == "atomic" and state.content(call.name) is not None:
            return state
        kept = [each for each in state.files if each.name != call.name]
        return state._replace(files=frozenset([*kept, File(call.name, call.content, state.now)]))

    def _answered(self, state: State, number: int, result: Any) -> State:
        one = state.ones[number]
        known = one.known.after(Answer(state.now, one.asleep, result))
        return _with(state, number, known=known, midway=None)

    # ── What must hold ───────────────────────────────────────────────────────────────────────────

    def writers(self, state: State) -> tuple[int, ...]:
        """Who passes `check`."""
        ones = enumerate(state.ones)
        return tuple(
            number
            for number, one in ones
            if not one.dead and one.known.may_write(state.now, one.asleep)
        )

    def broken(self, state: State, writers: tuple[int, ...]) -> str:
        """What does not hold in this state."""
        if len(writers) > 1:
            return f"{writers} may write"
        slept = sum(one.asleep for one in state.ones)
        return "somebody waits in vain" if state.now > PATIENCE_S + slept else ""


def _call(state: State, number: int) -> Call:
    """The next call of somebody who has one."""
    call = state.ones[number].known.call
    assert call is not None
    return call


def _with(state: State, number: int, **changes: Any) -> State:
    ones = state.ones
    changed = ones[number]._replace(**changes)
    return state._replace(ones=(*ones[:number], changed, *ones[number + 1 :]))


def _listing(files: frozenset[File]) -> tuple[StoredFile, ...]:
    return tuple(file.stored() for file in sorted(files))


def _torn(before: frozenset[File], after: frozenset[File]) -> Iterator[frozenset[File]]:
    """What a listing may show that began with `before` and ended with `after`: of each change, either."""
    changed = sorted(before ^ after)
    for size in range(len(changed) + 1):
        for old in itertools.combinations(changed, size):
            yield after ^ frozenset(old)


# ── Exploring ────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _remembered() -> Iterator[None]:
    """Have pure functions remember what they said: contenders run again and again from their beginning."""
    view_of = cache(claims.view_of)
    claim_from = cache(claims.claim_from)
    with (
        patch.object(lock, "view_of", view_of),
        patch.object(lock, "claim_from", claim_from),
        patch.object(holding, "view_of", view_of),
    ):
        yield


@_remembered()
def explore(
    contenders: Sequence[Contender],
    *,
    mode: str = "atomic",
    torn: bool = False,
    luck: int = 1,
    turns: int | None = None,
    files: Sequence[File] = (),
    most: int = 1_000_000,
) -> Found:
    """Visit every state that can be reached, or the first `most`. Raises Broken."""
    world = World(tuple(contenders), mode, torn, luck, turns)
    found = Found()
    first = world.beginning(files)
    came_from: dict[State, tuple[State, str] | None] = {first: None}
    stack = [first]
    while stack:
        state = stack.pop()
        if found.states == most:
            found.complete = False
            return found
        writers = world.writers(state)
        if why := world.broken(state, writers):
            raise Broken(_story(came_from, state, why))
        found.states += 1
        found.with_a_writer += bool(writers)
        ended = True
        for told, after in world.steps(state):
            ended = False
            if after not in came_from:
                came_from[after] = (state, told)
                stack.append(after)
        if ended:
            found.note_end(state)
    return found


@_remembered()
def wander(
    contenders: Sequence[Contender],
    *,
    mode: str = "atomic",
    torn: bool = False,
    luck: int = 1,
    files: Sequence[File] = (),
    seed: int = 0,
    walks: int = 100,
) -> Found:
    """Walk to an end by chance, `walks` times. Raises Broken."""
    world = World(tuple(contenders), mode, torn, luck)
    chance = random.Random(seed)
    found = Found()
    first = world.beginning(files)
    for _ in range(walks):
        state = first
        story = []
        while steps := list(world.steps(state)):
            usual = [one for one in steps if one[1].luck == state.luck]
            told, state = chance.choice(usual if usual and chance.random() > _LUCK else steps)
            story.append(told)
            writers = world.writers(state)
            found.states += 1
            found.with_a_writer += bool(writers)
            if why := world.broken(state, writers):
                raise Broken("\n".join([*story, why]))
        found.note_end(state)
    return found


def _story(came_from: dict[State, tuple[State, str] | None], last: State, why: str) -> str:
    told = [why]
    step = came_from[last]
    while step is not None:
        told.append(step[1])
        step = came_from[step[0]]
    return "\n".join(reversed(told))
