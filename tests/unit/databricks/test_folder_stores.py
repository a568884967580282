"""Uploads that end in doubt, and answers that leave something out."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping

import pytest

from deployer.deployment.ports import AlreadyExists, NotFound, Refused, Unavailable
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.answers import Answer
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.dbfs import DbfsStore
from deployer.platforms.databricks.folder_store import FolderStore
from deployer.platforms.databricks.records import FolderRecords
from deployer.platforms.databricks.roots import Kind, Root, parse_root
from deployer.platforms.databricks.transport import Broken, Call, Transport
from deployer.platforms.databricks.volumes import VolumeStore
from deployer.platforms.databricks.workspace_files import EXPORT_LIMIT, WorkspaceStore
from tests.unit.databricks.clock import Clock

FOLDER, VOLUME, DBFS = "/Workspace/libs", "/Volumes/main/libs/released", "dbfs:/libs"
STORES: Mapping[Kind, Callable[[Client, Root], FolderStore]] = {
    Kind.WORKSPACE: WorkspaceStore,
    Kind.VOLUME: VolumeStore,
    Kind.DBFS: DbfsStore,
}
LOST = Broken("the connection broke")
EXISTS = Answer(409, code="RESOURCE_ALREADY_EXISTS", message="Path already exists.")
OK = Answer(200)

Step = Answer | Exception
Script = Mapping[str, list[Step] | Callable[[Call], Answer]]


class Routed(Transport):
    """Answers by the last word of the path; lists are worked off, their last step repeats."""

    def __init__(self, script: Script) -> None:
        super().__init__("https://w.example.com", dict, {})
        self.script = script
        self.calls: list[str] = []

    def attempt(self, call: Call) -> Answer:
        name = next(word for word in self.script if word in f"{call.method} {call.path}")
        self.calls.append(name)
        steps = self.script[name]
        if callable(steps):
            return steps(call)
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        if isinstance(step, Exception):
            raise step
        return step


def store_on(root: str, script: Script) -> tuple[FolderStore, Routed]:
    transport = Routed(script)
    clock = Clock()
    client = Client(transport, clock=clock, sleep=clock.sleep)
    place = parse_root(root, allow_dbfs=True)
    return STORES[place.kind](client, place), transport


def status(size: int | None) -> Answer:
    document: dict[str, object] = {"object_type": "FILE", "modified_at": 7}
    return Answer(200, document=document if size is None else {**document, "size": size})


def upload(store: FolderStore, content: bytes) -> None:
    store.upload(f"{store.root}/a.whl", io.BytesIO(content), len(content))


def test_the_path_of_an_upload_is_one_segment_as_the_cli_sends_it() -> None:
    sent = []

    def take(call: Call) -> Answer:
        sent.append(call.path)
        return OK

    store, _ = store_on(FOLDER, {"import-file": take, "get-status": [status(5)]})
    upload(store, b"hello")
    assert sent == ["/api/2.0/workspace-files/import-file/Workspace%2Flibs%2Fa.whl"]


def read_back(content: bytes) -> Callable[[Call], Answer]:
    return lambda call: Answer(200, body=call.read(iter([content])))


def test_a_file_that_arrived_short_is_deleted_and_not_a_success() -> None:
    store, transport = store_on(
        FOLDER,
        {
            "import-file": [OK],
            "get-status": [status(3)],
            "export": read_back(b"hel"),
            "workspace/delete": [OK],
        },
    )
    with pytest.raises(Refused, match="3 of 5 bytes and was deleted"):
        upload(store, b"hello")
    assert (transport.calls[0], transport.calls[-1]) == ("import-file", "workspace/delete")


def test_a_record_that_arrived_short_does_not_count_and_is_deleted() -> None:
    script: Script = {
        "PUT": [OK],
        "HEAD": [Answer(200, {"Content-Length": "4"})],
        "GET": read_back(b"hell"),
        "DELETE": [Answer(204)],
    }
    store, transport = store_on(VOLUME, script)
    with pytest.raises(Refused, match="4 of 5 bytes"):
        FolderRecords(store).create("a.json", b"hello")
    assert transport.calls == ["PUT", "HEAD", "GET", "DELETE"]


@pytest.mark.parametrize(("stored", "size"), [(b"jel", 3), (b"jello!", 6)])
def test_a_file_of_another_size_that_is_not_the_beginning_of_ours_stays(
    stored: bytes, size: int
) -> None:
    script: Script = {
        "import-file": [OK],
        "get-status": [status(size)],
        "export": read_back(stored),
    }
    store, transport = store_on(FOLDER, script)
    with pytest.raises(Refused, match=f"has {size} bytes where 5 were sent.*was left there"):
        upload(store, b"hello")
    assert "workspace/delete" not in transport.calls


def test_a_short_file_that_can_not_be_read_back_is_not_provably_ours() -> None:
    content = bytes(EXPORT_LIMIT + 2)
    store, transport = store_on(
        FOLDER, {"import-file": [OK], "get-status": [status(EXPORT_LIMIT + 1)]}
    )
    with pytest.raises(Refused, match="was left there"):
        upload(store, content)
    assert "workspace/delete" not in transport.calls


def test_a_file_that_is_gone_after_its_upload_is_no_success() -> None:
    gone = Answer(404, code="RESOURCE_DOES_NOT_EXIST", message="Path doesn't exist.")
    store, _ = store_on(FOLDER, {"import-file": [OK], "get-status": [gone]})
    with pytest.raises(Refused, match="gone right after"):
        upload(store, b"hello")


def in_dbfs(size: int, *, is_dir: bool = False) -> Answer:
    return Answer(200, document={"is_dir": is_dir, "file_size": size})


def test_a_file_that_arrives_short_beside_its_name_in_dbfs_never_gets_there() -> None:
    statuses: list[Step] = [in_dbfs(0, is_dir=True), in_dbfs(4)]
    script: Script = {
        "mkdirs": [OK],
        "get-status": statuses,
        "dbfs/put": [OK],
        "dbfs/delete": [OK],
        "dbfs/move": [OK],
    }
    store, transport = store_on(DBFS, script)
    with pytest.raises(Unavailable, match="4 of 5 bytes arrived"):
        upload(store, b"hello")
    assert transport.calls.count("dbfs/put") == transport.calls.count("dbfs/delete") == 3
    assert "dbfs/move" not in transport.calls


@pytest.mark.parametrize(
    ("data", "why"), [("", "ended at 0 of 5 bytes"), ("not base64!", "no base64")]
)
def test_a_file_in_dbfs_that_can_not_be_read_to_its_end_has_no_hash(data: str, why: str) -> None:
    block = Answer(200, document={"bytes_read": 0, "data": data})
    store, _ = store_on(DBFS, {"get-status": [in_dbfs(5)], "dbfs/read": [block]})
    with pytest.raises(Refused, match=why):
        store.sha256(f"{DBFS}/a.whl")


def test_a_file_whose_size_is_not_told_is_believed() -> None:
    store, transport = store_on(FOLDER, {"import-file": [OK], "get-status": [status(None)]})
    upload(store, b"hello")
    assert "workspace/delete" not in transport.calls


def test_a_volume_tells_the_size_in_a_header() -> None:
    script: Script = {
        "PUT": [OK],
        "HEAD": [Answer(200, {"Content-Length": "4"})],
        "GET": read_back(b"hell"),
        "DELETE": [Answer(204)],
    }
    store, transport = store_on(VOLUME, script)
    with pytest.raises(Refused, match="4 of 5 bytes"):
        upload(store, b"hello")
    assert transport.calls == ["PUT", "HEAD", "GET", "DELETE"]


def test_an_upload_in_doubt_that_is_too_large_to_read_back_counts_by_its_size() -> None:
    content = bytes(EXPORT_LIMIT + 1)
    store, transport = store_on(
        FOLDER, {"import-file": [LOST, EXISTS], "get-status": [status(len(content))]}
    )
    upload(store, content)
    assert "export" not in str(transport.calls)


def test_an_upload_in_doubt_that_can_be_read_back_counts_by_its_hash() -> None:
    def export_of(content: bytes) -> Callable[[Call], Answer]:
        return lambda call: Answer(200, body=call.read(iter([content[:2], content[2:]])))

    for stored, is_ours in ((b"hello", True), (b"jello", False)):
        store, _ = store_on(
            FOLDER,
            {
                "import-file": [LOST, EXISTS],
                "get-status": [status(5)],
                "export": export_of(stored),
            },
        )
        if is_ours:
            upload(store, b"hello")
        else:
            with pytest.raises(AlreadyExists):
                upload(store, b"hello")


def test_a_file_that_was_there_is_not_ours_even_when_it_is_equal() -> None:
    store, transport = store_on(FOLDER, {"import-file": [Answer(429), EXISTS]})
    with pytest.raises(AlreadyExists):
        upload(store, b"hello")
    assert transport.calls == ["import-file", "import-file"]


def test_a_notebook_in_the_way_is_something_that_exists() -> None:
    in_the_way = Answer(400, message="Path (/Workspace/libs/a.whl) already exists.")
    store, _ = store_on(FOLDER, {"import-file": [in_the_way]})
    with pytest.raises(AlreadyExists):
        upload(store, b"hello")


def test_a_file_that_is_too_large_is_refused_in_the_words_of_the_api() -> None:
    words = "File size imported is (600000000 bytes), exceeded max size (524288000 bytes)"
    too_large = Answer(400, code="MAX_NOTEBOOK_SIZE_EXCEEDED", message=words)
    store, _ = store_on(FOLDER, {"import-file": [too_large]})
    with pytest.raises(Refused, match="exceeded max size"):
        upload(store, b"hello")


def test_an_export_that_turns_out_too_large_means_not_readable() -> None:
    too_large = Answer(400, code="MAX_NOTEBOOK_SIZE_EXCEEDED", message="too large")
    store, _ = store_on(FOLDER, {"get-status": [status(None)], "export": [too_large]})
    assert store.sha256("/Workspace/libs/a.whl") is None


def test_a_listing_without_sizes_is_completed_file_by_file() -> None:
    listing: JsonObject = {"objects": [{"object_type": "FILE", "path": "/Shared/libs/a.whl"}]}
    store, _ = store_on(
        "/Workspace/Shared/libs",
        {"workspace/list": [Answer(200, document=listing)], "get-status": [status(42)]},
    )
    (found,) = store.files()
    assert (found.path, found.size, found.modified_ms) == ("/Workspace/Shared/libs/a.whl", 42, 7)


def test_records_are_sorted_whatever_the_order_of_the_service() -> None:
    listing: JsonObject = {
        "objects": [
            {"object_type": "FILE", "path": f"{FOLDER}/{name}", "size": 1, "modified_at": 7}
            for name in ("b.json", "c.json", "a.json")
        ]
    }
    store, _ = store_on(FOLDER, {"workspace/list": [Answer(200, document=listing)]})
    paths = [each.path for each in FolderRecords(store).listed()]
    assert paths == [f"{FOLDER}/{name}" for name in ("a.json", "b.json", "c.json")]


@pytest.mark.parametrize(
    ("root", "route", "listing"),
    [
        (
            FOLDER,
            "workspace/list",
            {"objects": [{"object_type": "FILE", "path": FOLDER, "size": 1}]},
        ),
        (DBFS, "dbfs/list", {"files": [{"path": "/libs", "is_dir": False, "file_size": 1}]}),
    ],
)
def test_a_file_where_the_folder_should_be_is_no_record(
    root: str, route: str, listing: JsonObject
) -> None:
    store, _ = store_on(root, {route: [Answer(200, document=listing)]})
    assert FolderRecords(store).listed() == ()


def test_notebooks_and_other_objects_are_no_files() -> None:
    kinds = ("NOTEBOOK", "REPO", "LIBRARY", "DASHBOARD", "SOMETHING_NEW")
    listing: JsonObject = {
        "objects": [{"object_type": kind, "path": f"{FOLDER}/{kind}"} for kind in kinds]
    }
    store, _ = store_on(FOLDER, {"workspace/list": [Answer(200, document=listing)]})
    assert store.files() == ()


def test_a_volume_folder_is_listed_page_by_page() -> None:
    def page(call: Call) -> Answer:
        number = int(call.query.get("page_token", 0))
        file = {"path": f"{VOLUME}/{number}.whl", "file_size": number, "last_modified": 1}
        document: dict[str, object] = {"contents": [file]}
        if number < 3:
            document["next_page_token"] = str(number + 1)
        return Answer(200, document=document)

    store, _ = store_on(VOLUME, {"fs/directories": page})
    assert [file.size for file in store.files()] == [0, 1, 2, 3]


def test_hashes_are_those_of_the_whole_download() -> None:
    content = bytes(range(256)) * 100

    def download(call: Call) -> Answer:
        return Answer(200, body=call.read(iter([content[:77], b"", content[77:]])))

    store, _ = store_on(VOLUME, {"fs/files": download})
    assert store.sha256(f"{VOLUME}/a.whl") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("root", "route"), [(FOLDER, "export"), (VOLUME, "fs/files")])
def test_a_file_that_is_too_large_is_not_downloaded_to_its_end(root: str, route: str) -> None:
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(100):
            taken.append(number)
            yield b"12345"

    store, _ = store_on(root, {route: lambda call: Answer(200, body=call.read(chunks()))})
    with pytest.raises(Refused, match="larger than 12 bytes"):
        store.read(f"{root}/a.json", 12)
    assert len(taken) == 3


def test_a_file_in_dbfs_that_is_too_large_is_not_read_at_all_and_a_folder_is_none() -> None:
    store, transport = store_on(DBFS, {"get-status": [in_dbfs(13), in_dbfs(0, is_dir=True)]})
    with pytest.raises(Refused, match="larger than 12 bytes"):
        store.read(f"{DBFS}/a.json", 12)
    with pytest.raises(NotFound):
        store.read(f"{DBFS}/a.json", 12)
    assert transport.calls == ["get-status", "get-status"]


@pytest.mark.parametrize(
    ("privileges", "is_open"),
    [
        ([{"privilege": "WRITE_VOLUME"}], True),
        ([{"privilege": "ALL_PRIVILEGES"}], True),
        (["WRITE_VOLUME"], True),
        ([{"privilege": "READ_VOLUME"}], False),
        ([], False),
        (None, False),
    ],
)
def test_a_volume_is_open_by_what_all_users_hold(privileges: object, *, is_open: bool) -> None:
    lines = [
        {"principal": "deployers", "privileges": [{"privilege": "WRITE_VOLUME"}]},
        {"principal": "account users", "privileges": privileges},
    ]
    store, _ = store_on(
        VOLUME, {"effective-permissions": [Answer(200, document={"privilege_assignments": lines})]}
    )
    assert store.open_to_all() is is_open
