"""Runs that meet at the worst moment: each call of a run can be waited for, acted upon, or be its last.

    report = act(ask, gate=Once(the_call(7), person.edits))      # a person acts right before call 7
    report = act(ask, gate=Death(the_call(7), applied=True))     # None: the run died right after call 7

Everything happens in this process, over HTTP, and in the client: between the program's last look at its lock
and the call that it then sends. Owns gates and how a run goes through them. What a run is asked stands in
`scenario`, what may never happen in `promises`.
"""

from __future__ import annotations

import io
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deployer import pipeline
from deployer.checks.steps import Checked
from deployer.deployment.holding import Taken
from deployer.deployment.ports import Credential, Interrupted
from deployer.doors import Doors, OnLock, Origin
from deployer.platforms.databricks.answers import Answer
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.limits import Limits
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.transport import Call, Transport
from deployer.platforms.databricks.workspace import DatabricksWorkspace
from deployer.process import is_alive
from deployer.report.model import Report
from deployer.settings import parse
from tests.reliability.scenario import THIS_RUN, Ask, Told

_KEEPER = "lock"
"""The name of the thread that shows signs of life."""


class Died(BaseException):
    """The run's process died here: no `except` and no `suppress` of the program may hold it up."""


class Gate:
    """Asked around each call of one run, in the thread that makes it. It may wait, act, or raise."""

    def before(self, call: Call) -> None:
        """The call is about to go out; whatever the program asks itself before a write, it has asked."""

    def after(self, call: Call) -> None:
        """The call is over, and the program has not heard of it yet."""


def by_the_keeper() -> bool:
    """Whether this thread only shows signs of life; when it calls depends on the moment."""
    return threading.current_thread().name == _KEEPER


@dataclass
class Counting(Gate):
    """Knows how many calls came, signs of life aside."""

    calls: int = 0
    _one: threading.Lock = field(default_factory=threading.Lock)

    def before(self, call: Call) -> None:
        """Count it."""
        if not by_the_keeper():
            with self._one:
                self.calls += 1


@dataclass
class Once(Gate):
    """Somebody acts once, right before (or after) the first call that matches; other calls wait meanwhile.

    `matches` is asked of each call, but for signs of life, until somebody acted.
    """

    matches: Callable[[Call], bool]
    action: Callable[[], object]
    afterwards: bool = False
    acted: bool = False
    _at: Call | None = None
    _one: threading.Lock = field(default_factory=threading.Lock)

    def before(self, call: Call) -> None:
        """Act before the call, if it is the one and that is asked."""
        if by_the_keeper() or (self._at is None and not self._is_it(call)):
            return
        if not self.afterwards:
            self._act()

    def after(self, call: Call) -> None:
        """Act after the call, if it is the one and that is asked."""
        if self.afterwards and call is self._at:
            self._act()

    def _is_it(self, call: Call) -> bool:
        with self._one:
            if self._at is None and self.matches(call):
                self._at = call
            return self._at is not None

    def _act(self) -> None:
        with self._one:
            first, self.acted = not self.acted, True
            if first:
                self.action()


def the_call(number: int) -> Callable[[Call], bool]:
    """Whether a call is the one with this number, counted from 1; for one run."""
    counted = itertools.count(1)
    return lambda call: next(counted) == number


def writes_a_job(call: Call) -> bool:
    """Whether the call changes the settings of a job."""
    return call.path.endswith(("/jobs/update", "/jobs/reset"))


def reads_a_job(call: Call) -> bool:
    """Whether the call reads one job, as is done right before it is written."""
    return call.path.endswith("/jobs/get")


def removes(path: str) -> Callable[[Call], bool]:
    """Whether a call removes that file."""
    return lambda call: call.method == "DELETE" and call.path.endswith(path)


@dataclass
class Death(Gate):
    """Ends the run at one of its calls, before or after it is applied; no thread of it goes on.

    `dies` says of a call, but for signs of life, whether it is the one; asked until it is.
    """

    dies: Callable[[Call], bool]
    applied: bool
    dead: bool = False
    _last: Call | None = None
    _one: threading.Lock = field(default_factory=threading.Lock)

    def before(self, call: Call) -> None:
        """Die if it is the call, or if another thread died."""
        with self._one:
            if self._last is None and not by_the_keeper() and self.dies(call):
                self._last = call
                self.dead = not self.applied
        self._go_on_or_die()

    def after(self, call: Call) -> None:
        """Die if it was the call."""
        if call is self._last:
            self.dead = True
        self._go_on_or_die()

    def _go_on_or_die(self) -> None:
        if self.dead:
            # The thread with the signs of life ends quietly: nobody waits for what it would raise.
            raise Interrupted if by_the_keeper() else Died


