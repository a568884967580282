"""A report in which every text is an attack: it changes nothing but the texts, and no limit is passed."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.report.annotations import LIMIT, MESSAGE_LIMIT, Level, to_annotations
from deployer.report.document import to_document, to_json, without_commands
from deployer.report.markdown import html, prose, sentence, sentence_cell, text
from deployer.report.model import (
    ChangedReference,
    Check,
    CheckStatus,
    Finding,
    InventoryEntry,
    JobOutcome,
    Outcome,
    Removal,
    Report,
    Rewire,
)
from deployer.report.outputs import to_outputs
from deployer.report.sentences import apparate_sentences
from deployer.report.summary import to_summary
from deployer.report.terminal import to_lines
from deployer.report.texts import with_texts
from deployer.report.untrusted import visible, visible_lines
from tests.contract.runner_files import COMMANDS, SUMMARY_LIMIT, parse_line
from tests.unit.report import reports
from tests.unit.report.markdown_reading import (
    ACTIVE,
    active_text,
    autolinks,
    blocks,
    foreign_html,
    kinds,
    seen,
    source_widths,
    table_widths,
)
from tests.unit.report.test_document import validator
from tests.unit.report.test_terminal import shown

OUTPUTS_LIMIT = 1024 * 1024  # bytes of all outputs of a job, in UTF-16
# What a reader does not see, or what turns text around or drives a terminal; by Unicode's own names.
HIDDEN_KINDS = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
WITHOUT_WIDTH = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# A picture of several characters: two pictures joined, one in colour, or a digit in a box.
PICTURE = re.compile(
    "(?<=[\u2190-\u2bff\U0001f000-\U0001faff])\ufe0f?\u200d?|(?<=[0-9#*])\ufe0f(?=\u20e3)"
)
many = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)


def hidden(line: str) -> set[str]:
    """The characters of a line that hide or act, but for those that belong to a picture."""
    plain = PICTURE.sub("", line)
    return {
        one
        for one in plain
        if unicodedata.category(one) in HIDDEN_KINDS or WITHOUT_WIDTH.match(one) is not None
    }


def harmless(untrusted: str) -> str:
    """As many characters, in the same lines and words, none of which means anything to anybody."""
    kept = {"`"} | {one for one in untrusted if one.isspace()}
    return "".join(one if one in kept else chr(0x4E00 + ord(one) % 20_000) for one in untrusted)


def structure(markdown: str) -> list[tuple[str, str, int]]:
    """The blocks of a document, without what stands in them."""
    return [(one.type, one.tag, one.level) for one in blocks(markdown)]


@many
@given(reports.reports)
def test_hostile_texts_change_no_block_of_a_summary(report: Report) -> None:
    assert structure(to_summary(report)) == structure(to_summary(with_texts(report, harmless)))


@many
@given(reports.reports)
def test_nothing_in_a_summary_links_mentions_refers_or_is_html(report: Report) -> None:
    summary = to_summary(replace(report, host=""), report_path="/r/report.json")
    assert autolinks(summary) == []
    assert active_text(summary) == []
    assert foreign_html(summary) == []
    assert not kinds(summary) & {"link_open", "image"}
    assert all(cells == head for cells, head in table_widths(summary))
    assert hidden(summary.replace("\n", "").replace("\u200b", "")) == set()


@many
@given(reports.reports)
def test_no_line_for_a_log_or_a_terminal_hides_acts_or_orders(report: Report) -> None:
    lines = [*to_lines(report, report_path="/r"), *map(visible, apparate_sentences(report))]
    for line in lines:
        assert hidden(line) == set()
    for line in shown(report).split("\n"):
        assert hidden(line) == set()


@many
@given(reports.reports)
def test_annotations_hide_nothing_and_are_what_the_runner_keeps(report: Report) -> None:
    for one in to_annotations(report):
        assert hidden(one.message.replace("\n", "")) == set()
        assert hidden(one.title) == hidden(one.file) == set()
        assert len(one.message.encode("utf-16-le")) // 2 <= MESSAGE_LIMIT


@many
@given(reports.reports)
def test_the_printed_document_neither_acts_on_a_terminal_nor_orders_the_runner(
    report: Report,
) -> None:
    written = to_json(report)
    assert hidden(written.replace("\n", "")) == set()
    in_log = without_commands(written)
    assert json.loads(in_log) == to_document(report)
    for line in in_log.splitlines():
        assert parse_line(line, COMMANDS, loose=True) is None


def test_a_command_in_a_job_name_would_be_one_in_the_plain_document() -> None:
    report = replace(reports.plan_of_three(), warnings=("see ##[add-mask]x",))
    assert any(parse_line(line, COMMANDS) for line in to_json(report).splitlines())
    assert not any(
        parse_line(line, COMMANDS) for line in without_commands(to_json(report)).splitlines()
    )


@pytest.mark.parametrize(
    "attack",
    ["_www.evil.example", "(www.evil.example", "*www.evil.example", "www.evil.example", "x www.evil.example",
     "HTTP://evil.example", "mailto:me@evil.example", "xmpp:me@evil.example/x", "x deadbeef1 y", "(0123abcd)",
     ":tada:", "&commat;team", "&#64;team", "@\u200bteam", "a:+1:b"],
)  # fmt: skip
@pytest.mark.parametrize("render", [text, sentence, sentence_cell, html, prose])
def test_each_address_reference_and_emoji_is_parted(render: object, attack: str) -> None:
    assert callable(render)
    source = render(attack)
    rendered = f"<details><summary>{source}</summary>\n" if render is html else f"{source}\n"
    assert autolinks(rendered) == []
    assert active_text(rendered) == []


def test_the_reading_knows_what_cmark_gfm_makes_links_of() -> None:
    for source in (
        "_www.x.y_",
        "(www.x.y)",
        "x www.&#8203;x.y",
        "http://x.y",
        "Ftp://x.y",
        "me@x.y",
        "mailto:me@x.y",
    ):
        assert autolinks(source), source
    for source in (
        "`www.x.y`",
        "xwww.x.y",
        "``a`www.x.y``",
        "```\nhttp://x.y\n```",
        "[`a`](https://x.y/1)",
    ):
        assert autolinks(source) == [], source
    assert autolinks("\\`www. www.x.y\\`"), "an escaped backtick opens no code"
    assert all(ACTIVE.search(one) for one in ("see deadbeef1", ":tada:", "x@y"))
    assert not ACTIVE.search("20261121T080000Z-1f2e3d4c 1.5.0+gabcdef0 12:30:15 job 123456789012")


@pytest.mark.parametrize(
    "copied", ["20261121T080000Z-1f2e3d4c", "1.5.0+gabcdef0", "123456789012", "2026-11-21 12:30:15"]
)
def test_what_people_copy_from_a_summary_has_no_hidden_character(copied: str) -> None:
    assert text(copied) == copied


def test_what_is_seen_is_what_was_written() -> None:
    assert seen(text("see www.x.y and deadbeef1 :tada:")) == "see www.x.y and deadbeef1 :tada:"


@given(st.lists(reports.texts, max_size=4).map("\n".join))
def test_lines_are_as_many_as_a_terminal_shows(untrusted: str) -> None:
    for line in visible_lines(untrusted):
        assert hidden(line) == set()
        assert len(line.splitlines()) <= 1


def test_every_character_that_unicode_calls_hidden_is_spelled_out() -> None:
    everything = map(chr, range(0x110000))
    missed = [
        one
        for one in everything
        if (unicodedata.category(one) in HIDDEN_KINDS or WITHOUT_WIDTH.match(one))
        and visible(f"a{one}b") not in {f"a\\u{ord(one):04x}b", f"a\\U{ord(one):08x}b", "a b"}
    ]
    assert missed == []


@pytest.mark.parametrize(
    "picture",
    ["\u26a0\ufe0f", "\U0001f468\u200d\U0001f4bb", "1\ufe0f\u20e3", "\u2764\ufe0f\u200d\U0001f525"],
)
def test_pictures_stay_whole(picture: str) -> None:
    assert visible(f"job {picture} x") == f"job {picture} x"


# --- a workspace with ten thousand jobs, each of which is called four kilobytes of attack

NAME = ("`|@team <b> \u202e\x1b[31m ##[error]x ::error::y \U0001f4a3 www.x.y \n" * 80)[:4_000]
JOBS = 10_000


def huge(jobs: int = JOBS) -> Report:
    base = reports.deploy_with_everything()
    assert base.plan is not None
    assert base.deployment is not None
    rewires = tuple(
        Rewire(number, NAME, (ChangedReference(NAME, NAME, NAME),), (NAME,), NAME)
        for number in range(jobs)
    )
    outcomes = tuple(JobOutcome(number, NAME, NAME) for number in range(jobs))
    finding = Finding(NAME, NAME, 1, 1, NAME)
    return replace(
        base,
        outcome=Outcome.FAILED,
        environment=NAME,
        checks=(Check(NAME, CheckStatus.FAILED, 1.0, NAME, (finding,) * 1_000, NAME * 10),) * 3,
        plan=replace(base.plan, rewires=rewires),
        deployment=replace(
            base.deployment,
            failed=outcomes,
            removed=tuple(Removal(NAME, f"{number}.{NAME}") for number in range(jobs)),
        ),
        inventory=(InventoryEntry(1, NAME, NAME, NAME, "wheel", NAME, NAME, None),) * jobs,
        warnings=(NAME,) * 100,
        library=reports.LIBRARY,
    )


@pytest.fixture(scope="module")
def report() -> Report:
    return huge()


def test_a_huge_summary_is_one_that_the_runner_takes(report: Report) -> None:
    summary = to_summary(report, report_path="/r/report.json")
    assert 500_000 < len(summary.encode()) <= SUMMARY_LIMIT
    assert source_widths(summary) <= {2, 3, 4, 5}


def test_huge_outputs_are_below_the_limit_of_a_job(report: Report) -> None:
    outputs = to_outputs(report, report_path=NAME, wheel_path=NAME)
    assert sum(len(one.encode("utf-16-le")) for one in outputs.values()) <= OUTPUTS_LIMIT
    validator.validate(json.loads(outputs["report"]))


def test_removed_versions_that_do_not_fit_are_left_out_whole() -> None:
    base = reports.deploy_with_everything()
    assert base.deployment is not None
    versions = [f"1.{number}.0" for number in range(5_000)]
    removed = tuple(Removal("/x", version) for version in versions)
    report = replace(base, deployment=replace(base.deployment, removed=removed))
    told = to_outputs(report, report_path="", wheel_path="")["removed-versions"].split(",")
    assert told == versions[: len(told)]
    assert 500 < len(told) < 5_000


def test_huge_annotations_are_ten_of_each_level_and_short(report: Report) -> None:
    found = to_annotations(report)
    assert {sum(one.level is level for one in found) for level in Level} <= {0, LIMIT}
    assert all(len(one.message.encode("utf-16-le")) // 2 <= MESSAGE_LIMIT for one in found)
    assert max(len(one.title) + len(one.file) for one in found) < 2_000


def test_logs_have_short_lines() -> None:
    assert max(map(len, to_lines(huge(jobs=500)))) < 10_000
