"""Large uploads of the adapter, with the embedded workspace: whole, exclusive, or not at all."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from deployer.deployment.ports import AlreadyExists, Denied, NotFound, Refused, Unavailable
from deployer.platforms.databricks.connect import connect
from deployer.platforms.databricks.folder_store import FolderStore
from deployer.platforms.databricks.multipart import LARGE
from deployer.platforms.databricks.retry import RetryPolicy
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.contract.workspace_suite import VOLUME
from tests.workspace import workspace

__all__ = ["workspace"]

PATH = f"{VOLUME}/a.whl"
SMALL = b"PK a small wheel"
_MIB = 1024 * 1024
BIG = b"".join(number.to_bytes(4) * (_MIB // 4) for number in range(LARGE // _MIB)) + b"the end"
"""Six parts, each megabyte of which is another."""
LARGE_WAYS = pytest.mark.parametrize("way", ["multipart", "resumable"])
COMPLETE = "/api/2.0/fs/files/*"


@contextmanager
def volume(
    sandbox: Sandbox, *, token: str = "", policy: RetryPolicy | None = None
) -> Iterator[FolderStore]:
    """The adapter's store on a volume of `sandbox`; it never waits."""
    if not sandbox.snapshot()["volumes"]:
        sandbox.add_volume("main.libs.released")
    with connect(
        host=sandbox.url,
        token=token or sandbox.token,
        environ={},
        policy=policy or RetryPolicy(budget_s=20),
        sleep=lambda _: None,
    ) as found:
        yield found.store(VOLUME)


class Watched(io.BytesIO):
    """Content that tells when a byte at or behind `at` is read for the first time."""

    def __init__(self, content: bytes, at: int, then: Callable[[], None]) -> None:
        super().__init__(content)
        self._at = at
        self._then: Callable[[], None] | None = then

    def read(self, size: int | None = -1, /) -> bytes:
        if self._then is not None and self.tell() >= self._at:
            then, self._then = self._then, None
            then()
        return super().read(size)


def send(store: FolderStore, content: bytes = BIG) -> None:
    store.upload(PATH, io.BytesIO(content), len(content))


def nothing_is_left(sandbox: Sandbox) -> bool:
    return PATH not in sandbox.files() and sandbox.uploads_under_way() == 0


# ── Whole ────────────────────────────────────────────────────────────────────────────────────────


@LARGE_WAYS
def test_a_large_file_arrives_whole_in_parts(workspace: Sandbox, way: str) -> None:
    workspace.behave(large_uploads=way)
    with volume(workspace) as store:
        stream = io.BytesIO(b"before" + BIG)
        stream.seek(6)
        store.upload(PATH, stream, len(BIG))
    assert workspace.file(PATH) == BIG
    assert workspace.uploads_under_way() == 0
    assert workspace.calls("PUT", PATH) == []
    puts = [call for call in workspace.calls("PUT") if call.path.startswith("/storage/")]
    assert len(puts) == (6 if way == "multipart" else 4)


def test_a_file_below_the_limit_is_one_put(workspace: Sandbox) -> None:
    content = BIG[: LARGE - 1]
    with volume(workspace) as store:
        send(store, content)
    assert workspace.file(PATH) == content
    assert len(workspace.calls("PUT", PATH)) == 1


def test_the_limits_of_the_workspace_are_kept(workspace: Sandbox) -> None:
    workspace.set_limits("documented")
    with volume(workspace) as store:
        send(store)
    assert {call.status for call in workspace.calls()} <= {200}


@LARGE_WAYS
def test_storage_that_stumbles_gets_the_part_again(workspace: Sandbox, way: str) -> None:
    workspace.behave(large_uploads=way)
    with volume(workspace) as store:
        workspace.set_faults(
            [
                Fault(kind="status", path="/storage/*", method="PUT", nth=2, status=503),
                Fault(kind="reset-before", path="/storage/*", method="PUT", nth=3),
                Fault(kind="reset-after", path="/storage/*", method="PUT", nth=4),
                Fault(kind="html", path="/storage/*", method="PUT", nth=5, status=502),
                Fault(kind="reset-after", path="*/create-upload-part-urls", nth=3),
            ]
        )
        send(store)
    assert workspace.file(PATH) == BIG
    assert workspace.uploads_under_way() == 0


def test_an_address_that_expired_is_replaced(workspace: Sandbox) -> None:
    workspace.behave(address_life_s=0)
    content = Watched(BIG, 64, lambda: workspace.behave(address_life_s=3600))
    with volume(workspace) as store:
        store.upload(PATH, content, len(BIG))
    assert workspace.file(PATH) == BIG
    refused = [call for call in workspace.calls("PUT") if call.status == 403]
    assert len(refused) == 1
    assert refused[0].path.endswith("/1")


# ── Exclusive ────────────────────────────────────────────────────────────────────────────────────


