"""Allowed targets of deliveries: private addresses are refused in every notation, and names are checked, too."""

import socket
from collections.abc import Callable

import httpx
import pytest

from echolead.outbound import GuardedTransport, UnsafeAddress, check_url, opened_places
from echolead.settings import Settings

# Each is an address that destinations must not reach, in one of its notations.
NEVER = [
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192",  # noqa: S104
    "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255", "[::]", "[fe80::1]", "[fe80::1%25eth0]", "[fec0::1]", "[ff02::1]",
    "[fd00:ec2::254]", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[64:ff9b:1::1]",
    # IPv4 inside IPv6
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::ffff:8.8.8.8]", "[::127.0.0.1]",
    "[2002:7f00:1::]", "[2002:a9fe:a9fe::]", "[2001:0:53aa:64c:0:fbff:80ff:fffe]", "[64:ff9b::a9fe:a9fe]",
    # unusual notations of numbers
    "2130706433", "017700000001", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1",
    "127.0.0.0x1", "1", "0", "127.0.0.01", "2852039166", "127.0.0.1.",
]  # fmt: skip
# Forbidden unless the settings allow them.
PRIVATE = [
    "127.0.0.1", "127.1.2.3", "127.255.255.255", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
    "192.168.0.1", "192.168.255.255", "100.64.0.1", "100.127.255.255", "[::1]", "[0:0:0:0:0:0:0:1]", "[fc00::1]",
    "[fdff::1]", "[64:ff9b::7f00:1]", "localhost", "LOCALHOST", "localhost.", "app.localhost",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "172.32.0.1", "100.128.0.1", "11.0.0.1", "[2606:4700::1111]", "[64:ff9b::808:808]", "1.1.1.1"]


def test_the_table_is_long_enough() -> None:
    assert len({*NEVER, *PRIVATE}) >= 60


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize("host", NEVER)
def test_addresses_that_are_not_public_are_never_called(host: str, allow_private: bool) -> None:
    with pytest.raises(UnsafeAddress):
        check_url(f"https://{host}/", allow_private=allow_private)


@pytest.mark.parametrize("host", PRIVATE)
def test_private_addresses_are_called_only_if_the_settings_allow_it(host: str) -> None:
    with pytest.raises(UnsafeAddress, match="ECHOLEAD_PRIVATE_DESTINATIONS"):
        check_url(f"https://{host}/", allow_private=False)
    check_url(f"http://{host}:3000/", allow_private=True)


@pytest.mark.parametrize("host", [*PUBLIC, "chat.example.com", "xn--caf-dma.example", "127.0.0.1.nip.example"])
def test_public_addresses_and_names_pass(host: str) -> None:
    check_url(f"https://{host}/", allow_private=False)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://chat.example.com", "not encrypted"),
        ("https://chat.example.com:22", "443 or 8443"),
        ("https://user:pass@chat.example.com", "user name"),
        ("https://chat.example.com\\@127.0.0.1/", "."),
        ("ftp://chat.example.com", "not an address"),
        ("file:///etc/passwd", "not an address"),
        ("chat.example.com", "not an address"),
        ("https://", "not an address"),
        ("", "not an address"),
        ("https://chat.example.com:99999", "."),
        ("https://exa mple.com", "."),
        pytest.param(f"https://{'a' * 64}.example.com", "not a host name", id="a label no resolver takes"),
        pytest.param(f"https://{'a.' * 127}com", "not a host name", id="a name no resolver takes"),
    ],
)
def test_other_forms_of_urls_are_refused_with_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(UnsafeAddress, match=sentence):
        check_url(url, allow_private=False)


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_an_invalid_port_is_refused_also_on_a_private_network(port: int) -> None:
    """65536 more are the same port to the system's resolver."""
    with pytest.raises(UnsafeAddress, match="does not exist"):
        check_url(f"http://127.0.0.1:{port}/", allow_private=True)


@pytest.mark.parametrize("host", ["xn--example", "xn--", "xn--a.xn--b", "xn--n3h.com", "XN--A.test", "xn--0.test"])
def test_a_name_that_only_looks_encoded_is_refused_with_a_sentence(host: str) -> None:
    with pytest.raises(UnsafeAddress, match="not a host name"):
        check_url(f"https://{host}/hook", allow_private=True)


def test_full_width_digits_are_read_as_an_ip_address() -> None:
    with pytest.raises(UnsafeAddress):
        check_url("https://１２７.０.０.１/", allow_private=False)


# At the moment of the call


def resolving(*addresses: str) -> Callable[[str, int], object]:
    async def resolve(host: str, port: int) -> list[str]:
        if not addresses:
            raise socket.gaierror("unknown name")
        return list(addresses)

    return resolve


def client(
    resolve: object, seen: list[httpx.Request], *, allow_private: bool = False, failing: int = 0
) -> httpx.AsyncClient:
    """A client that records its calls in `seen`; the first `failing` calls cannot connect."""

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) <= failing:
            raise httpx.ConnectError("refused", request=request)
        if request.url.path == "/redirect":
            return httpx.Response(302, headers={"location": "https://169.254.169.254/latest"})
        return httpx.Response(200, text=(await request.aread()).decode())

    transport = GuardedTransport(allow_private=allow_private, inner=httpx.MockTransport(answer), resolve=resolve)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport)


