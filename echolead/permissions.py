"""Who may do what: each operation of the control API with the least role that it needs. The only place that says so.

A user has one role in a tenant. Each role may also do what the roles before it may. Operations on the installation
need a platform administrator (`SignedIn.is_superuser`), who is also admin of every tenant.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from echolead.security import SignedIn

Role = Literal["viewer", "analyst", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "analyst", "operator", "admin")
"""From least to most. A viewer reads and keeps filters of their own, an analyst also tries what would change, an
operator works on leads, rules, deliveries and replays, an admin also on destinations, keys, users and settings, and
reads the audit log.
"""
PLATFORM: Literal["platform"] = "platform"


@dataclass(frozen=True)
class Permission:
    """The least role for an operation (`PLATFORM`: a platform administrator), and whether it changes anything."""

    role: Role | Literal["platform"]
    changes: bool = True


def _reads(role: Role | Literal["platform"]) -> Permission:
    return Permission(role, changes=False)


PERMISSIONS: Mapping[str, Permission] = {
    "tenants.list": _reads(PLATFORM),
    "tenants.create": Permission(PLATFORM),
    "tenants.activate": Permission(PLATFORM),
    "settings.read": _reads("viewer"),
    "settings.change": Permission("admin"),
    "addresses.change": Permission("admin"),
    "keys.read": _reads("admin"),
    "keys.change": Permission("admin"),
    "users.read": _reads("admin"),
    "users.change": Permission("admin"),
    "accounts.read": _reads(PLATFORM),
    "accounts.change": Permission(PLATFORM),
    "destinations.read": _reads("viewer"),
    "destinations.change": Permission("admin"),
    "destinations.pause": Permission("operator"),
    "destinations.test": Permission("operator"),
    "destinations.set_up": Permission("admin"),
    "rules.read": _reads("viewer"),
    "rules.try": _reads("analyst"),
    "rules.apply": Permission("operator"),
    "hours.read": _reads("viewer"),
    "hours.change": Permission("admin"),
    "saved_filters.read": _reads("viewer"),
    "saved_filters.change": Permission("viewer"),
    "leads.read": _reads("viewer"),
    "leads.decide": Permission("operator"),
    "leads.export": _reads("admin"),
    "leads.erase": Permission("admin"),
    "deliveries.read": _reads("viewer"),
    "deliveries.try": _reads("analyst"),
    "deliveries.resync": Permission("operator"),
    "dead_letters.read": _reads("viewer"),
    "dead_letters.replay": Permission("operator"),
    "replays.read": _reads("viewer"),
    "replays.try": _reads("analyst"),
    "replays.run": Permission("operator"),
    "quarantine.read": _reads("viewer"),
    "quarantine.release": Permission("operator"),
    "lake.read": _reads("viewer"),
    "lake.verify": _reads("operator"),
    "tasks.read": _reads("viewer"),
    "tasks.stop": Permission("analyst"),
    "audit.read": _reads("admin"),
    "audit.export": _reads("admin"),
}
"""By operation: `<resource>.<verb>`. Tests generate the matrix of role and operation from it."""

READ_SCOPE = "read"
ALL_SCOPE = "all"


def scopes() -> tuple[str, ...]:
    """The scopes a token can have: `read`, `all`, a resource (`rules`), or reading one (`rules:read`)."""
    resources = sorted({operation.partition(".")[0] for operation in PERMISSIONS})
    return (READ_SCOPE, ALL_SCOPE, *resources, *(f"{resource}:read" for resource in resources))


def may(who: SignedIn, operation: str, tenant_id: str = "") -> bool:
    """Whether the user's present role allows the operation, in this tenant or ('') on the installation.

    Raises `KeyError` for an operation that `PERMISSIONS` does not have.
    """
    needed = PERMISSIONS[operation].role
    if needed == PLATFORM:
        return who.is_superuser
    role = who.tenants.get(tenant_id)
    return role in ROLES and ROLES.index(role) >= ROLES.index(needed)


def within(granted: Collection[str], operation: str) -> bool:
    """Whether the scopes of a token include the operation."""
    resource = operation.partition(".")[0]
    if {ALL_SCOPE, resource} & set(granted):
        return True
    return not PERMISSIONS[operation].changes and bool({READ_SCOPE, f"{resource}:read"} & set(granted))
