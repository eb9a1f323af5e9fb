"""The client's address behind trusted proxies, and how much of it a tenant keeps."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

RawHeaders = Sequence[tuple[bytes, bytes]]
MAX_FORWARDED = 20  # proxies in a chain; no honest chain is longer


class TrustedProxies:
    """Addresses and networks whose `X-Forwarded-For` and `X-Forwarded-Host` are trusted."""

    def __init__(self, comma_separated: str) -> None:
        """Raises `ValueError` naming the entry that is neither an address nor a network."""
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(entry.strip(), strict=False) for entry in comma_separated.split(",") if entry.strip()
        ]
        self.trusts = lru_cache(maxsize=4096)(self._trusts)

    def client_ip(self, peer: str, headers: RawHeaders) -> str:
        """The address of the client: the last one in the chain that is not a trusted proxy.

        The client may have written anything that stands to the left of it.
        """
        values = [value for name, value in headers if name == b"x-forwarded-for"]
        if not values:
            return peer
        chain = b",".join(values).decode("latin-1")
        client = peer
        for hop in reversed([hop.strip() for hop in chain.split(",") if hop.strip()][-MAX_FORWARDED:]):
            if not self.trusts(client):
                break
            address = parse_ip(hop)
            if address is None:
                break
            client = str(address)
        return client

    def is_https(self, peer: str, scheme: str, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the client's own connection is encrypted, as the nearest trusted proxy says."""
        said = headers.get(b"x-forwarded-proto")
        if said is None or not self.trusts(peer):
            return scheme == "https"
        return said.rpartition(b",")[2].strip().lower() == b"https"

    def _trusts(self, peer: str) -> bool:
        address = parse_ip(peer)
        return address is not None and any(address in network for network in self._networks)


def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: bare, with a port, in brackets; IPv4 mapped into IPv6 counts as IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


class IpPolicy:
    """Reduces a visitor's address to the form that the tenant's policy allows.

    `whole` keeps all of it, `truncated` its first 24 bits (IPv6: 48), `hashed` an HMAC salted with the tenant and the
    UTC day: visits of one address on one day have the same hash, and the hash leads neither to the address nor to
    another day.
    """

    def __init__(self, key: str) -> None:
        """With a `key` the hash is the same in every worker; without one each process makes its own."""
        self._key = sha256(b"ip-policy:" + key.encode()).digest() if key else secrets.token_bytes(32)
        self._keep = lru_cache(maxsize=65_536)(self._kept)

    def keep(self, ip: str, policy: str, tenant_id: str) -> str:
        """The form of `ip` to store; empty if it is not an address."""
        if policy != "hashed":
            return self._keep(ip, policy, "")
        return self._keep(ip, policy, f"{tenant_id}:{datetime.now(UTC):%Y-%m-%d}")

    def _kept(self, ip: str, policy: str, salt: str) -> str:
        address = parse_ip(ip)
        if address is None:
            return ""
        if policy == "whole":
            return str(address)
        if policy == "hashed":
            return hmac.new(self._key, f"{salt}:{address}".encode(), sha256).hexdigest()[:32]
        network = ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False)
        return str(network.network_address)
