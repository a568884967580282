"""Foreign text in messages: harmless, without addresses, and never longer than it may be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.notify.texts import (
    ADDRESS,
    fitted,
    harmless,
    listed,
    paragraph,
    size,
    without_addresses,
)

SEASONED = st.lists(
    st.one_of(
        st.text(max_size=6),
        st.sampled_from(
            ["<!channel>", "<at>", "@here", "https://a.b/c", "&", "😀", "\\", '"', "{{DATE(x)}}"]
        ),
    ),
    max_size=12,
).map("".join)


def entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_it_is(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("see https://u:p@evil.example/x?y=1#z now", f"see {ADDRESS} now"),
        ("adb-1.2.azuredatabricks.net:443/api refused", f"{ADDRESS} refused"),
        ("at dbc-1234.cloud.databricks.com", f"at {ADDRESS}"),
        ("at x.gcp.databricks.com, it said", f"at {ADDRESS}, it said"),
        ("the private host deploy.internal said no", f"the private host {ADDRESS} said no"),
        ("s3://bucket/key and abfss://c@a.example/x", f"{ADDRESS} and {ADDRESS}"),
        ("/Volumes/main/libs/x-1.0.whl stays", "/Volumes/main/libs/x-1.0.whl stays"),
        ("my.databricks.community is no workspace", "my.databricks.community is no workspace"),
    ],
)
def test_addresses_are_taken_out(text: str, left: str) -> None:
    assert without_addresses(text, ["deploy.internal"]) == left


@given(SEASONED)
def test_no_address_stays(text: str) -> None:
    assert "https://" not in without_addresses(text).lower()


@pytest.mark.parametrize(
    "text",
    [
        "@here",
        "@channel",
        "me@example.com",
        "<@U123>",
        "www.evil.example",
        "ftp://x",
        "{{DATE(1)}}",
        "${name}",
        "<at>Ada</at>",
        "<!everyone>",
    ],
)
def test_nothing_is_active(text: str) -> None:
    shown = harmless(text)
    assert shown != text
    assert shown.replace("\u200b", "") == text


@given(SEASONED, st.integers(4, 80))
def test_a_text_never_takes_more_than_its_limit(text: str, limit: int) -> None:
    for escape in (entities, as_it_is):
        shown = fitted(text, limit, escape)
        assert size(shown) <= limit
        assert len(json.dumps(shown, ensure_ascii=False).encode()) == size(shown) + 2
        assert "\n" not in shown


@given(SEASONED)
def test_a_short_text_is_kept_whole(text: str) -> None:
    assert fitted(text, 10_000, as_it_is) == harmless(text)


@given(SEASONED, st.integers(4, 60))
def test_no_entity_is_cut_in_two(text: str, limit: int) -> None:
    shown = fitted(text, limit, entities)
    for entity in ("&amp;", "&lt;", "&gt;"):
        shown = shown.replace(entity, "")
    assert not set(shown) & set("&<>")


@given(st.lists(SEASONED, max_size=30), st.integers(60, 600))
def test_a_list_keeps_its_first_lines_and_counts_the_others(lines: list[str], limit: int) -> None:
    kept = listed(lines, limit, as_it_is, line_limit=50)
    assert size("\n".join(kept)) <= limit
    if len(kept) < len(lines) or (kept and kept[-1].startswith("… and ")):
        left = len(lines) - (len(kept) - 1)
        assert kept[-1] == f"… and {left:,} more"
    else:
        assert len(kept) == len(lines)


@given(SEASONED, st.integers(60, 600))
def test_a_paragraph_never_takes_more_than_its_limit(text: str, limit: int) -> None:
    assert size(paragraph(f"{text}\n\n  {text}\n{text}", limit, entities)) <= limit
