"""The exception tree is as drawn in the docstring of the module, and errors have their details."""

from __future__ import annotations

import inspect
import re

import pytest

from exporter import errors


def drawn() -> dict[str, str]:
    """The base of each class, as drawn."""
    tree: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)([A-Z]\w+)(?:  |$)", line)
        if match:
            depth = len(match[1]) // 4
            above[depth:] = [match[2]]
            tree[match[2]] = above[depth - 1] if depth else "Exception"
    return tree


def test_the_exception_tree_is_as_drawn() -> None:
    defined = {
        name: kind.__base__.__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if kind.__module__ == errors.__name__ and kind.__base__
    }

    assert defined == drawn()


def test_every_error_has_a_docstring() -> None:
    assert [name for name in drawn() if not getattr(errors, name).__doc__] == []


def test_a_config_error_holds_all_faults_in_order() -> None:
    error = errors.ConfigError(["a.yml:1: x: wrong", "a.yml:9: y: wrong"])

    assert error.faults == ("a.yml:1: x: wrong", "a.yml:9: y: wrong")
    assert str(error) == "a.yml:1: x: wrong\na.yml:9: y: wrong"


@pytest.mark.parametrize("kind", [errors.DeadlineError, errors.ConnectionFailed, errors.MalformedResponse])
def test_failed_call_has_the_code_it_counts_under(kind: type[errors.VodError]) -> None:
    error = kind("no answer", code="Timeout")

    assert (str(error), error.code) == ("no answer", "Timeout")


def test_a_refusal_has_the_wait_that_the_service_asked_for() -> None:
    assert errors.Throttled("slow down", code="Throttling.User", retry_after=2.5).retry_after == 2.5
    assert errors.Throttled("slow down", code="Throttling.User").retry_after is None


def test_expired_token_is_a_credentials_error() -> None:
    """After one refresh of the token it is handled like other errors of credentials (faults 21)."""
    assert issubclass(errors.TokenExpired, errors.CredentialsError)