async def test_the_checked_address_is_called_with_the_original_name() -> None:
    seen: list[httpx.Request] = []
    async with client(resolving("8.8.8.8"), seen) as http:
        answer = await http.post("https://chat.example.com:8443/x?y=1", content=b"body")
    [request] = seen
    assert str(request.url) == "https://8.8.8.8:8443/x?y=1"
    assert request.headers["host"] == "chat.example.com:8443"
    assert request.extensions["sni_hostname"] == "chat.example.com"
    assert (answer.text, str(answer.request.url)) == ("body", "https://chat.example.com:8443/x?y=1")


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(("127.0.0.1",), id="loopback"),
        pytest.param(("169.254.169.254",), id="metadata"),
        pytest.param(("8.8.8.8", "10.0.0.1"), id="one of two private"),
        pytest.param(("::ffff:10.0.0.1",), id="IPv4 in IPv6"),
        pytest.param(("fe80::1%eth0",), id="link-local with interface"),
        pytest.param(("64:ff9b::a00:1",), id="private behind NAT64"),
    ],
)
async def test_a_name_that_resolves_to_a_private_address_is_not_called(addresses: tuple[str, ...]) -> None:
    seen: list[httpx.Request] = []
    async with client(resolving(*addresses), seen) as http:
        with pytest.raises(UnsafeAddress):
            await http.get("https://innocent.example.com/")
    assert seen == []


async def test_a_name_is_resolved_once_for_each_call() -> None:
    asked: list[str] = []

    async def changing(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["8.8.8.8"] if len(asked) == 1 else ["127.0.0.1"]

    seen: list[httpx.Request] = []
    async with client(changing, seen) as http:
        await http.get("https://rebinding.example.com/")
        with pytest.raises(UnsafeAddress):
            await http.get("https://rebinding.example.com/")
    assert (len(asked), len(seen)) == (2, 1)


async def test_a_redirect_is_checked_like_any_call() -> None:
    seen: list[httpx.Request] = []
    async with client(resolving("8.8.8.8"), seen) as http:
        with pytest.raises(UnsafeAddress):
            await http.get("https://chat.example.com/redirect", follow_redirects=True)
    assert len(seen) == 1


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    seen: list[httpx.Request] = []
    async with client(resolving("2606:4700::1111", "8.8.8.8"), seen, failing=1) as http:
        answer = await http.post("https://chat.example.com/", content=b"body")
    assert [request.url.host for request in seen] == ["2606:4700::1111", "8.8.8.8"]
    assert answer.text == "body"


async def test_a_name_that_does_not_resolve_can_be_tried_again_later() -> None:
    async with client(resolving(), []) as http:
        with pytest.raises(httpx.ConnectError, match="does not resolve"):
            await http.get("https://chat.example.com/")


async def test_a_demo_on_this_machine_can_be_allowed() -> None:
    seen: list[httpx.Request] = []
    async with client(resolving("127.0.0.1", "::1"), seen, allow_private=True) as http:
        await http.get("http://localhost:8707/api")
    assert str(seen[0].url) == "http://127.0.0.1:8707/api"


async def test_tls_is_checked_against_the_name(unused_tcp_port: int) -> None:
    """The real transport: no server listens, and the error may be solved by a retry."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with httpx.AsyncClient(transport=GuardedTransport(allow_private=True, resolve=resolve)) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"https://chat.example.com:{unused_tcp_port}/")


OPENED = Settings(private_destinations="127.0.0.1:3000, chat.internal:8080,[::1]:3000")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:3000/api", "http://chat.internal:8080/", "http://CHAT.internal:8080/", "http://[::1]:3000/"],
)
def test_a_named_private_address_is_called_over_http(url: str) -> None:
    check_url(url, allow_private=False, private_places=opened_places(OPENED))


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://127.0.0.1:3001/", id="another port"),
        pytest.param("http://127.0.0.1/", id="no port"),
        pytest.param("http://127.0.0.2:3000/", id="another address"),
        pytest.param("http://localhost:3000/", id="another name of the same machine"),
        pytest.param("http://other.internal:8080/", id="another name"),
        pytest.param("http://127.0.0.1:8080/", id="host of one and port of the other"),
    ],
)
def test_a_named_private_address_allows_no_other(url: str) -> None:
    with pytest.raises(UnsafeAddress):
        check_url(url, allow_private=False, private_places=opened_places(OPENED))


async def test_only_a_named_host_may_resolve_to_a_private_address() -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200)

    transport = GuardedTransport(
        allow_private=False,
        private_places=opened_places(OPENED),
        inner=httpx.MockTransport(answer),
        resolve=resolving("10.0.0.5"),  # type: ignore[arg-type]
    )
    async with httpx.AsyncClient(transport=transport) as http:
        assert (await http.get("http://chat.internal:8080/")).status_code == 200
        with pytest.raises(UnsafeAddress):
            await http.get("https://chat.internal/")


@pytest.mark.parametrize("places", ["127.0.0.1", "http://127.0.0.1:3000", "127.0.0.1:port", "a b:1"])
def test_malformed_private_destinations_are_refused_at_the_start(places: str) -> None:
    with pytest.raises(ValueError, match="private_destinations"):
        Settings(private_destinations=places)
