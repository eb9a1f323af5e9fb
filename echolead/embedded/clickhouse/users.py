"""The two users: `echolead`, who may do everything, and `reader`, who may change nothing and see no file."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from echolead.embedded.clickhouse.errors import Code, WarehouseError

WRITER = "echolead"
READER = "reader"


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    is_readonly: bool


class Users:
    """Checks names and passwords, each in time that does not depend on where they differ."""

    def __init__(self, password: str, readonly_password: str) -> None:
        self._known = [
            (User(WRITER, is_readonly=False), password),
            (User(READER, is_readonly=True), readonly_password),
        ]

    def authenticate(self, headers: Mapping[str, str], parameters: Mapping[str, str]) -> User:
        """The user of a request: `X-ClickHouse-User` and `-Key`, else Basic, else `user` and `password` in the URL.

        Raises `WarehouseError` with ClickHouse's text, which does not tell an unknown name from a wrong password.
        """
        name, password = credentials(headers, parameters)
        given = (name.encode(), password.encode())
        found = None
        for user, secret in self._known:
            # Both are compared whatever the first says, and every user whichever matched.
            same_name = secrets.compare_digest(given[0], user.name.encode())
            same_password = secrets.compare_digest(given[1], secret.encode())
            if same_name & same_password & bool(secret):
                found = user
        if found is None:
            raise WarehouseError(
                Code.AUTHENTICATION_FAILED,
                f"{name}: Authentication failed: password is incorrect, or there is no user with such name.",
            )
        return found


def credentials(headers: Mapping[str, str], parameters: Mapping[str, str]) -> tuple[str, str]:
    """Name and password as sent; the name is `default` when none is, as in ClickHouse."""
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
    """Whether the request names a user at all: one that does not is asked for it (401), not refused (403)."""
    return bool({"x-clickhouse-user", "x-clickhouse-key", "authorization"} & headers.keys() or "user" in parameters)
