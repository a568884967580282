"""Who answers for a job and when it runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.jobs.circumstances import owner_of, runs_when
from deployer.jobs.places import JsonObject

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("settings", "owner"),
    [
        ({"tags": {"Owner": "pricing"}, "run_as": {"user_name": "ann@example.com"}}, "pricing"),
        ({"tags": {"team": " retail "}}, "retail"),
        ({"tags": {"owner": ""}, "run_as": {"user_name": "ann@example.com"}}, "ann@example.com"),
        ({"run_as": {"service_principal_name": "0000-11"}}, "0000-11"),
        ({"run_as": {}}, "maker@example.com"),
        ({}, "maker@example.com"),
    ],
)
def test_the_owner_is_a_tag_or_as_whom_the_job_runs_or_its_maker(
    settings: JsonObject, owner: str
) -> None:
    assert owner_of(settings, "maker@example.com") == owner


def cron(expression: str, zone: str = "UTC") -> JsonObject:
    return {"schedule": {"quartz_cron_expression": expression, "timezone_id": zone}}


@pytest.mark.parametrize(
    ("settings", "runs"),
    [
        (cron("0 0 2 * * ?", "Europe/Berlin"), "daily 02:00 Europe/Berlin"),
        (cron("0 30 14 ? * MON-FRI"), "weekdays 14:30 UTC"),
        (cron("0 5 6 ? * Sun"), "every Sun 06:05 UTC"),
        (cron("0 15 * * * ?"), "hourly at :15 UTC"),
        (cron("0 15 * ? * MON-FRI"), "cron 0 15 * ? * MON-FRI UTC"),
        (cron("0 0 2 1 * ?"), "cron 0 0 2 1 * ? UTC"),
        (cron("0 0/10 * * * ?"), "cron 0 0/10 * * * ? UTC"),
        (cron("0 0 99 * * ?"), "cron 0 0 99 * * ? UTC"),
        (cron("0 0 2 * * ? 2027"), "cron 0 0 2 * * ? 2027 UTC"),
        ({"schedule": {"pause_status": "PAUSED"}}, "paused: on a schedule"),
        ({"continuous": {"pause_status": "UNPAUSED"}}, "continuously"),
        ({"trigger": {"periodic": {"interval": 1, "unit": "HOURS"}}}, "every hour"),
        ({"trigger": {"periodic": {"interval": 4, "unit": "DAYS"}}}, "every 4 days"),
        ({"trigger": {"file_arrival": {"url": "s3://b/"}}}, "when files arrive"),
        ({"trigger": {"table_update": {"table_names": ["t"]}}}, "when tables change"),
        ({"trigger": {"something": {}}}, "by a trigger"),
        ({}, ""),
    ],
)
def test_when_a_job_starts_by_itself_is_said_in_few_words(settings: JsonObject, runs: str) -> None:
    assert runs_when(settings) == runs


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("tags", "run_as", "schedule", "trigger", "continuous"), JSON)
    ),
    st.text(max_size=300),
)
def test_any_settings_have_an_owner_and_a_time_in_bounds(
    settings: JsonObject, creator: str
) -> None:
    assert len(owner_of(settings, creator)) <= 120
    assert len(runs_when(settings)) <= 120
