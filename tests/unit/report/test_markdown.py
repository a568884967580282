"""Text that others wrote stays text in GitHub Markdown, whatever it holds."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployer.report.markdown import (
    code,
    code_block,
    code_cell,
    html,
    job_url,
    page,
    prose,
    row,
    sentence,
    sentence_cell,
    table_head,
    text,
)
from deployer.report.untrusted import visible
from tests.unit.report.markdown_reading import (
    ZERO_WIDTH,
    active_text,
    blocks,
    foreign_html,
    kinds,
    source_widths,
    table_widths,
    text_of,
    tokens,
)
from tests.unit.report.reports import HOSTILE, texts

INLINE = {"paragraph_open", "paragraph_close", "inline", "text"}
CELLS = {
    "table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close",
    "tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close", "inline", "text",
}  # fmt: skip
Render = Callable[[str], str]


def words(shown: str) -> str:
    """The words, as a browser shows them: runs of blanks are one."""
    return " ".join(shown.replace(ZERO_WIDTH, "").split())


@given(texts)
def test_text_is_nothing_but_text_at_the_start_of_a_line_and_within(untrusted: str) -> None:
    for lead in ("", "before "):
        rendered = f"{lead}{text(untrusted)}\n"
        assert kinds(rendered) <= INLINE
        assert words(text_of(rendered)) == words(lead + visible(untrusted))
        assert active_text(rendered) == []


@given(texts)
def test_a_sentence_has_code_at_most(untrusted: str) -> None:
    for lead in ("", "before "):
        rendered = f"{lead}{sentence(untrusted)}\n"
        assert kinds(rendered) <= INLINE | {"code_inline"}
        assert active_text(rendered) == []


@given(texts)
def test_a_sentence_loses_no_character_but_backticks_and_blanks(untrusted: str) -> None:
    def letters(shown: str) -> str:
        return "".join(words(shown).replace("`", "").split())

    assert letters(text_of(sentence(untrusted))) == letters(visible(untrusted))


def test_two_codes_in_a_row_stay_two() -> None:
    shown = [one.content for one in tokens(sentence("`a``b`")) if one.type == "code_inline"]
    assert shown == ["a", "b"]


def test_a_sentence_shows_what_stands_between_backticks_as_code() -> None:
    rendered = sentence("Input `cleanup` is `ture`; see `@team`")
    assert [one.content for one in tokens(rendered) if one.type == "code_inline"] == [
        "cleanup",
        "ture",
        "@team",
    ]


@given(texts)
def test_code_shows_exactly_the_text(untrusted: str) -> None:
    for lead in ("", "before ", "- "):
        [shown] = [one for one in tokens(f"{lead}{code(untrusted)}") if one.type == "code_inline"]
        assert shown.content == (visible(untrusted).strip() or '""')


@given(texts)
@example("`|`")
@example("`\\|`")
@example("a \\| b")
@pytest.mark.parametrize("render", [text, sentence_cell, code_cell])
def test_a_cell_stays_one_cell(render: Render, untrusted: str) -> None:
    table = table_head("A", "B", "C") + row(("x", render(untrusted), "y"))
    assert table_widths(table) == {(3, 3)}
    assert source_widths(table) == {3}
    assert kinds(table) <= CELLS | {"code_inline"}
    assert active_text(table) == []
    assert [one.content for one in blocks(table) if one.type == "inline"][-1] == "y"


@given(texts)
def test_code_in_a_cell_shows_exactly_the_text(untrusted: str) -> None:
    table = table_head("A") + row((code_cell(untrusted),))
    [shown] = [one for one in tokens(table) if one.type == "code_inline"]
    plain = shown.content.replace(ZERO_WIDTH, "").strip()
    assert plain == (visible(untrusted).replace(ZERO_WIDTH, "").strip() or '""')


@given(st.lists(texts, max_size=4).map("\n".join))
def test_a_code_block_ends_where_it_should(untrusted: str) -> None:
    found = blocks(f"{code_block(untrusted, 'yaml')}\nafter\n")
    assert [one.type for one in found] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert found[0].info == "yaml"


@given(st.lists(texts, max_size=4).map("\n".join))
def test_prose_has_paragraphs_line_breaks_and_code_at_most(untrusted: str) -> None:
    rendered = prose(untrusted)
    assert kinds(rendered) <= INLINE | {"code_inline", "html_inline", "softbreak", "fence"}
    assert foreign_html(rendered) == []
    assert active_text(rendered) == []


def test_indented_lines_of_a_message_become_yaml_to_paste() -> None:
    found = blocks(prose("Write:\n\n  with:\n    cleanup: true\n\nThen run again."))
    assert [one.content for one in found if one.type == "fence"] == ["with:\n  cleanup: true\n"]
    assert [one.content for one in found if one.type == "inline"] == ["Write:", "Then run again."]


@given(texts)
def test_text_in_our_html_ends_no_element(untrusted: str) -> None:
    rendered = f"<details><summary>{html(untrusted)}</summary>\n\nx\n\n</details>\n"
    assert foreign_html(rendered) == []
    assert active_text(rendered) == []


@pytest.mark.parametrize("untrusted", HOSTILE)
@pytest.mark.parametrize("render", [text, sentence, code])
def test_each_known_attack_is_one_without_the_escape(render: Render, untrusted: str) -> None:
    rendered = f"{render(untrusted)}\n"
    assert kinds(rendered) <= INLINE | {"code_inline"}
    assert active_text(rendered) == []


def test_the_reading_sees_what_unescaped_text_would_become() -> None:
    whole = "\n\n".join(HOSTILE)
    assert {"link_open", "image", "heading_open", "strong_open"} <= kinds(whole)
    assert foreign_html(whole)
    assert active_text(whole)
    assert source_widths("| a \\\\| b |\n") == {2}


def test_a_mention_is_parted_by_a_zero_width_space_that_the_source_shows() -> None:
    assert text("@acme/platform") == "@&#8203;acme/platform"
    assert text("see #12") == "see \\#&#8203;12"


def test_plain_names_stay_readable_in_the_source() -> None:
    assert text("retail-metrics 1.5.0 (nightly)") == "retail-metrics 1.5.0 \\(nightly\\)"
    assert code("/Volumes/main/x-1.0-py3-none-any.whl") == "`/Volumes/main/x-1.0-py3-none-any.whl`"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("https://adb-1.2.azuredatabricks.net", "https://adb-1.2.azuredatabricks.net/jobs/7"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/jobs/7"),
        ("", ""),
        ("javascript:alert(1)", ""),
        ("https://evil.example/)(", ""),
        ("https://user:secret@host", ""),
    ],
)
def test_only_a_plain_address_makes_a_link(host: str, url: str) -> None:
    assert job_url(host, 7) == url


@given(texts)
def test_visible_text_is_one_line_without_hidden_characters(untrusted: str) -> None:
    shown = visible(untrusted)
    assert len(shown.splitlines()) <= 1
    hidden = {unicodedata.category(one) for one in shown.replace("\u200d", "")}
    assert hidden.isdisjoint({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def test_a_turned_around_name_shows_the_character_that_turns_it() -> None:
    assert visible("\u202egnp.exe") == "\\u202egnp.exe"
    assert visible("a\x1b[31mb\nc") == "a\\u001b[31mb c"
    assert visible("tag \U000e0041") == "tag \\U000e0041"


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/octo/library/releases/tag/v1.4.0",
        "http://127.0.0.1:8080/octo/library/releases/tag/retail-metrics%2Fv1.4.0",
    ],
)
def test_a_plain_address_is_a_link_to_itself(url: str) -> None:
    assert page(url) == f"<{url}>"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://example.com/a>b<img src=x>",
        "https://example.com/ a",
        "https://example.com/\n# x",
        "https://user@example.com/",
        "https://example.com/@octocat`",
    ],
)
def test_what_is_no_plain_address_is_no_link(url: str) -> None:
    assert page(url).startswith("`")
