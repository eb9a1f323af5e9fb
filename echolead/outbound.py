"""Calls to URLs that tenants choose: the name is resolved once, the address is checked, and that address is called.

Otherwise a destination's URL could make the server call its own network or a cloud's metadata page (server-side request
forgery).
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection
from ipaddress import IPv4Address, IPv6Address
from typing import Self
from urllib.parse import urlsplit

import httpx

from echolead.networks import PRIVATE, SHARED
from echolead.settings import Settings

IpAddress = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]

ALLOWED_PORTS = (443, 8443)
DEFAULT_PORTS = {"http": 80, "https": 443}
# IPv6 ranges that contain an IPv4 address or are no longer in use, and relays, regardless of `ipaddress`.
NEVER = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "::/96", "64:ff9b:1::/48", "100::/64", "fec0::/10", "3fff::/20")
)
# The networks that ECHOLEAD_PRIVATE_DESTINATIONS and ECHOLEAD_ALLOW_PRIVATE_DESTINATIONS can allow. Link-local ones
# stay forbidden, because of metadata pages.
OPENABLE = (*PRIVATE, *SHARED)
METADATA = (IPv4Address("100.100.100.200"), IPv4Address("168.63.129.16"), IPv6Address("fd00:ec2::254"))
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 1035, 2.3.4: no resolver accepts longer ones, and Python raises another error for them than for unknown names.
NAME = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
# If the last label is digits or 0x…, WHATWG and inet_aton read the whole name as an IPv4 address.
LOOKS_NUMERIC = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\.?$", re.IGNORECASE)


Place = tuple[str, int]
"""A host, as written in the URL, and a port."""


class UnsafeAddress(Exception):
    """The deployment may not call this address; final until the configuration changes."""


def opened_places(settings: Settings) -> frozenset[Place]:
    """The private addresses allowed by the settings, for `check_url` and `GuardedTransport`."""
    given = [urlsplit(f"//{pair.strip()}") for pair in settings.private_destinations.split(",") if pair.strip()]
    return frozenset((place.hostname or "", place.port or 0) for place in given)


def is_private_place(url: httpx.URL, places: Collection[Place]) -> bool:
    """Whether the settings allow exactly this host and port, even if private."""
    return (_host(url), url.port or DEFAULT_PORTS.get(url.scheme, 0)) in places


def check_url(url: str, *, allow_private: bool, private_places: Collection[Place] = ()) -> httpx.URL:
    """The parsed URL, if its form is allowed. Names are resolved later, at each call.

    It must be https on port 443 or 8443, unless all private destinations or this one are allowed; without a user name;
    the host must be a name or a plainly written address. Raises `UnsafeAddress` with a sentence for the user.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UnsafeAddress(f"{url!r} is not an address: {error}.") from error
    host = _host(parsed)
    if parsed.scheme not in ("http", "https") or not host:
        raise UnsafeAddress(f"{url!r} is not an address: give it as https://host, with the scheme.")
    if parsed.userinfo:
        raise UnsafeAddress("The address holds a user name or password: leave them out and use --secret.")
    allow_private = allow_private or is_private_place(parsed, private_places)
    if not allow_private and parsed.scheme != "https":
        raise UnsafeAddress(
            f"{url!r} is not encrypted: use https://, or name its host and port in ECHOLEAD_PRIVATE_DESTINATIONS for "
            "a product on your own network."
        )
    if parsed.port is not None and not 0 < parsed.port < 2**16:
        raise UnsafeAddress(f"Port {parsed.port} does not exist: ports are 1 to 65535.")
    if not allow_private and (parsed.port or 443) not in ALLOWED_PORTS:
        raise UnsafeAddress(
            f"Port {parsed.port} is not allowed for deliveries: use 443 or 8443, or name host and port in "
            "ECHOLEAD_PRIVATE_DESTINATIONS for a product on your own network."
        )
    literal = _literal(host)
    if literal is not None:
        check_address(literal, host, allow_private=allow_private)
    elif not NAME.fullmatch(parsed.raw_host.decode("ascii")):
        raise UnsafeAddress(f"{host!r} is not a host name: check the address for a slip of the pen.")
    elif _is_loopback_name(host) and not allow_private:
        raise UnsafeAddress(_not_public(host))
    return parsed


