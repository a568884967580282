"""Bytes of a YAML file → tree of texts.

Owns the part of YAML that a file of settings needs: mappings, lists and scalars. What makes YAML surprise
people (duplicate keys, anchors, tags, values that change their type) is an error with its place. Built on
PyYAML's events: its constructor never runs, so nothing is ever made from what a tag names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

import yaml

from deployer.config.tree import Complaints, Kind, Mark, Node, Scalar, Series, Table
from deployer.errors import DeployError

SIZE_LIMIT = 1_000_000  # bytes; a real file has a few thousand
_NODES = 5_000  # keys and values; bounds the time that any file takes
_DEPTH = 10
_SHOWN = 60  # characters of a key in a message

_TAB = re.compile(r"^ *\t", re.M)
_TAB_SAID = "a tab stands where YAML wants blanks"
_TAB_REMEDY = "Indent with blanks, two for each level."
_MARKERS = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
# The core schema of YAML 1.2, section 10.3.2.
_CORE = (
    (Kind.NOTHING, re.compile(r"~|null|Null|NULL|")),
    (Kind.BOOLEAN, re.compile(r"true|True|TRUE|false|False|FALSE")),
    (Kind.NUMBER, re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")),
    (Kind.NUMBER, re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")),
    (Kind.NUMBER, re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN")),
)


def read_tree(content: bytes, complaints: Complaints) -> Table:
    """The mapping that `content` holds; what can be read goes on, and every problem is collected.

    Raises:
        DeployError: invalid-configuration, when nothing can be made of the file.
    """
    text = _decoded(content, complaints)
    for found in list(_TAB.finditer(text))[:3]:
        complaints.add(_mark_at(text, found.end() - 1), _TAB_SAID, remedy=_TAB_REMEDY)
    root: Node | None = None
    if not complaints.problems:
        try:
            root = _Builder(yaml.parse(text, Loader=yaml.SafeLoader), complaints).document()
        except yaml.MarkedYAMLError as error:
            complaints.add(_mark(error.problem_mark), _said(error))
        except yaml.reader.ReaderError as error:
            mark, character = _mark_at(text, error.position), ord(text[error.position])
            complaints.add(mark, f"the character U+{character:04X} is not allowed")
        except _TooMuchError as error:
            complaints.add(error.mark, str(error))
    if not isinstance(root, Table):
        if not complaints.problems:
            complaints.add(Mark(1), "the file holds no mapping of keys to values")
        raise DeployError(*complaints.problems)
    return root


def _decoded(content: bytes, complaints: Complaints) -> str:
    if len(content) > SIZE_LIMIT:
        complaints.add(Mark(1), f"the file is larger than {SIZE_LIMIT:,} bytes, and was not read")
        raise DeployError(*complaints.problems)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        mark = _mark_at(before, len(before))
        complaints.add(mark, "the file is not UTF-8", remedy="Save it with the encoding UTF-8.")
        raise DeployError(*complaints.problems) from None


class _YamlMark(Protocol):
    """The marks of both of PyYAML's parsers; lines and columns count from 0."""

    line: int
    column: int


class _TooMuchError(Exception):
    """More than a file of settings can need."""

    def __init__(self, mark: Mark, what: str) -> None:
        super().__init__(what)
        self.mark = mark


class _Builder:
    """Builds the tree from events. A refused value stands in it as such, so that the rest is read, too."""

    def __init__(self, events: Iterator[yaml.Event], complaints: Complaints) -> None:
        self._events = events
        self._complaints = complaints
        self._count = 0

    def document(self) -> Node | None:
        """The one document of the file; None when there is none."""
        next(self._events)  # the start of the stream
        start = next(self._events)
        if not isinstance(start, yaml.DocumentStartEvent):
            self._complaints.add(Mark(1), "the file is empty")
            return None
        if start.version or start.tags:
            self._complaints.add(_mark(start.start_mark), "a directive (%…) has no use here")
        root = self._node(next(self._events), 1)
        next(self._events)  # the end of the document
        another = next(self._events)
        if isinstance(another, yaml.DocumentStartEvent):
            where = _mark(another.start_mark)
            self._complaints.add(where, "a second document begins", remedy="Remove the line `---`.")
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        mark = _mark(event.start_mark)
        self._count += 1
        if self._count > _NODES:
            raise _TooMuchError(mark, f"the file has more than {_NODES:,} keys and values")
        if depth > _DEPTH:
            raise _TooMuchError(mark, f"the file is nested more than {_DEPTH} levels deep")
        refused = self._refused(event, mark)
        if isinstance(event, yaml.ScalarEvent):
            kind = Kind.REFUSED if refused else _kind(event)
            return Scalar(event.value, kind, mark)
        if isinstance(event, yaml.SequenceStartEvent):
            return Series(tuple(self._items(depth)), mark)
        if isinstance(event, yaml.MappingStartEvent):
            return Table(tuple(self._entries(depth)), mark)
        return Scalar("", Kind.REFUSED, mark)

    def _refused(self, event: yaml.Event, mark: Mark) -> bool:
        """Complains of what else YAML can: references and types."""
        remedy = "Write the value out; what is the same everywhere goes into `defaults`."
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent):
            self._complaints.add(mark, f"`*{_cut(anchor)}` is a YAML alias", remedy=remedy)
            return True
        if anchor is not None:
            self._complaints.add(mark, f"`&{_cut(anchor)}` is a YAML anchor", remedy=remedy)
        if tag is not None:
            shown = _cut(tag.replace("tag:yaml.org,2002:", "!!"))
            what = f"`{shown}` is a YAML tag, and every value here is a plain text"
            self._complaints.add(mark, what, remedy="Remove the tag.")
        return anchor is not None or tag is not None

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _entries(self, depth: int) -> Iterator[tuple[Scalar, Node]]:
        seen: dict[str, Mark] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if self._is_new_key(key, seen):
                yield key, value  # type: ignore[misc]  # a scalar, as _is_new_key says

    def _is_new_key(self, key: Node, seen: dict[str, Mark]) -> bool:
        if not isinstance(key, Scalar):
            self._complaints.add(key.mark, "a list or mapping is used as a key")
            return False
        if key.text == "<<":
            what = "`<<` is a YAML merge key"
            self._complaints.add(key.mark, what, remedy="Write the keys out, or use `defaults`.")
            return False
        if key.text in seen:
            first = seen[key.text].line
            what = f"the key `{_cut(key.text)}` stands in line {first} already"
            self._complaints.add(key.mark, what, remedy="Keep one of the two.")
            return False
        seen[key.text] = key.mark
        return key.kind is not Kind.REFUSED


def _kind(event: yaml.ScalarEvent) -> Kind:
    if event.style:  # quoted, or a block
        return Kind.TEXT
    return next((kind for kind, form in _CORE if form.fullmatch(event.value)), Kind.TEXT)


def _said(error: yaml.MarkedYAMLError) -> str:
    """What is no YAML at all, as the rest of our sentence; the words in it are PyYAML's."""
    if error.problem and "'\\t'" in error.problem:
        return _TAB_SAID
    said = " ".join(str(part) for part in (error.context, error.problem) if part)
    return f"this is not valid YAML ({_cut(said, 200)})"


def _cut(text: object, limit: int = _SHOWN) -> str:
    return str(text) if len(str(text)) <= limit else f"{str(text)[:limit]}…"


def _mark(mark: _YamlMark | None) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark else Mark(1)


def _mark_at(text: str, index: int) -> Mark:
    lines = _MARKERS.split(text[:index])
    return Mark(len(lines), len(lines[-1]) + 1)
