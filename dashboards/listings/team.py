"""Users, keys, tenants and the audit log as tables."""

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn, api_rows

ACTION, ACTOR, SINCE, UNTIL = "action", "actor", "since", "until"
"""Parameters of an address that narrow the audit log."""


def _users(asked: Asked) -> pd.DataFrame:
    return api_rows(USERS, asked.from_api().lines("/users", most=asked.rows))


def _keys(asked: Asked) -> pd.DataFrame:
    return api_rows(KEYS, asked.from_api().get("/keys").body["items"])


def _audit(asked: Asked) -> pd.DataFrame:
    narrowed = {name: asked.first(name) for name in (ACTION, ACTOR, SINCE, UNTIL)}
    if narrowed[ACTOR] and ":" not in narrowed[ACTOR]:
        narrowed[ACTOR] = f"user:{narrowed[ACTOR]}"
    return api_rows(AUDIT, asked.from_api().lines("/audit", most=asked.rows, **narrowed))


USERS = Listing(
    "users",
    (
        ListingColumn("email"),
        ListingColumn("name"),
        ListingColumn("role", words="role"),
        ListingColumn("is_active", "flag", title="may_sign_in"),
    ),
    _users,
)
KEYS = Listing(
    "api-keys",
    (
        ListingColumn("name"),
        ListingColumn("key_prefix"),
        ListingColumn("created_at", "moment", title="made_at"),
        ListingColumn("last_used_at", "moment"),
        ListingColumn("revoked_at", "moment"),
    ),
    _keys,
)
AUDIT = Listing(
    "audit",
    (
        ListingColumn("position", "count", title="audit_position"),
        ListingColumn("at", "moment", title="made_at"),
        ListingColumn("actor", title="by_user"),
        ListingColumn("action", title="audit_action"),
        ListingColumn("subject", title="audit_subject"),
        ListingColumn("detail", width="large"),
    ),
    _audit,
)
