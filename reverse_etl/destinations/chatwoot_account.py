"""One account of a Chatwoot: how it is reached, and what it needs before leads and conversations get there."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import httpx

from reverse_etl.calls import TIMEOUT, Calls, Reply, judge_by_status, no_allowance
from reverse_etl.destination import Finding
from reverse_etl.destinations.chatwoot_definitions import CONVERSATION_TITLES, TITLES, DefinedInAccount, inbox_finding
from reverse_etl.errors import DeliveryFailed, Misconfigured, Rejected

SUBSCRIPTIONS = (
    "conversation_created",
    "conversation_updated",
    "conversation_status_changed",
    "message_created",
    "message_updated",
    "contact_created",
    "contact_updated",
)
WEBHOOK = "webhook"
SIGNS_NOTHING = (
    "this Chatwoot shows no secret and signs nothing: `echolead webhook rotate` with --allow-unsigned takes it"
)


class ChatwootAccount:
    """An account with its token; `lead_url` is the console's address of a lead."""

    def __init__(
        self, base_url: str, account_id: int, inbox_id: int, access_token: str, lead_url: Callable[[str], str]
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._account_id = account_id
        self._inbox_id = inbox_id
        self._access_token = access_token
        self._lead_url = lead_url
        self._definitions = DefinedInAccount()

    @classmethod
    def of(cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], lead_url: Callable[[str], str]) -> Self:
        """From a destination's configuration (`base_url`, `account_id`, `inbox_id`) and secret (`api_access_token`).

        Raises `Misconfigured` naming what is missing.
        """
        missing = [key for key in ("base_url", "account_id", "inbox_id") if not configuration.get(key)]
        missing += [] if secrets.get("api_access_token") else ["api_access_token"]
        if missing:
            raise Misconfigured(f"The Chatwoot destination lacks {', '.join(missing)}.")
        try:
            numbers = int(configuration["account_id"]), int(configuration["inbox_id"])
        except (TypeError, ValueError) as error:
            raise Misconfigured("account_id and inbox_id of a Chatwoot destination are numbers.") from error
        return cls(str(configuration["base_url"]), *numbers, secrets["api_access_token"], lead_url)

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """A pool for this account's API."""
        return httpx.AsyncClient(
            base_url=f"{self._base_url}/api/v1/accounts/{self._account_id}/",
            headers={"api_access_token": self._access_token, "User-Agent": "EchoLead"},
            timeout=TIMEOUT,
            transport=transport,
        )

    async def prepare(self, calls: Calls) -> None:
        """Read which labels and attributes the account has, and define the attributes we always send.

        Raises `DeliveryFailed` when the account cannot be read.
        """
        await self._definitions.read(calls)
        await self._definitions.define(calls, TITLES, (), conversation_attributes=CONVERSATION_TITLES)

    async def test(self, calls: Calls) -> list[Finding]:
        """The inbox, and the attributes and labels that leads need. Raises `DeliveryFailed`."""
        inboxes = await calls.ask("list inboxes", "GET", "inboxes")
        await self._definitions.read(calls)
        return [inbox_finding(self._inbox_id, inboxes["payload"]), *self._definitions.findings()]

    def expect_labels(self, labels: Iterable[str]) -> None:
        """Let `setup` and `test` look for these labels as well: those that rules give."""
        self._definitions.needed_labels += tuple(labels)

    async def setup(self, calls: Calls, is_dry_run: bool) -> list[Finding]:
        """Define the attributes and labels that are missing. Raises `DeliveryFailed`."""
        await self._definitions.read(calls)
        missing = [each for each in self._definitions.findings() if each.state == "missing"]
        return missing if is_dry_run else await self._definitions.make(calls)

    async def setup_webhook(self, calls: Calls, url: str, is_dry_run: bool) -> list[Finding]:
        """Let the account post what happens in it to `url`, '' for one that is still to be made.

        Nothing when it does so already. What is made has the secret that its posts are signed with. Raises
        `DeliveryFailed` when the account cannot be read.
        """
        try:
            answer = await calls.ask("list webhooks", "GET", "webhooks")
        except Misconfigured:  # an agent's token may not even look
            calls.connection.breaker.succeeded()
            return [Finding(WEBHOOK, "wrong", "it takes an administrator's token")]
        known = answer.get("payload", {}).get("webhooks", []) if isinstance(answer, dict) else answer
        if url and any(each.get("url") == url for each in known):
            return []
        if is_dry_run:
            detail = "setup makes it: Chatwoot then reports events of conversations to EchoLead at once"
            return [Finding(WEBHOOK, "missing", detail)]
        body = {"url": url, "subscriptions": list(SUBSCRIPTIONS)}
        try:
            answer = await calls.ask("add webhook", "POST", "webhooks", body=body, is_safe_to_repeat=False)
        except Rejected as refused:
            return [Finding(WEBHOOK, "wrong", str(refused))]
        made = answer.get("payload", {}).get("webhook") or answer
        secret = str(made.get("secret") or "")
        return [Finding(WEBHOOK, "made", "" if secret else SIGNS_NOTHING, secret=secret)]

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """By the status: Chatwoot's say what is meant."""
        return judge_by_status(answer)

    def allowance(self, headers: httpx.Headers) -> None:
        """Chatwoot's headers say nothing of its limits."""
        return no_allowance(headers)
