"""Hosts as they come in a header, and origins a tenant allows."""

from datetime import UTC, datetime
from typing import Any

import pytest

from echolead.security import new_api_key
from echolead.tenancy import ActiveTenant, DirectoryUnavailable, TenantRow, Tenants, directory_of, host_name


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
    tenant = ActiveTenant("acme", hosts=frozenset({"lp.acme.test"}), origins=frozenset({"https://shop.acme.test"}))
    assert tenant.allows(origin) is allowed


async def test_no_tenant_is_unknown_while_the_database_does_not_answer() -> None:
    """A tenant that could not be read yet is served later; after a 404 a product would stop sending."""
    tenants = Tenants("postgresql://nobody@127.0.0.1:9/none")
    for _ in range(2):
        for asked in (
            tenants.by_host("lp.acme.test"),
            tenants.by_webhook("standard", "0" * 32),
            tenants.by_api_key(new_api_key().key),
        ):
            with pytest.raises(DirectoryUnavailable, match="does not answer"):
                await asked


@pytest.mark.parametrize(
    "presented",
    ["", "elk_short_x", "0" * 32, new_api_key().key[1:]],
    ids=["nothing", "too short", "no prefix", "a prefix cut off"],
)
async def test_text_that_cannot_be_a_key_is_refused_without_a_query(presented: str) -> None:
    assert await Tenants("postgresql://nobody@127.0.0.1:9/none").by_api_key(presented) is None


def test_a_directory_has_the_data_of_each_row() -> None:
    rows = [
        row("acme", hosts=["lp.acme.test"], origins=["HTTPS://Shop.acme.test/"], collect_path="/k7",
            keys=["abcdefghij hash 018f4f7e-0000-7000-8000-00000000000a"]),
        row("bravo", hosts=["bravo.test"],
            webhooks=[["w" * 32, "rdstation", "id-1", "sealed", "x-token", "true", "1741564800"],
                      ["v" * 32, "hubspot", "id-2", "sealed", "", "false", ""]]),
    ]  # fmt: skip
    found = directory_of(rows)

    assert {host: tenant.tenant_id for host, tenant in found.hosts.items()} == {
        "lp.acme.test": "acme",
        "bravo.test": "bravo",
    }
    assert found.hosts["lp.acme.test"] is found.tenants["acme"] is found.keys["abcdefghij"].tenant
    assert found.tenants["acme"].origins == {"https://shop.acme.test"}
    assert found.paths == {"/k7"}
    open_to_all, signed = found.webhooks["w" * 32], found.webhooks["v" * 32]
    assert (open_to_all.tenant.tenant_id, open_to_all.token_header, open_to_all.allow_unsigned) == (
        "bravo",
        "x-token",
        True,
    )
    assert open_to_all.previous_until == datetime(2025, 3, 11, tzinfo=UTC)  # a day after it was rotated
    assert (signed.allow_unsigned, signed.previous_until) == (False, None)


def row(tenant_id: str, **columns: Any) -> TenantRow:
    """The row of a tenant with default settings."""
    nothing: dict[str, Any] = {"hosts": [], "origins": [], "keys": [], "webhooks": [], "collect_path": None}
    nothing["has_chatwoot"] = False
    return TenantRow(
        tenant_id=tenant_id, default_region="BR", ip_policy="truncated", consent_default="granted",
        events_per_minute=None, events_per_month=None, secrets="", **{**nothing, **columns},
    )  # fmt: skip
