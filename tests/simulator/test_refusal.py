"""A refusal has the error code, the message and the HTTP status that VOD sends."""

from __future__ import annotations

from exporter.simulator.refusal import Refusal, invalid, missing, usual_status


def test_status_follows_the_code() -> None:
    for code, status in [
        ("InternalError", 500),
        ("ServiceUnavailable", 503),
        ("ServiceUnAvailable", 503),
        ("InvalidAccessKeyId.NotFound", 404),
        ("InvalidAction.NotFound", 404),
        ("InvalidSecurityToken.Expired", 403),
        ("Forbidden", 403),
        ("Forbidden.RAM", 403),
        ("NoSuchResource", 404),
        ("InvalidVideo.NotFound", 404),
        ("Throttling.User", 400),
        ("a code that VOD does not document", 400),
    ]:
        assert usual_status(code) == Refusal(code, "text").status == status


def test_refusal_has_code_and_message() -> None:
    refusal = Refusal("Forbidden", "You may not.")
    assert (refusal.code, refusal.message, str(refusal)) == ("Forbidden", "You may not.", "You may not.")


def test_missing_and_invalid_parameters_are_named() -> None:
    assert (missing("JobIds").code, missing("JobIds").status) == ("MissingParameter", 400)
    assert (invalid("PageNo").code, invalid("PageNo").status) == ("InvalidParameter", 400)
    assert "JobIds" in missing("JobIds").message
    assert "PageNo" in invalid("PageNo").message
