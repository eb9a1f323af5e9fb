"""A role for each service, with only the necessary rights on each table (docs/decisions/0017-roles.md)."""

from alembic import op

from echolead.operational.isolation import SERVICE_POLICY, serve
from echolead.operational.provision import API, COLLECTOR, DELIVERIES, LOADER

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SERVED = (
    "tenants",
    "tenant_hosts",
    "tenant_origins",
    "api_keys",
    "user_tenants",
    "webhook_endpoints",
    "destinations",
    "destination_records",
    "deliveries",
    "delivery_attempts",
)
WHOLE = ""
GRANTS: dict[str, dict[str, dict[str, str]]] = {
    # Looks up who a request is for, and notes that a key was used. It holds the secrets of webhooks, encrypted, and
    # nothing of destinations, deliveries and people.
    COLLECTOR: {
        "tenants": {
            "SELECT": "tenant_id, default_region, ip_policy, consent_default, collect_path, events_per_minute, "
            "events_per_month, secrets, is_active"
        },
        "tenant_hosts": {"SELECT": "tenant_id, host"},
        "tenant_origins": {"SELECT": "tenant_id, origin"},
        "api_keys": {"SELECT": "api_key_id, tenant_id, key_prefix, key_hash, revoked_at", "UPDATE": "last_used_at"},
        "webhook_endpoints": {
            "SELECT": "webhook_endpoint_id, tenant_id, source, endpoint, secrets, token_header, allow_unsigned, "
            "is_active, rotated_at"
        },
        "collector_counts": {"SELECT, INSERT, UPDATE, DELETE": WHOLE},
    },
    # Signs people in. Who they are and what they may see it reads, and changes nothing of it but how a password is
    # hashed.
    API: {
        "tenants": {"SELECT": "tenant_id, is_active"},
        "users": {"SELECT": WHOLE, "UPDATE": "password_hash"},
        "user_tenants": {"SELECT": WHOLE},
        "user_sessions": {"SELECT, INSERT, DELETE": WHOLE},
        "sign_in_attempts": {"SELECT, INSERT, DELETE": WHOLE},
    },
    # Copies the configuration and the ledger to the warehouse, without secrets and payloads.
    LOADER: {
        "tenants": {
            "SELECT": "tenant_id, name, timezone, default_region, currency, consent_default, is_active, updated_at"
        },
        "tenant_hosts": {"SELECT": "tenant_id, host, updated_at"},
        "destinations": {"SELECT": "tenant_id, destination_id, kind, name, configuration, is_enabled, updated_at"},
        "deliveries": {
            "SELECT": "tenant_id, delivery_id, destination_id, lead_id, payload_hash, state, attempts, "
            "next_attempt_at, last_error_class, last_error, created_at, updated_at, delivered_at, verified_at"
        },
        "delivery_attempts": {
            "SELECT": "tenant_id, attempt_id, delivery_id, attempt, operation, request, response_status, response, "
            "latency_ms, outcome, error_class, started_at"
        },
    },
    # Writes the ledger, and reads destinations and their secrets.
    DELIVERIES: {
        "tenants": {"SELECT": "tenant_id, is_active"},
        "destinations": {"SELECT": WHOLE},
        "destination_records": {"SELECT, INSERT, UPDATE": WHOLE},
        "deliveries": {"SELECT, INSERT, UPDATE": WHOLE},
        "delivery_attempts": {"SELECT, INSERT": WHOLE},
    },
}


def upgrade() -> None:
    """Policies first, then grants."""
    for table in SERVED:
        serve(table)
    for role, tables in GRANTS.items():
        for table, rights in tables.items():
            for verbs, columns in rights.items():
                op.execute(f"GRANT {verbs}{f' ({columns})' if columns else ''} ON {table} TO {role}")


def downgrade() -> None:
    """Take it back."""
    for role, tables in GRANTS.items():
        op.execute(f"REVOKE ALL ON {', '.join(tables)} FROM {role}")
    for table in SERVED:
        op.execute(f"DROP POLICY {SERVICE_POLICY} ON {table}")
