"""A text is fitted into its bytes by leaving out whole rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployer.report.budget import Section, fit

lines = st.text(max_size=12).map(lambda text: text.replace("\n", " ") + "\n")
sections = st.builds(Section, lines, st.lists(lines, max_size=30).map(tuple), lines, st.booleans())


def left_out(count: int) -> str:
    return f"({count} more)\n"


def whole(parts: list[Section]) -> str:
    return "".join(f"{part.head}{''.join(part.rows)}{part.tail}" for part in parts)


@given(st.lists(sections, max_size=5), st.integers(0, 2_000))
def test_the_budget_is_never_passed(parts: list[Section], budget: int) -> None:
    assert len(fit(parts, budget, left_out).encode()) <= budget


@given(st.lists(sections, max_size=5))
def test_what_fits_stays_whole(parts: list[Section]) -> None:
    room = len(whole(parts).encode()) + sum(len(left_out(len(part.rows))) for part in parts)
    assert fit(parts, room, left_out) == whole(parts)


def test_rows_go_from_the_end_and_are_counted() -> None:
    section = Section("head\n", ("one\n", "two\n", "three\n"), "tail\n")
    assert fit([section], 26, left_out) == "head\none\n(2 more)\ntail\n"


def test_a_short_section_keeps_its_rows_beside_a_long_one() -> None:
    long = Section("long\n", tuple(f"row {index:03}\n" for index in range(100)))
    short = Section("short\n", ("one\n", "two\n"))
    fitted = fit([long, short], 150, left_out)
    assert "one\ntwo\n" in fitted
    assert "row 000\n" in fitted
    assert "row 099\n" not in fitted


def test_details_get_only_what_the_other_rows_leave() -> None:
    rows = tuple(f"row {index:03}\n" for index in range(100))
    fitted = fit([Section("detail\n", rows, detail=True), Section("main\n", rows)], 450, left_out)
    assert fitted.startswith("detail\n(100 more)\nmain\nrow 000\n")


def test_a_row_is_counted_in_bytes_not_in_characters() -> None:
    section = Section("", ("üüüü\n", "üüüü\n"))
    assert fit([section], len("üüüü\n".encode()) + len(left_out(2)), left_out) == (
        "üüüü\n(1 more)\n"
    )


def test_whole_sections_go_from_the_end_when_even_heads_are_too_long() -> None:
    parts = [Section("first\n"), Section("second " * 20), Section("third\n", ("a\n", "b\n"))]
    assert fit(parts, 30, left_out) == "first\n(3 more)\n"