@LARGE_WAYS
@pytest.mark.parametrize("conflict", ["complete", "initiate"])
def test_a_large_upload_never_replaces_a_file(workspace: Sandbox, way: str, conflict: str) -> None:
    workspace.behave(large_uploads=way, upload_conflict=conflict)
    workspace.put_file(PATH, SMALL)
    with volume(workspace) as store, pytest.raises(AlreadyExists):
        send(store)
    assert workspace.file(PATH) == SMALL
    assert workspace.uploads_under_way() == 0


def test_an_equal_file_that_was_there_is_not_ours_after_a_stumbling_begin(
    workspace: Sandbox,
) -> None:
    workspace.behave(upload_conflict="initiate")
    workspace.put_file(PATH, BIG)
    with volume(workspace) as store:
        workspace.set_faults([Fault(kind="status", path=COMPLETE, method="POST")])
        with pytest.raises(AlreadyExists):
            send(store)
    assert [call.status for call in workspace.calls("POST", PATH)] == [503, 409]


@LARGE_WAYS
def test_somebody_who_is_faster_wins(workspace: Sandbox, way: str) -> None:
    workspace.behave(large_uploads=way)
    content = Watched(BIG, 40 * _MIB, lambda: workspace.put_file(PATH, SMALL))
    with volume(workspace) as store, pytest.raises(AlreadyExists):
        store.upload(PATH, content, len(BIG))
    assert workspace.file(PATH) == SMALL
    assert workspace.uploads_under_way() == 0


def test_a_completion_whose_answer_got_lost_is_found_by_reading_back(workspace: Sandbox) -> None:
    with volume(workspace) as store:
        # The second POST to the file completes it; the retry meets a session that is gone.
        workspace.set_faults([Fault(kind="reset-after", path=COMPLETE, method="POST", nth=2)])
        send(store)
    assert workspace.file(PATH) == BIG
    assert [call.status for call in workspace.calls("POST", PATH)] == [200, 0, 404]


def test_a_completion_that_never_answers_is_found_by_reading_back(workspace: Sandbox) -> None:
    lost = Fault(kind="reset-after", path=COMPLETE, method="POST", nth=2)
    tired = Fault(kind="status", path=COMPLETE, method="POST", nth=3, times=0)
    with volume(workspace, policy=RetryPolicy(budget_s=0.5)) as store:
        workspace.set_faults([lost, tired])
        send(store)
    assert workspace.file(PATH) == BIG


def test_a_lost_completion_does_not_make_a_strangers_file_ours(workspace: Sandbox) -> None:
    theirs = BIG[:-1] + b"D"
    content = Watched(BIG, 40 * _MIB, lambda: workspace.put_file(PATH, theirs))
    with volume(workspace) as store:
        workspace.set_faults([Fault(kind="reset-before", path=COMPLETE, method="POST", nth=2)])
        with pytest.raises(AlreadyExists):
            store.upload(PATH, content, len(BIG))
    assert workspace.file(PATH) == theirs


@pytest.mark.parametrize("forgets", [False, True])
def test_the_last_chunk_whose_answer_got_lost_is_a_success(
    workspace: Sandbox, *, forgets: bool
) -> None:
    """Whether the storage remembers the finished upload, or has forgotten it when it is asked again."""
    workspace.behave(large_uploads="resumable")
    lost = Fault(kind="reset-after", path="/storage/*", nth=4)
    forgotten = Fault(kind="status", path="/storage/*", nth=5, times=0, status=404, error_code="")
    with volume(workspace) as store:
        workspace.set_faults([lost, forgotten] if forgets else [lost])
        send(store)
    assert workspace.file(PATH) == BIG


# ── Or not at all ────────────────────────────────────────────────────────────────────────────────


@LARGE_WAYS
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind="status", path="/storage/*", nth=3, times=0, status=403), Refused),
        (Fault(kind="status", path="/storage/*", nth=3, times=0, status=507), Refused),
        (Fault(kind="status", path="/storage/*", nth=3, times=0, status=503), Unavailable),
        (Fault(kind="html", path="/storage/*", nth=3, times=0, status=403), Refused),
        (Fault(kind="reset-before", path="/storage/*", nth=3, times=0), Unavailable),
    ],
    ids=["403", "507", "503", "html", "reset"],
)
def test_a_later_part_that_can_not_be_sent_leaves_nothing(
    workspace: Sandbox, way: str, fault: Fault, error: type[Exception]
) -> None:
    workspace.behave(large_uploads=way)
    # The abort is a DELETE, which the fault must not hit.
    only_puts = Fault(**{**fault.as_dict(), "method": "PUT"})
    with volume(workspace, policy=RetryPolicy(budget_s=0.2)) as store:
        workspace.set_faults([only_puts])
        with pytest.raises(error, match=r"PUT of (part|bytes)"):
            send(store)
    assert nothing_is_left(workspace)


