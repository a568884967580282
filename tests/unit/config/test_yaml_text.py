"""The part of YAML that a file of settings needs, and every other part refused with its place."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deployer.config.tree import Complaints, Kind, Node, Scalar, Series, Table
from deployer.config.yaml_text import SIZE_LIMIT, read_tree
from deployer.errors import DeployError, FailureReason

REASON = FailureReason.INVALID_CONFIGURATION


def read(text: str | bytes) -> tuple[Table, list[str]]:
    """The tree and the titles of what is wrong."""
    complaints = Complaints("f.yml")
    content = text if isinstance(text, bytes) else text.encode()
    tree = read_tree(content, complaints)
    return tree, [one.title for one in complaints.problems]


def refused(text: str | bytes) -> list[str]:
    """The titles, whether or not anything could be made of the file."""
    try:
        return read(text)[1]
    except DeployError as error:
        reasons = {one.reason for one in error.problems}
        return [one.title for one in error.problems if reasons == {REASON}]


def plain(node: Node) -> object:
    """A tree as Python values, all scalars as they are written."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Series):
        return [plain(one) for one in node.items]
    return {key.text: plain(value) for key, value in node.entries}


def kinds(text: str) -> list[Kind]:
    tree, _ = read(text)
    return [value.kind for _, value in tree.entries if isinstance(value, Scalar)]


def test_scalars_are_kept_as_they_are_written() -> None:
    text = "a: 1.10\nb: on\nc: 010\nd: 2026-11-21\ne: '1'\nf: NO\ng: 1_000\nh: 12:30:00\n"
    tree, problems = read(text)
    assert problems == []
    assert plain(tree) == dict(
        zip(
            "abcdefgh",
            ["1.10", "on", "010", "2026-11-21", "1", "NO", "1_000", "12:30:00"],
            strict=True,
        )
    )


def test_kinds_are_those_of_yaml_1_2_so_that_on_is_a_text() -> None:
    assert kinds(
        "a: on\nb: yes\nc: true\nd: 1.10\ne: 0x1F\nf: ~\ng:\nh: ''\ni: '1'\nj: .inf\n"
    ) == [
        Kind.TEXT,
        Kind.TEXT,
        Kind.BOOLEAN,
        Kind.NUMBER,
        Kind.NUMBER,
        Kind.NOTHING,
        Kind.NOTHING,
        Kind.TEXT,
        Kind.TEXT,
        Kind.NUMBER,
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "f.yml, line 2, column 1: the key `a` stands in line 1 already."),
        ("a: &x 1\n", "f.yml, line 1, column 4: `&x` is a YAML anchor."),
        ("a: &x\n  b: 1\n", "f.yml, line 1, column 4: `&x` is a YAML anchor."),
        ("a: *x\n", "f.yml, line 1, column 4: `*x` is a YAML alias."),
        ("a:\n  <<: {b: 1}\n", "f.yml, line 2, column 3: `<<` is a YAML merge key."),
        (
            "a: !!python/name:os.system x\n",
            "f.yml, line 1, column 4: `!!python/name:os.system` is a YAML tag",
        ),
        ("a: ! x\n", "f.yml, line 1, column 4: `!` is a YAML tag"),
        ("a: !env [x]\n", "f.yml, line 1, column 4: `!env` is a YAML tag"),
        ("%YAML 1.1\n---\na: 1\n", "f.yml, line 1, column 1: a directive"),
        ("a: 1\n---\nb: 2\n", "f.yml, line 2, column 1: a second document begins."),
        ("a: 1\n...\n---\nb: 2\n", "f.yml, line 3, column 1: a second document begins."),
        ("a:\n\tb: 1\n", "f.yml, line 2, column 1: a tab stands where YAML wants blanks."),
        ("a:\n  b: 1\n \tc: 1\n", "f.yml, line 3, column 2: a tab"),
        ("a: [1\n", "f.yml, line 2, column 1: this is not valid YAML"),
        ("a: 1\n b: 2\n", "f.yml, line 2, column 3: this is not valid YAML"),
        ("a: @x\n", "f.yml, line 1, column 4: this is not valid YAML"),
        ("[a]: 1\nb: 2\n", "f.yml, line 1, column 1: a list or mapping is used as a key."),
        ("- a\n", "f.yml, line 1, column 1: the file holds no mapping of keys to values."),
        ("just a text", "f.yml, line 1, column 1: the file holds no mapping"),
        ("", "f.yml, line 1, column 1: the file is empty."),
        ("# nothing\n", "f.yml, line 1, column 1: the file is empty."),
        (b"a: 1\nb: \xe9\n", "f.yml, line 2, column 4: the file is not UTF-8."),
        ("a: 1\n".encode("utf-16"), "f.yml, line 1, column 1: the file is not UTF-8."),
        ("a: 1\nb: \x00\n", "f.yml, line 2, column 4: the character U+0000 is not allowed."),
        ("a: \x1b[31m\n", "f.yml, line 1, column 4: the character U+001B is not allowed."),
        ("a: " + "[" * 11 + "]" * 11, "nested more than 10 levels deep."),
        ("a: [" + "1," * 5000 + "]", "the file has more than 5,000 keys and values."),
    ],
)
def test_what_makes_yaml_surprising_is_refused_with_its_place(text: str | bytes, said: str) -> None:
    assert any(said in title for title in refused(text)), refused(text)


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    titles = refused("a: &x 1\nb: *x\na: !!str 2\nc: {<<: *x}\n")
    assert [title.split(":")[0] for title in titles] == [
        "f.yml, line 1, column 4",
        "f.yml, line 2, column 4",
        "f.yml, line 3, column 1",
        "f.yml, line 3, column 4",
        "f.yml, line 4, column 5",
        "f.yml, line 4, column 9",
    ]