class Frozen(Gate):
    """Holds up all calls of a run, its signs of life too, from one that it is about to send until `thaw`.

    What is held up is on its way: whatever the program asks itself before a write, it has asked. `held` are
    those calls.
    """

    def __init__(self, freezes: Callable[[Call], bool]) -> None:
        """`freezes` says of a call, but for signs of life, whether the run freezes there."""
        self._freezes = freezes
        self._one = threading.Condition()
        self._cold = self._warm = False
        self._under_way = 0
        self.held: list[Call] = []

    def before(self, call: Call) -> None:
        """Wait while it is frozen."""
        with self._one:
            if not self._cold and not by_the_keeper():
                self._cold = self._freezes(call)
            if self._cold and not self._warm:
                self.held.append(call)
                self._one.notify_all()
                assert self._one.wait_for(lambda: self._warm, 60), "nobody thawed the run"
            self._under_way += 1

    def after(self, call: Call) -> None:
        """Another one is not under way any more."""
        with self._one:
            self._under_way -= 1
            self._one.notify_all()

    def wait_until_frozen(self) -> None:
        """Until no call of the run goes out any more. Raises AssertionError."""
        with self._one:
            came = self._one.wait_for(lambda: self._cold and self._under_way == 0, 60)
        assert came, "the run never came to where it freezes"

    def thaw(self) -> None:
        """Let it go on."""
        with self._one:
            self._warm = True
            self._one.notify_all()


class _Gated(Transport):
    """Sends through a gate."""

    gate: Gate

    def attempt(self, call: Call) -> Answer:
        """As usual, with the gate asked around it."""
        self.gate.before(call)
        try:
            return super().attempt(call)
        finally:
            self.gate.after(call)


class _NoLimits(Limits):
    """Every call has its turn at once."""

    def __init__(self) -> None:
        super().__init__(sleep=lambda seconds: None)


def _workspace(ask: Ask, gate: Gate, stopped: Callable[[], bool]) -> DatabricksWorkspace:
    def proceed() -> None:
        if stopped():
            raise Interrupted

    credentials = {"Authorization": f"Bearer {ask.token}"}
    transport = _Gated(ask.url, lambda: credentials, {}, ask.read_timeout_s)
    transport.gate = gate
    client = Client(
        transport,
        policy=RetryPolicy(budget_s=ask.budget_s, base_s=0.002, cap_s=0.01),
        limits=_NoLimits(),
        sleep=lambda seconds: time.sleep(min(seconds, 0.01)),
        proceed=proceed,
    )
    return DatabricksWorkspace(client, credential=lambda: Credential("pat"))


def _no_note(taken: Taken, *, held: bool) -> None:
    """Nobody wants to know of locks."""


def act(
    ask: Ask,
    *,
    gate: Gate | None = None,
    log: io.StringIO | None = None,
    stopped: Callable[[], bool] = lambda: False,
    on_lock: OnLock = _no_note,
    on_wait: Callable[[], object] = lambda: None,
) -> Report | None:
    """Do what is asked, through a gate; None when the run died there.

    `on_wait` is told each time the run waits for a lock, or for others at it.
    """
    nonces = itertools.count(1)

    def pause(seconds: float) -> None:
        on_wait()
        if stopped():
            raise Interrupted
        time.sleep(min(seconds, 0.02))

    workspace = _workspace(ask, gate or Gate(), stopped)
    doors = Doors(
        workspace_folder=ask.folder,
        connect=lambda _: workspace,
        check=lambda *_: Checked(()),
        stopped=stopped,
        new_id=lambda: f"{ask.number:08x}",
        now_ms=lambda: time.time_ns() // 1_000_000,
        origin=Origin("someone", "0" * 40, "https://ci/1"),
        holder=ask.who or THIS_RUN,
        nonce=lambda: f"{ask.number:08x}{next(nonces):08x}",
        alive=is_alive,
        pause=pause,
        on_lock=on_lock,
    )
    narrator = Told(log or io.StringIO())
    try:
        return pipeline.run(parse(dict(ask.inputs)), doors, narrator)
    except Died:
        return None
    finally:
        workspace.close()


@dataclass
class Beside:
    """A run in a thread of its own, beside the test or another run."""

    ask: Ask
    more: dict[str, Any] = field(default_factory=dict)
    waits: threading.Event = field(default_factory=threading.Event)
    log: io.StringIO = field(default_factory=io.StringIO)
    _found: list[Report | BaseException | None] = field(default_factory=list)
    _thread: threading.Thread | None = None

    def start(self) -> Beside:
        """Let it begin. `waits` is set once it waits for a lock."""
        self._thread = threading.Thread(target=self._run, name="beside", daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            self._found.append(act(self.ask, log=self.log, on_wait=self.waits.set, **self.more))
        except BaseException as error:  # noqa: BLE001 - told by `report`, in the test's thread
            self._found.append(error)
        finally:
            self.waits.set()

    def wait_until_it_waits(self) -> None:
        """Until it waits for a lock, or is over. Raises AssertionError."""
        assert self.waits.wait(60), "the run neither waits nor ends"

    def report(self) -> Report:
        """Its report, once it is over. Raises what it raised."""
        assert self._thread is not None
        self._thread.join(90)
        assert self._found, "the run does not end"
        [found] = self._found
        if isinstance(found, BaseException):
            raise found
        assert found is not None
        return found
