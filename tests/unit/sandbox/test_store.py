"""The state: transactions, what survives, and files in pieces."""

import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.permissions import MANAGE, VIEW, Directory, Grant, User, grant_from
from sandbox.store import Store, StoreClosedError
from sandbox.tree import Tree, is_notebook


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store(None)
    yield made
    made.close()


def test_a_transaction_is_all_or_nothing_even_nested(store: Store) -> None:
    def half_way() -> None:
        with store.transaction():
            store.put_meta("a", "1")
            with store.transaction():
                store.put_meta("b", "2")
            raise KeyError

    with pytest.raises(KeyError):
        half_way()
    assert (store.meta("a", ""), store.meta("b", "")) == ("", "")


def test_ids_never_repeat(store: Store) -> None:
    first = store.next_id()
    store.reserve_id(first + 10)
    store.reserve_id(first)
    assert store.next_id() == first + 11


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreClosedError):
        store.meta("a", "")


def test_the_state_survives(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    store.put_document("clusters", "c", {"x": [1.0, None]})
    store.close()
    store = Store(tmp_path / "state.db")
    try:
        assert store.document("clusters", "c") == {"x": [1.0, None]}
        assert store.delete_document("clusters", "c")
        assert not store.delete_document("clusters", "c")
    finally:
        store.close()


def test_a_state_of_another_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ValueError, match=r"state\.db can't be used: it has format 99"):
        Store(file)


MIB = 1024 * 1024


@settings(deadline=None)
@given(st.sampled_from([0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB + 7]), st.data())
def test_any_part_of_a_file_reads_as_written(size: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, size))
    stop = data.draw(st.integers(start, size))
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    store = Store(None)
    try:
        tree = Tree(store)
        tree.make_folders("/Workspace")
        node = tree.write("/Workspace/x", io.BytesIO(content))
        assert node.size == size
        assert b"".join(tree.pieces(node, start, stop)) == content[start:stop]
        shorter = tree.write("/Workspace/x", io.BytesIO(b"s"))
        assert tree.read(shorter) == b"s"
    finally:
        store.close()


def test_a_tree_refuses_what_makes_no_sense(store: Store) -> None:
    tree = Tree(store)
    tree.make_folders("/Workspace/a")
    tree.write("/Workspace/f", io.BytesIO(b""))
    with pytest.raises(FileNotFoundError):
        tree.write("/Workspace/no/x", io.BytesIO(b""))
    with pytest.raises(FileNotFoundError):
        tree.write("/Workspace/f/x", io.BytesIO(b""))
    with pytest.raises(IsADirectoryError):
        tree.write("/Workspace/a", io.BytesIO(b""))
    with pytest.raises(FileExistsError):
        tree.make_folders("/Workspace/f/x")


def test_a_folder_made_anew_has_no_old_access(store: Store) -> None:
    tree, directory = Tree(store), Directory(store)
    tree.make_folders("/Workspace/a/b")
    directory.grant("directories", "/Workspace/a/b", Grant("user_name", "x", "CAN_MANAGE"))
    tree.delete("/Workspace/a")
    tree.make_folders("/Workspace/a/b")
    assert directory.grants("directories", "/Workspace/a/b") == []


@pytest.mark.parametrize(
    ("path", "head", "notebook"),
    [
        ("/x.py", b"# Databricks notebook source\n", True),
        ("/x.py", b"print()", False),
        ("/x.sql", b"-- Databricks notebook source", True),
        ("/x.ipynb", b"{}", True),
        ("/x.whl", b"# Databricks notebook source", False),
        ("/x", b"# Databricks notebook source", False),
    ],
)
def test_an_import_tells_notebooks_from_files(path: str, head: bytes, notebook: bool) -> None:
    assert is_notebook(path, head) is notebook


class TestAccess:
    GUEST = User("guest", 1, ("data",))

    def test_the_best_line_counts_and_a_cap_bounds_it(self, store: Store) -> None:
        directory = Directory(store)
        assert directory.reach(self.GUEST, "jobs", ["1"]) == 0
        directory.grant("jobs", "1", Grant("group_name", "users", "CAN_VIEW"))
        directory.grant("jobs", "1", Grant("group_name", "data", "CAN_MANAGE"))
        assert directory.reach(self.GUEST, "jobs", ["1"]) == MANAGE
        directory.grant("jobs", "1", Grant("user_name", "guest", "CAN_VIEW", cap=True))
        assert directory.reach(self.GUEST, "jobs", ["1"]) == VIEW

    def test_a_principal_has_one_level_per_object(self, store: Store) -> None:
        directory = Directory(store)
        directory.grant("jobs", "1", Grant("user_name", "guest", "CAN_MANAGE"))
        directory.grant("jobs", "1", Grant("user_name", "guest", "CAN_VIEW"))
        assert directory.reach(self.GUEST, "jobs", ["1"]) == VIEW

    def test_folders_inherit(self, store: Store) -> None:
        directory = Directory(store)
        directory.grant("directories", "/a", Grant("user_name", "guest", "CAN_READ"))
        assert directory.reach(self.GUEST, "directories", ["/a/b", "/a", "/"]) == VIEW
        assert directory.reach(self.GUEST, "directories", ["/ab", "/"]) == 0

    @pytest.mark.parametrize(
        "line",
        [
            None,
            {},
            {"user_name": "x"},
            {"permission_level": "CAN_VIEW"},
            {"user_name": "x", "permission_level": "CAN_FLY"},
        ],
    )
    def test_a_line_that_makes_no_sense_is_refused(self, line: object) -> None:
        with pytest.raises(ValueError, match=r"access control|permission level"):
            grant_from(line)