def test_a_refused_value_keeps_the_rest_readable() -> None:
    tree, problems = read("a: &x 1\nb: 2\n")
    assert len(problems) == 1
    assert plain(tree) == {"a": "1", "b": "2"}
    assert kinds("a: &x 1\nb: 2\n") == [Kind.REFUSED, Kind.NUMBER]


def test_anchors_that_explode_are_read_in_no_time() -> None:
    """A billion laughs: nothing is ever put in for an alias."""
    laughs = ["a: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol]"]
    laughs += [
        f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    assert any("anchor" in title for title in refused("\n".join(laughs)))


def test_a_file_with_very_many_problems_tells_the_first_and_counts_the_others() -> None:
    titles = refused("a: 1\n" * 500)
    assert len(titles) == 26
    assert titles[-1] == "f.yml has 474 more problems."


def test_a_file_above_the_limit_is_not_looked_at() -> None:
    assert "larger than 1,000,000 bytes" in refused(b"#" * (SIZE_LIMIT + 1))[0]
    assert "empty" in refused(b"#" * SIZE_LIMIT)[0]


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    tree, problems = read(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: 2\r\n")
    assert (plain(tree), problems) == ({"a": "1", "b": {"c": "2"}}, [])
    assert "line 1, column 4" in refused(b"\xef\xbb\xbfa: *x\n")[0]


def test_a_tab_inside_of_a_text_is_fine_and_one_between_parts_is_told_as_such() -> None:
    assert read("a: 'x\ty'\n")[1] == []
    assert "a tab" in refused("a: 1\n\t\nb: 2\n")[0]
    assert (
        "line 1, column 5: a tab" in refused("a: [\t@]\n")[0] or "a tab" in refused("a:\n- \t@")[0]
    )


TEXTS = st.text(st.characters(exclude_categories=["C"]), max_size=8)
VALUES = st.recursive(
    TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS.filter(lambda key: key != "<<"), VALUES, min_size=1, max_size=4))
def test_texts_are_read_back_as_they_were_written(document: dict[str, object]) -> None:
    """PyYAML's emitter quotes what needs it; anchors don't come up, because equal values are written out."""

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    text = yaml.dump(document, Dumper=Dumper, allow_unicode=True)
    titles = refused(text)
    if titles:  # hypothesis made one of the things that are not wanted
        assert all("merge key" in title or "levels deep" in title for title in titles)
    else:
        assert plain(read(text)[0]) == document


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_end_in_a_tree_or_in_problems_with_places(content: bytes) -> None:
    assert all(title.startswith("f.yml, line ") for title in refused(content))


SIGNS = ["a", "b", ":", "-", "[", "]", "{", "}", ",", "&x", "*x", "!t", "'", '"', "|", ">", "?"]
WORDS = ["---", "...", "#", "<<", "~", "1.10"]
BREAKS = [" ", "  ", "\n", "\n  ", "\t", "\u2028", "\x85", "\ufeff", "%YAML 1.1\n"]


@given(st.lists(st.sampled_from([*SIGNS, *WORDS, *BREAKS]), max_size=40).map("".join))
def test_any_mixture_of_yamls_signs_is_refused_or_means_what_it_means_to_pyyaml(text: str) -> None:
    if not refused(text):
        assert plain(read(text)[0]) == yaml.load(text, Loader=yaml.BaseLoader)
