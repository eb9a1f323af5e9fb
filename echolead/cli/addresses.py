"""The URLs of a stack's servers, or an error that says how to configure them."""

from pydantic import SecretStr

from echolead.cli.errors import CommandFailed
from echolead.operational.models import WebhookEndpoint
from echolead.settings import Settings


def operational_url(settings: Settings) -> str:
    """URL of the operational database with the operator's role. Raises `CommandFailed` when no stack is configured."""
    return _known(settings, settings.postgres_system_url, "ECHOLEAD_POSTGRES_SYSTEM_URL")


def readonly_warehouse_url(settings: Settings) -> str:
    """URL of the warehouse with a read-only account. Raises `CommandFailed` when no stack is configured."""
    return _known(settings, SecretStr(settings.clickhouse("readonly")), "ECHOLEAD_CLICKHOUSE_URL")


def webhook_url(settings: Settings, endpoint: WebhookEndpoint) -> str:
    """Where a product posts its webhooks."""
    return f"{settings.collector_url.rstrip('/')}/v1/webhooks/{endpoint.source}/{endpoint.endpoint}"


def _known(settings: Settings, url: SecretStr, variable: str) -> str:
    if not url.get_secret_value():
        raise CommandFailed(
            f"There is no stack in {settings.data_dir}: start one with `echolead up`, name its folder with --data-dir, "
            f"or set {variable}."
        )
    return url.get_secret_value()
