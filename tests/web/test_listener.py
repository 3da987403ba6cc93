"""Listen addresses, and the sockets that they give."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.errors import ListenError
from exporter.web.listener import listen, listen_all, name, parse, url


def has_ipv6() -> bool:
    """Whether sockets can serve IPv4 and IPv6, and the loopback has its IPv6 address. Many containers lack it."""
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return socket.has_dualstack_ipv6()
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        (":10870", ("", 10870)),
        ("127.0.0.1:10870", ("127.0.0.1", 10870)),
        ("[::1]:10870", ("::1", 10870)),
        ("[fe80::1%eth0]:1", ("fe80::1%eth0", 1)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses_in_the_notation_of_prometheus_are_parsed(address: str, parsed: tuple[str, int]) -> None:
    assert parse(address) == parsed


def test_a_malformed_address_is_refused_with_examples() -> None:
    for address in [
        "",
        "10870",
        "localhost",
        ":",
        ":x",
        ":65536",
        ":-1",
        "::1:10870",
        "[::1]",
        ":\uff11",
        "a b:1",
        "a:1\n",
    ]:
        with pytest.raises(ListenError, match=r"write :10870, 127\.0\.0\.1:10870 or \[::1\]:10870") as caught:
            listen(address)
        assert "\n" not in str(caught.value), address


def test_a_port_in_use_is_named_with_a_remedy(taken: int) -> None:
    with pytest.raises(ListenError, match="; stop the program that uses this port, or"):
        listen(f"127.0.0.1:{taken}")


@pytest.mark.parametrize(
    ("host", "reason"), [("127.0.0.1", "in use"), ("203.0.113.7", "assign"), ("no.invalid", "cannot listen")]
)
def test_the_reason_is_said_once_and_names_the_address_once(host: str, reason: str, taken: int) -> None:
    """Python adds "(while attempting to bind on address ...)" to the reason."""
    with pytest.raises(ListenError, match=reason) as caught:
        listen(f"{host}:{taken}")
    text = str(caught.value)
    assert (text.count(host), text.count(str(taken)), "while" in text) == (1, 1, False)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70, "203.0.113.7"])
def test_a_host_of_another_machine_is_refused(host: str) -> None:
    """A name that does not resolve, a name that is too long for DNS, and the address of another machine."""
    with pytest.raises(ListenError, match=r"; choose an address of this machine"):
        listen(f"{host}:10870")


@needs_ipv6
def test_without_a_host_ipv4_and_ipv6_are_served() -> None:
    with contextlib.closing(listen(":0")) as listener:
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=5).close()
        assert name(listener) == f"[::]:{port}"
        assert url(listener) == f"http://127.0.0.1:{port}"


@needs_ipv6
def test_url_of_an_ipv6_listener_has_brackets() -> None:
    with contextlib.closing(listen("[::1]:0")) as listener:
        assert url(listener) == f"http://[::1]:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("address", "host"), [("0.0.0.0:0", "127.0.0.1"), ("127.0.0.1:0", "127.0.0.1")])
def test_url_leads_to_the_listener(address: str, host: str) -> None:
    with contextlib.closing(listen(address)) as listener:
        assert url(listener) == f"http://{host}:{listener.getsockname()[1]}"


def test_several_addresses_give_a_socket_each_and_repeated_ones_only_one() -> None:
    with contextlib.ExitStack() as opened:
        listeners = [opened.enter_context(each) for each in listen_all(["127.0.0.1:0", "127.0.0.2:0", "127.0.0.1:0"])]
        assert [listener.getsockname()[0] for listener in listeners] == ["127.0.0.1", "127.0.0.2"]


@needs_ipv6
def test_ipv4_and_ipv6_can_be_listened_on_separately_at_one_port() -> None:
    with contextlib.ExitStack() as opened:
        (first,) = listen_all(["0.0.0.0:0"])
        port = opened.enter_context(first).getsockname()[1]
        opened.enter_context(listen(f"[::]:{port}"))


def test_if_one_address_fails_no_socket_stays_open(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[socket.socket] = []
    create = socket.create_server

    def noted(*arguments: Any, **options: Any) -> socket.socket:
        opened.append(create(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(socket, "create_server", noted)
    with pytest.raises(ListenError, match=str(taken)):
        listen_all(["127.0.0.1:0", f"127.0.0.1:{taken}"])
    assert [listener.fileno() for listener in opened] == [-1]
