"""The client's address of a request, and its stored form."""

import pytest

from ingest_api.http.addresses import IpPolicy, TrustedProxies


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        pytest.param("203.0.113.9", None, "203.0.113.9", id="no proxy"),
        pytest.param("203.0.113.9", "198.51.100.1", "203.0.113.9", id="a stranger's claim"),
        pytest.param("10.0.0.1", "198.51.100.1", "198.51.100.1", id="our proxy's word"),
        pytest.param("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1", id="a claim the client put before"),
        pytest.param("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1", id="two proxies of ours"),
        pytest.param("10.0.0.1", "nonsense", "10.0.0.1", id="nonsense"),
        pytest.param("10.0.0.1", "[2001:db8::7]:443", "2001:db8::7", id="IPv6 with a port"),
        pytest.param("10.0.0.1", "198.51.100.1:5000", "198.51.100.1", id="IPv4 with a port"),
        pytest.param("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1", id="our proxy on an IPv6 socket"),
    ],
)
def test_the_client_is_the_last_hop_that_is_not_a_trusted_proxy(peer: str, forwarded: str | None, client: str) -> None:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    assert TrustedProxies("127.0.0.1, 10.0.0.0/8").client_ip(peer, headers) == client


def test_repeated_headers_are_one_list() -> None:
    headers = [(b"x-forwarded-for", b"1.2.3.4"), (b"x-forwarded-for", b"198.51.100.1")]
    assert TrustedProxies("10.0.0.1").client_ip("10.0.0.1", headers) == "198.51.100.1"


def test_an_invalid_proxy_address_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"traefik\.internal"):
        TrustedProxies("127.0.0.1, traefik.internal")


@pytest.mark.parametrize(
    ("ip", "policy", "kept"),
    [
        pytest.param("203.0.113.77", "whole", "203.0.113.77", id="whole"),
        pytest.param("203.0.113.77", "truncated", "203.0.113.0", id="IPv4 to 24 bits"),
        pytest.param("2001:db8:1:2:3::7", "truncated", "2001:db8:1::", id="IPv6 to 48 bits"),
        pytest.param("::ffff:203.0.113.77", "truncated", "203.0.113.0", id="IPv4 in IPv6"),
        pytest.param("not an address", "whole", "", id="no address"),
    ],
)
def test_an_address_is_kept_by_the_tenants_policy(ip: str, policy: str, kept: str) -> None:
    assert IpPolicy("key").keep(ip, policy, "t") == kept


def test_a_hashed_address_is_the_same_for_one_tenant_and_key_only() -> None:
    hashed = IpPolicy("key").keep("203.0.113.77", "hashed", "a")
    assert hashed == IpPolicy("key").keep("203.0.113.77", "hashed", "a")
    assert "203" not in hashed[:3]
    others = {
        IpPolicy("key").keep("203.0.113.77", "hashed", "b"),
        IpPolicy("other").keep("203.0.113.77", "hashed", "a"),
        IpPolicy("").keep("203.0.113.77", "hashed", "a"),
        IpPolicy("key").keep("203.0.113.78", "hashed", "a"),
    }
    assert len(others | {hashed}) == 5
