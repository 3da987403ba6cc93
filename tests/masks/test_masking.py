"""Masks find secrets in every encoding, leave other text as it is, and take time in proportion to the text."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.errors import CredentialsError
from exporter.masks import LIMIT, mask, mask_url, remember
from exporter.masks.urls import INVALID_URL
from exporter.metrics import catalog
from exporter.vod import refusals
from tests.conftest import growth
from tests.masks.conftest import BASE64, ENCODINGS

SECRETS = st.from_regex(r"[A-Za-z0-9+/=._~-]{16,80}", fullmatch=True)
HARMLESS = st.text("abcXYZ .,()é中\n", max_size=20)


@given(
    secret=SECRETS,
    first=st.sampled_from(sorted(ENCODINGS | BASE64)),
    others=st.lists(st.sampled_from(sorted(ENCODINGS)), max_size=2),
    before=HARMLESS,
    after=HARMLESS,
)
def test_our_own_secret_is_found_in_any_encodings_of_each_other(
    secret: str, first: str, others: Sequence[str], before: str, after: str
) -> None:
    written = (ENCODINGS | BASE64)[first](secret)
    for name in others:
        written = ENCODINGS[name](written)
    masked = mask(f"{before} {written} {after}", secrets=[secret])
    assert written not in masked
    assert "<secret>" in masked
    assert masked.startswith(f"{before} ")
    assert masked.endswith(f" {after}")


@given(
    name=st.sampled_from(
        ["Signature", "x-oss-security-token", "SecurityToken", "auth_key", "access_key_secret", "sign"]
    ),
    value=st.from_regex(r"[A-Za-z0-9+/]{8,40}={0,2}", fullmatch=True),
    form=st.sampled_from(["{}={}", "{}: {}", "{} = {}", '"{}":"{}"', "'{}': '{}'", "?x=1&{}={}&y=2", "{}: Bearer {}"]),
    encodings=st.lists(st.sampled_from(sorted(ENCODINGS)), max_size=3),
)
def test_the_value_after_the_name_of_a_secret_is_found_in_any_encodings(
    name: str, value: str, form: str, encodings: Sequence[str]
) -> None:
    text, written = form.format(name, value), value
    for encoding in encodings:
        text, written = ENCODINGS[encoding](text), ENCODINGS[encoding](written)
    assume(written in text)
    masked = mask(f"said {text} at last")
    assert written not in masked
    assert masked.startswith("said ")
    assert masked.endswith(" at last")


def test_values_that_look_like_secrets_are_cut() -> None:
    for text, masked in [
        ("https://h/x%3FSignature%3DSECRETSIG", "https://h/x%3FSignature%3D…"),
        ("Signature: SECRETSIG", "Signature: …"),
        ("x-oss-security-token: SECRETSIG", "x-oss-security-token: …"),
        ('"SecurityToken":"SECRETSIG"', '"SecurityToken":"…"'),
        ('{\\"SecurityToken\\":\\"SECRETSIG\\"}', '{\\"SecurityToken\\":\\"…\\"}'),
        ("Authorization: OSS AKID:SECRETSIG", "Authorization: …"),
        ("sent OSS AKID:SECRETSIG to it", "sent … to it"),
        ("Authorization: Bearer SECRETSIG,", "Authorization: Bearer …,"),
        ("with Bearer SECRETSIG.", "with Bearer …"),
        ("secret = SECRETSIG", "secret = …"),
        ("token SECRETSIG", "token …"),
        ("the token is 0f2e4a6c.", "the token is …"),
        ('signature "SECRETSIG"', 'signature "…"'),
        ("token: Signature: SECRETSIG", "token: … …"),
        ("Ｓignature=SECRETSIG", "Ｓignature=…"),
        ("token=a%20b%26c", "token=…"),
        ("https%3A%2F%2Fuser%3APASS%40h%2Fp", "https%3A%2F%2F…%40h%2Fp"),
        ("https://cdn/1700000000/0123456789abcdef0123456789abcdef/x.mp4", "https://cdn/…/x.mp4"),
        ("got CAISzwJ1q6Ft5B2yfSjIr5fF for it", "got … for it"),
        ("got eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMe for it", "got … for it"),
    ]:
        assert mask(text) == masked
        assert "SECRETSIG" not in mask_url(text)


def test_other_text_stays_as_it_is() -> None:
    for text in [
        "the token differs from the token of the configuration",
        "c.yml:7: accounts[0].credentials.access_key_secret: is given twice, first on line 5; keep one",
        "api.token: is shorter than 16 characters; write at least 16 random characters",
        "send the token: Authorization: Bearer TOKEN",
        "Specified signature is not matched with our calculation.",
        "InvalidSecurityToken.Expired: Specified SecurityToken is expired. (renew the security token: it is invalid)",
        "SignatureMethod=HMAC-SHA1&SignatureNonce=17&SignatureVersion=1.0",
        "design=5 assign: 6, a mail to ops@example.com, 100% of 12%20, C:\\users\\new, a & b; R&D;",
        "read http://b.oss.aliyuncs.com/a/b.mp4 twice: codec=h264, 12:30",
        "GetTranscodeTask: NoSuchResource: no such task 3d705f385b23438385a2bdd6c4e3a1b2 [RequestId 25818875-5F78]",
        "OSS bucket: my-bucket, KeyMarker: a, basic profile 12345678",
    ]:
        assert mask(text) == text


def test_help_texts_and_remedies_stay_as_they_are() -> None:
    for code in ("InvalidAccessKeyId.NotFound", "SignatureDoesNotMatch", "InvalidSecurityToken.Expired", "Forbidden"):
        text = str(refusals.refusal("GetVideoList", status=400, code=code, message="", retry_after=None))
        assert mask(text) == text
    for metric in catalog.CATALOG:
        assert mask(metric.help) == metric.help


def test_a_masked_text_is_masked_again_without_a_change() -> None:
    remember("Sw5V5dBr8qLSgP4eNVIsqXnJuwkS7d")
    for text in (
        "Signature: SECRETSIG x",
        "it is Sw5V5dBr8qLSgP4eNVIsqXnJuwkS7d",
        "https://u:p@h/a?b=c d",
        '"token":"X1"',
    ):
        once = mask(text)
        assert once != text
        assert mask(once) == once


def test_a_text_is_cut_to_the_limit_and_says_so() -> None:
    assert mask("a b" * LIMIT) == f"{('a b' * LIMIT)[: LIMIT - 1]}…"
    assert (mask("abcdef", limit=4), mask("abcd", limit=4)) == ("abc…", "abcd")
    assert mask_url(f"http://h/{'a' * 100}", limit=12) == "http://h/aa…"


def test_only_the_part_that_may_be_shown_is_read() -> None:
    """A text of 100 MB costs no more than a short one."""
    assert mask("x" * (100 << 20)) == mask("x" * (100 << 10))


@pytest.mark.parametrize(
    "unit",
    [
        *("token=", "token: ", "token token ", "//a:b", "//", "a@", "a:b@", "%25", "%e4", "&amp;", "\\\\", '\\"', "?="),
        *("Signature%3D", "CAIS", "eyJa.", "OSS a", "OSS a:", "CANARY", "Authorization: bearer ", "' token '"),
    ],
)
def test_the_time_grows_no_faster_than_the_text(unit: str) -> None:
    secrets = ["CANARY", "CANARYCANARYCANARYCANARY" * 20]
    small, large = (unit * (size // len(unit)) for size in (1000, 8000))
    assert growth(lambda: mask(small, secrets=secrets), lambda: mask(large, secrets=secrets), rounds=3) < 24


@given(text=st.text(max_size=300))
def test_any_text_can_be_masked(text: str) -> None:
    mask(text)
    mask_url(text)


def test_errors_of_credentials_show_no_invalid_url_as_a_secret() -> None:
    assert mask(str(CredentialsError(INVALID_URL, code="keys"))) == INVALID_URL