@LARGE_WAYS
def test_an_exception_while_content_is_read_aborts_the_session(
    workspace: Sandbox, way: str
) -> None:
    class CancelledRun(Exception):
        pass

    def cancel() -> None:
        raise CancelledRun

    workspace.behave(large_uploads=way)
    with volume(workspace) as store, pytest.raises(CancelledRun):
        store.upload(PATH, Watched(BIG, 30 * _MIB, cancel), len(BIG))
    assert nothing_is_left(workspace)


def test_a_file_that_shrinks_while_it_is_sent_is_refused(workspace: Sandbox) -> None:
    with volume(workspace) as store, pytest.raises(Refused, match="shorter"):
        store.upload(PATH, io.BytesIO(BIG[:-1]), len(BIG))
    assert nothing_is_left(workspace)


def test_a_session_that_expired_on_the_way_is_refused_and_the_next_run_works(
    workspace: Sandbox,
) -> None:
    content = Watched(BIG, 40 * _MIB, workspace.end_uploads)
    with volume(workspace) as store:
        with pytest.raises((NotFound, Refused)):
            store.upload(PATH, content, len(BIG))
        assert nothing_is_left(workspace)
        send(store)
    assert workspace.file(PATH) == BIG


def test_an_abort_that_fails_hides_nothing(workspace: Sandbox) -> None:
    with volume(workspace, policy=RetryPolicy(budget_s=0)) as store:
        workspace.set_faults(
            [
                Fault(kind="status", path="/storage/*", method="PUT", nth=2, times=0, status=403),
                Fault(kind="status", path="*/create-abort-upload-url", times=0, status=500),
            ]
        )
        with pytest.raises(Refused, match=r"part \d of 6"):
            send(store)
    assert PATH not in workspace.files()


# ── Another way ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["missing", "disabled"])
def test_a_workspace_without_large_uploads_gets_one_put(workspace: Sandbox, way: str) -> None:
    workspace.behave(large_uploads=way)
    with volume(workspace) as store:
        send(store)
    assert workspace.file(PATH) == BIG
    assert len(workspace.calls("PUT", PATH)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", path="/storage/*", method="PUT", times=0, status=403),
        Fault(kind="html", path="/storage/*", method="PUT", times=0, status=403),
        Fault(kind="html", path="/storage/*", method="PUT", times=0, status=502),
        Fault(kind="reset-before", path="/storage/*", method="PUT", times=0),
    ],
    ids=["403", "html 403", "html 502", "reset"],
)
def test_a_storage_that_a_firewall_hides_is_gone_around(workspace: Sandbox, fault: Fault) -> None:
    with volume(workspace) as store:
        workspace.set_faults([fault])
        send(store)
    assert workspace.file(PATH) == BIG
    assert workspace.uploads_under_way() == 0


@pytest.mark.parametrize("status", [413, 507])
def test_a_full_volume_is_refused_in_its_own_words(workspace: Sandbox, status: int) -> None:
    full = Fault(
        kind="status",
        path="*",
        method="PUT",
        times=0,
        status=status,
        error_code="",
        message="It is full.",
    )
    for content in (BIG, SMALL):
        with volume(workspace) as store:
            workspace.set_faults([full])
            with pytest.raises(Refused, match=f"It is full.*{status}"):
                send(store, content)
            workspace.set_faults([])
        assert nothing_is_left(workspace)


def test_a_volume_that_may_only_be_read_is_denied_before_anything_is_sent(
    workspace: Sandbox,
) -> None:
    workspace.add_volume("main.libs.released")
    token = workspace.add_user("reader@example.com")
    workspace.grant("reader@example.com", VOLUME, "READ_VOLUME")
    with volume(workspace, token=token) as store, pytest.raises(Denied, match="WRITE VOLUME"):
        send(store)
    assert workspace.calls("PUT") == []


def test_a_volume_that_is_not_there_is_told_before_anything_is_sent(workspace: Sandbox) -> None:
    root = "/Volumes/main/libs/nowhere"
    with (
        connect(host=workspace.url, token=workspace.token, environ={}) as found,
        pytest.raises(NotFound, match="does not exist"),
    ):
        found.store(root).upload(f"{root}/a.whl", io.BytesIO(BIG), len(BIG))
    assert workspace.calls("PUT") == []


def test_no_address_shows_in_logs_or_messages(
    workspace: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    # What the sandbox itself logs in this process is the other side.
    logging.getLogger("sandbox.access").setLevel(logging.CRITICAL)
    try:
        with volume(workspace, policy=RetryPolicy(budget_s=0.2)) as store:
            workspace.set_faults(
                [Fault(kind="status", path="/storage/*", method="PUT", nth=2, times=0)]
            )
            with pytest.raises(Unavailable) as caught:
                send(store)
    finally:
        logging.getLogger("sandbox.access").setLevel(logging.NOTSET)
    assert "PUT of part" in str(caught.value)
    for text in (caplog.text, str(caught.value)):
        assert "/storage/" not in text
        assert "signature=" not in text