def check_address(address: IpAddress, host: str, *, allow_private: bool) -> None:
    """Refuse addresses of this machine, of private networks, and of more than one machine. Raises `UnsafeAddress`."""
    if isinstance(address, IPv6Address) and address in NAT64:
        # The answer of a DNS64 resolver on a network without IPv4 is equivalent to the IPv4 address in it.
        check_address(IPv4Address(int(address) & 0xFFFFFFFF), host, allow_private=allow_private)
        return
    carried = _carried(address)
    if carried is not None:
        raise UnsafeAddress(f"{host} stands for {carried} inside an IPv6 address: give the plain address or a name.")
    if address in METADATA:
        raise UnsafeAddress(f"{host} is {address}, where clouds keep machines' secrets: choose another address.")
    if any(address in network for network in OPENABLE if network.version == address.version):
        if allow_private:
            return
        raise UnsafeAddress(_not_public(f"{host} ({address})" if host != str(address) else host))
    if any(address in network for network in NEVER if network.version == address.version):
        raise UnsafeAddress(f"{host} is {address}, which is not the address of a server: choose another address.")
    if not address.is_global or address.is_multicast or address.is_reserved:
        raise UnsafeAddress(f"{host} is {address}, which is not the address of a server: choose another address.")


class GuardedTransport(httpx.AsyncBaseTransport):
    """An httpx transport that calls public addresses only: `httpx.AsyncClient(transport=GuardedTransport(…))`.

    Each request, also after a redirect, is resolved and checked again. It is sent to the checked address; TLS and
    `Host` keep the name. All addresses of a name must pass; if one does not answer, the next is tried. Raises
    `UnsafeAddress`, which a retry does not solve, and `httpx.ConnectError` if the name does not resolve.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        private_places: Collection[Place] = (),
        inner: httpx.AsyncBaseTransport | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._private_places = private_places
        self._inner = inner or httpx.AsyncHTTPTransport()
        self._resolve = resolve or _resolve

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` to the first of the checked addresses that accepts a connection."""
        url = check_url(str(request.url), allow_private=self._allow_private, private_places=self._private_places)
        addresses = await self._addresses(url, request)
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_aimed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent yet
        return await self._inner.handle_async_request(_aimed(request, addresses[-1]))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def _addresses(self, url: httpx.URL, request: httpx.Request) -> list[IpAddress]:
        literal = _literal(url.host)
        if literal is not None:
            return [literal]  # `check_url` has accepted it
        port = url.port or DEFAULT_PORTS[url.scheme]
        try:
            found = await self._resolve(url.raw_host.decode("ascii"), port)
        except OSError as error:
            raise httpx.ConnectError(f"{url.host} does not resolve: {error}", request=request) from error
        addresses = [_literal_or_refuse(text, url.host) for text in dict.fromkeys(found)]
        if not addresses:
            raise httpx.ConnectError(f"{url.host} does not resolve", request=request)
        allow_private = self._allow_private or is_private_place(url, self._private_places)
        for address in addresses:
            check_address(address, url.host, allow_private=allow_private)
        return addresses


def _host(url: httpx.URL) -> str:
    """The host. Raises `UnsafeAddress` for an invalid encoded name (`xn--…`), which httpx cannot call either."""
    try:
        return url.host
    except ValueError as error:
        raise UnsafeAddress(f"{url.raw_host.decode('ascii')!r} is not a host name: {error}.") from error


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _aimed(request: httpx.Request, address: IpAddress) -> httpx.Request:
    """The same request, sent to an address; the certificate is checked against the original name."""
    return httpx.Request(
        method=request.method,
        url=request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
    )


def _literal(host: str) -> IpAddress | None:
    """The IP address in a host, None for a name. Raises `UnsafeAddress` for an unusual notation."""
    bare = host.strip("[]")
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        if LOOKS_NUMERIC.search(bare) or ":" in bare:
            raise UnsafeAddress(
                f"{host!r} is an unusual notation of an IP address: write it as four numbers, or use a name."
            ) from None
        return None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise UnsafeAddress(f"{host!r} names a network interface of this machine: give a name or a public address.")
    return address


def _literal_or_refuse(text: str, host: str) -> IpAddress:
    address = _literal(text)
    if address is None:
        raise UnsafeAddress(f"{host} resolves to {text!r}, which is not an address.")
    return address


def _carried(address: IpAddress) -> IPv4Address | None:
    """The IPv4 address inside an IPv6 one: mapped, 6to4, Teredo."""
    if isinstance(address, IPv4Address):
        return None
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _is_loopback_name(host: str) -> bool:
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def _not_public(what: str) -> str:
    return (
        f"{what} is on a private network or this machine: name host and port in ECHOLEAD_PRIVATE_DESTINATIONS if "
        "leads are meant to go there."
    )
