"""Hosts as they come in a header, and origins a tenant allows."""

import pytest

from echolead.tenancy import Tenant, host_name


@pytest.mark.parametrize(
    ("header", "host"),
    [
        pytest.param("lp.acme.test", "lp.acme.test", id="as it is kept"),
        pytest.param("LP.Acme.Test:8443", "lp.acme.test", id="case and port"),
        pytest.param("lp.acme.test.", "lp.acme.test", id="a final dot"),
        pytest.param("lp.acme.test.:80", "lp.acme.test", id="a final dot and a port"),
        pytest.param("127.0.0.1:8700", "127.0.0.1", id="an IPv4 address"),
        pytest.param("[2001:DB8::1]:8700", "[2001:db8::1]", id="an IPv6 address"),
        pytest.param("", "", id="nothing"),
        pytest.param("a b", "", id="a space"),
        pytest.param("../../etc/passwd", "", id="a path"),
        pytest.param("x" * 300, "", id="too long"),
        pytest.param("açaí.com.br", "", id="not the form DNS uses"),
    ],
)
def test_a_host_header_becomes_a_bare_name(header: str, host: str) -> None:
    assert host_name(header) == host


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        pytest.param("https://shop.acme.test", True, id="on the list"),
        pytest.param("HTTPS://Shop.Acme.Test", True, id="on the list, another case"),
        pytest.param("http://shop.acme.test", False, id="on the list with another scheme"),
        pytest.param("https://shop.acme.test:444", False, id="on the list with another port"),
        pytest.param("http://lp.acme.test", True, id="own host"),
        pytest.param("https://lp.acme.test:8443", True, id="own host, any port"),
        pytest.param("ftp://lp.acme.test", False, id="own host, another scheme"),
        pytest.param("https://lp.acme.test@evil.test", False, id="own host as a user name"),
        pytest.param("https://evil.test/lp.acme.test", False, id="own host as a path"),
        pytest.param("https://lp.acme.test.evil.test", False, id="own host as a prefix"),
        pytest.param("null", False, id="null"),
        pytest.param("", False, id="empty"),
        pytest.param("https://[", False, id="broken"),
    ],
)
def test_an_origin_is_allowed_by_the_list_or_by_the_tenants_own_hosts(origin: str, allowed: bool) -> None:
    tenant = Tenant("acme", hosts=frozenset({"lp.acme.test"}), origins=frozenset({"https://shop.acme.test"}))
    assert tenant.allows(origin) is allowed
