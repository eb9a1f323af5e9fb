"""Networks outside the public internet, defined once for all parts."""

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


PRIVATE = _networks("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
"""Loopback and private networks (RFC 1918, RFC 4193). Python's `is_private` also has networks for documentation."""
SHARED = _networks("100.64.0.0/10")
"""Addresses that a provider shares among its customers (RFC 6598); also of overlay networks such as Tailscale."""
LINK_LOCAL = _networks("169.254.0.0/16", "fe80::/10")
"""Link-local networks (RFC 3927, RFC 4291), on which clouds serve their metadata pages."""
