"""What is secret leaves in no text: known values in any usual encoding, and credentials by their form."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from databricks.sdk.config import Config, ConfigAttribute
from hypothesis import assume, example, given
from hypothesis import strategies as st

from deployer.redaction import MASK, SECRET_VARIABLES, Redactor, secrets_in

SECRET = "s3cr3t/Val+ue~of_dapi=="
ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of a URL": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64, one before": lambda text: base64.b64encode(f"u{text}".encode()).decode(),
    "base64, basic": lambda text: base64.b64encode(f"id:{text}:".encode()).decode(),
    "URL": lambda text: quote(text, safe=""),
    "URL, a path": quote,
    "URL, a form": quote_plus,
    "URL, lower case": lambda text: quote(text, safe="").lower() if text.islower() else quote(text),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, readable": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "HTML": html.escape,
    "Python": lambda text: repr(text)[1:-1],
}
# Long enough that an encoding of it is no ordinary word, as every real secret is.
secrets = st.text(min_size=12, max_size=40).filter(
    lambda text: len(text.strip()) >= 12 and text.strip().isprintable() and MASK not in text
)


def core(secret: str, encoding: str) -> str:
    """What of an encoded secret must not show: base64 mixes both ends with their neighbours."""
    encoded = ENCODINGS[encoding](secret)
    return encoded.strip("=")[4:-4] if "base64" in encoding else encoded


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(secret=secrets, around=st.tuples(st.text(max_size=9), st.text(max_size=9)))
@example(secret=SECRET, around=("", ""))
@example(secret='pass"word\\with<marks>&co', around=("Bearer ", "\n"))
def test_a_known_secret_leaves_in_no_usual_encoding(
    encoding: str, secret: str, around: tuple[str, str]
) -> None:
    secret = secret.strip()
    cleaned = Redactor.of([secret]).clean(around[0] + ENCODINGS[encoding](secret) + around[1])
    assert core(secret, encoding) not in cleaned
    assert MASK in cleaned


@given(st.text(max_size=60), secrets)
def test_what_is_clean_stays_as_it_is(text: str, secret: str) -> None:
    redactor = Redactor.of([secret])
    cleaned = redactor.clean(text + secret)
    assert redactor.clean(cleaned) == cleaned


@given(st.text(max_size=200))
def test_a_text_without_secrets_is_not_changed(text: str) -> None:
    assume("=" not in text and "@" not in text)
    assert Redactor.of([SECRET]).clean(text) == text


def test_of_two_secrets_the_longer_one_shows_in_no_part() -> None:
    assert Redactor.of(["token", "token-of-the-workspace"]).clean("token-of-the-workspace") == MASK


@pytest.mark.parametrize("secret", ["", "abc", "  a  ", "\n\n"])
def test_what_is_too_short_for_a_secret_blacks_out_nothing(secret: str) -> None:
    redactor = Redactor()
    assert not redactor.learn(secret)
    assert redactor.clean("a, b and abc") == "a, b and abc"


def test_a_secret_that_comes_up_later_is_known_from_then_on() -> None:
    redactor = Redactor.of([])
    assert redactor.clean("said exchanged-token") == "said exchanged-token"
    assert redactor.learn("exchanged-token")
    assert not redactor.learn("exchanged-token")
    assert redactor.clean("said exchanged-token") == f"said {MASK}"
    assert "exchanged" not in repr(redactor)


def test_the_lines_of_a_secret_are_secret_one_by_one() -> None:
    cleaned = Redactor.of(["first-half-of-it\nsecond-half-of-it\n"]).clean("> second-half-of-it <")
    assert cleaned == f"> {MASK} <"


def test_the_key_in_a_service_account_is_secret_however_its_lines_are_broken() -> None:
    lines = ["-----BEGIN X-----", "MIIEvQIBADANBgkqhkiG9w0BAQE", "-----END X-----"]
    account = {
        "type": "service_account",
        "private_key": "\n".join(lines),
        "private_key_id": "0123abcdef",
    }
    redactor = Redactor.of([json.dumps(account)])
    for quoted in (
        json.dumps(account),
        json.dumps(account["private_key"]),
        "\n".join(lines),
        lines[1],
    ):
        assert "MIIEvQIBADANBgkqhkiG9w0BAQE" not in redactor.clean(f"said {quoted}")
    assert redactor.clean("key 0123abcdef of service_account") == f"key {MASK} of service_account"


SIGNATURE = "a1b2C3%2Fd4%3D"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("https://user:pw@host/x.whl", "https://***@host/x.whl"),
        ("https://user:p@ss@host/x.whl", "https://***@host/x.whl"),
        ("x @ git+https://TOKEN@github.com/a/b@v1", "x @ git+https://***@github.com/a/b@v1"),
        ("/Volumes/a.whl,https://u:p@h/b.whl,c.whl", "/Volumes/a.whl,https://***@h/b.whl,c.whl"),
        ("postgres://u:p@h/db", "postgres://***@h/db"),
        (f"https://h/k?X-Amz-Date=1&X-Amz-Signature={SIGNATURE}&x=1", "https://h/k?X-Amz-Date=1&X-Amz-Signature=***&x=1"),
        (f"https://h/k?se=1&sig={SIGNATURE}, next", "https://h/k?se=1&sig=***, next"),
        (f"https://h/k?X-Goog-Signature={SIGNATURE}", "https://h/k?X-Goog-Signature=***"),
        ("https://h/k?token=abc#egg=x", "https://h/k?token=***#egg=x"),
        ("https://h/k?a=1&amp;sig=abc", "https://h/k?a=1&amp;sig=***"),
        ("https%3A%2F%2Fh%2Fk%3Fsig%3Dabc", "https%3A%2F%2Fh%2Fk%3Fsig%3D***"),
        ("https://hooks.slack.com/services/T0/B0/abc", "https://hooks.slack.com/services/***"),
        ("hooks.slack.com:443/services/T0/B0/abc", "hooks.slack.com:443/services/***"),
        ("https://acme.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d", "https://acme.webhook.office.com/webhookb2/***"),
        ("https://discord.com/api/webhooks/1/abc", "https://discord.com/api/webhooks/***"),
        (
            "https://x.westus.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sp=%2F&sig=abc",
            "https://x.westus.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sp=%2F&sig=***",
        ),
        ("Authorization: Bearer abcdef", "Authorization: Bearer ***"),
        ('{"authorization": "Basic YTpiYTpi"}', '{"authorization": "Basic ***"}'),
        ("sent Bearer abcdef0123456789", "sent Bearer ***"),
        ("client_secret=abc&grant_type=x", "client_secret=***&grant_type=x"),
        ("--password=abc --x", "--password=*** --x"),
        ("dapi" + "0123456789abcdef" * 2 + "-3 is it", "*** is it"),
        ("ghs_" + "a" * 36, "***"),
        ("eyJhbGciOiJI.eyJzdWIiOiJ.c2lnbmF0dXJl", "***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "***"),
    ],
)  # fmt: skip
def test_credentials_that_nobody_told_us_are_known_by_their_form(text: str, cleaned: str) -> None:
    assert Redactor().clean(text) == cleaned
    assert Redactor().clean(cleaned) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "abfss://container@account.dfs.core.windows.net/x-1.0.whl",
        "git+ssh://git@github.com/acme/x.git@v1.2.0",
        "x @ https://host/x-1.0-py3-none-any.whl#sha256=" + "ab" * 32,
        "/Volumes/main/libs/token-1.0-py3-none-any.whl",
        "retail-metrics[secret]==1.4.0 ; python_version >= '3.10'  # token = none",
        "Basic authentication and bearer tokens are explained in the documentation.",
        "The credential has no `id-token: write` permission.",
        "tokens=5 max_tokenize=1",
        "ada@example.com moved 3 jobs",
        f"plan {'9c1b' * 16}",
    ],
)
def test_what_only_looks_a_little_like_a_credential_stays(text: str) -> None:
    assert Redactor().clean(text) == text


@pytest.mark.parametrize(
    "piece",
    ["://", "a://", "http://u:", "eyJ-", "eyJaaaaaaaa-", "a-", "basic ", "authorization", "token", "?sig=",
     "access_", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "%3f", "ghp_", "xoxb-"],
)  # fmt: skip
def test_no_text_takes_long_to_clean(piece: str) -> None:
    # A pattern that goes back and forth would take minutes here, and the run's time limit.
    Redactor.of([SECRET]).clean(piece * 30_000 + ".com/=@")


def test_every_secret_that_the_sdk_reads_from_the_environment_is_known() -> None:
    attributes: dict[str, Any] = {
        name: one for name, one in vars(Config).items() if isinstance(one, ConfigAttribute)
    }
    sensitive = {one.env for one in attributes.values() if one.sensitive}
    assert len(sensitive) >= 5
    assert sensitive <= set(SECRET_VARIABLES)


def test_the_variable_that_names_another_one_is_followed() -> None:
    environ = {"DATABRICKS_OIDC_TOKEN_ENV": "MY_TOKEN", "MY_TOKEN": "hidden-one", "HOME": "/home"}
    assert secrets_in(environ) == ("hidden-one",)
