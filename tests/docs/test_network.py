"""docs/network.md has the variables of the environment that the code reads, and the codes of the errors on the way."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "network.md").read_text()
CREDENTIALS = (ROOT / "docs" / "configuration.md").read_text()
VARIABLE = r"(?:ALIBABA_CLOUD|REQUESTS|CURL|SSL)_[A-Z_]+|[A-Z]+_PROXY"


def code(name: str) -> str:
    return (ROOT / "exporter" / "vod" / f"{name}.py").read_text()


def test_each_variable_that_the_code_reads_is_on_the_page_or_among_the_keys() -> None:
    read = set(re.findall(rf'"({VARIABLE})"', code("route") + code("chain"))) | {"HTTPS_PROXY", "NO_PROXY"}
    assert {name for name in read if f"`{name}" not in PAGE + CREDENTIALS} == set()


def test_each_variable_of_the_network_has_a_row() -> None:
    """tests/vod/test_route.py, test_session.py and test_chain.py show that each has an effect."""
    for name in [
        *(
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "ALL_PROXY",
            "NO_PROXY",
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
            "SSL_CERT_FILE",
        ),
        *("SSL_CERT_DIR", "ALIBABA_CLOUD_STS_REGION", "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"),
    ]:
        assert re.search(rf"^\| `{name}` \| .+ \|$", PAGE, re.MULTILINE)
        tests = "".join(
            (ROOT / "tests" / "vod" / f"test_{part}.py").read_text() for part in ("route", "session", "chain")
        )
        assert f'"{name}"' in tests


def test_each_code_of_a_failed_connection_has_a_row() -> None:
    codes = set(re.findall(r'\(ConnectionFailed, "(\w+)"', code("transport"))) - {"url", "reset"}
    rows = "".join(re.findall(r"^\| (.+?) \|", PAGE.partition("## Messages")[2], re.MULTILINE))
    assert {name for name in codes if f"`{name}`" not in rows} == set()


def test_other_pages_lead_here() -> None:
    assert "(network.md" in CREDENTIALS
    assert "(docs/network.md" in (ROOT / "README.md").read_text()
