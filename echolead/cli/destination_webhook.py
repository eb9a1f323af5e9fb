"""The webhook of a destination's account: the address here comes before the webhook there, and its secret after."""

from pathlib import Path

from echolead.cli.addresses import webhook_url
from echolead.cli.context import actor, administering
from echolead.operational.models import WebhookEndpoint
from echolead.operational.named_rows import list_named
from echolead.operational.webhooks import NewWebhook, add_webhook, remove_webhook, rotate_webhook
from echolead.security import Vault

SUBJECT = "webhook"
"""Of the finding that `setup` is about."""


class AccountWebhook:
    """The tenant's address for webhooks of `source`, made when it is needed."""

    def __init__(self, tenant_id: str, source: str, data_dir: Path | None) -> None:
        self._tenant_id, self._source, self._data_dir = tenant_id, source, data_dir
        self._made = ""
        with administering(data_dir) as (settings, session):
            rows = [row for row in list_named(session, WebhookEndpoint, tenant_id) if row.source == source]
            row = next((row for row in rows if row.is_active), None)
            self.name = "" if row is None else row.name
            self.url = "" if row is None else webhook_url(settings, row)

    def make(self) -> None:
        """Make the address unless there is one. Raises `AlreadyThere` when its name is taken by another."""
        if self.url:
            return
        with administering(self._data_dir) as (settings, session):
            wanted = NewWebhook(self._source)
            row = add_webhook(session, Vault.of_collector(settings), self._tenant_id, wanted, actor=actor()).row
            self._made = self.name = row.name
            self.url = webhook_url(settings, row)

    def settle(self, findings: list[dict[str, str]]) -> None:
        """Keep the secret that the account made; an address that nobody posts to is removed again."""
        made = next((each for each in findings if each["subject"] == SUBJECT and each["state"] == "made"), None)
        with administering(self._data_dir) as (settings, session):
            if made is None and self._made:
                remove_webhook(session, self._tenant_id, self._made, actor=actor())
            elif made is not None and made.get("secret"):
                vault = Vault.of_collector(settings)
                rotate_webhook(session, vault, self._tenant_id, self.name, actor=actor(), secret=made["secret"])
