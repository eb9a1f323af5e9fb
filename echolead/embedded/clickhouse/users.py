"""Signing in: the accounts of echolead/warehouse_accounts.py, and one per tenant with a derived password."""

import base64
import binascii
import secrets
from collections.abc import Mapping

from echolead.embedded.clickhouse.errors import Code, WarehouseError
from echolead.warehouse_accounts import (
    ACCOUNTS,
    OWNER,
    TENANT_ID,
    TENANT_PREFIX,
    Account,
    tenant_account,
    tenant_password,
)

WRITER = OWNER


class Users:
    """Checks names and passwords in constant time.

    `passwords` has a password for each account. An account without one cannot sign in, and without `tenant_key` no
    tenant can.
    """

    def __init__(self, passwords: Mapping[str, str], tenant_key: str) -> None:
        self._known = [(account, passwords.get(account.name, "")) for account in ACCOUNTS]
        self._tenant_key = tenant_key

    def authenticate(self, headers: Mapping[str, str], parameters: Mapping[str, str]) -> Account:
        """The account of a request: `X-ClickHouse-User` and `-Key`, else Basic, else `user` and `password` in the URL.

        Raises `WarehouseError` with ClickHouse's text, which is the same for an unknown name and a wrong password.
        """
        name, password = credentials(headers, parameters)
        given = (name.encode(), password.encode())
        found = None
        for account, secret in [*self._known, *self._tenant(name)]:
            # Name and password are always both compared, and so is every account, also after a match.
            same_name = secrets.compare_digest(given[0], account.name.encode())
            same_password = secrets.compare_digest(given[1], secret.encode())
            if same_name & same_password & bool(secret):
                found = account
        if found is None:
            raise WarehouseError(
                Code.AUTHENTICATION_FAILED,
                f"{name}: Authentication failed: password is incorrect, or there is no user with such name.",
            )
        return found

    def _tenant(self, name: str) -> list[tuple[Account, str]]:
        tenant_id = name.removeprefix(TENANT_PREFIX)
        if not self._tenant_key or tenant_id == name or TENANT_ID.fullmatch(tenant_id) is None:
            return []
        return [(tenant_account(tenant_id), tenant_password(self._tenant_key, tenant_id))]


def credentials(headers: Mapping[str, str], parameters: Mapping[str, str]) -> tuple[str, str]:
    """Name and password as sent; the name is `default` if none is sent, as in ClickHouse."""
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise WarehouseError(Code.AUTHENTICATION_FAILED, "The Authorization header is not Basic") from None
        return name, password
    return parameters.get("user", "default"), parameters.get("password", "")


def are_given(headers: Mapping[str, str], parameters: Mapping[str, str]) -> bool:
    """Whether the request names a user: without one the answer is 401, else 403."""
    return bool({"x-clickhouse-user", "x-clickhouse-key", "authorization"} & headers.keys() or "user" in parameters)
