"""Who a visitor is, kept where scripts of the page cannot lose it: `POST {collect path}/i`.

Browsers forget cookies that scripts write after days; one that the visitor's own host sets lives on. The same route
hands a visitor who is new to another site of the tenant over to it, by a token in the link that is good once.
"""

import hmac
import logging
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import msgspec

from echolead.events import encode
from echolead.operational.kept_connection import DatabaseUnavailable
from echolead.security import Undecryptable, Vault
from echolead.tenancy import Tenant
from ingest_api.http.asgi import Receive, Scope, Send
from ingest_api.http.problems import NOT_AN_IDENTITY, Problem
from ingest_api.http.responses import NO_STORE, RawResponse, raw_response
from ingest_api.pages.cors import cors_headers
from ingest_api.pages.redemptions import Redemptions
from ingest_api.pages.requests import PageRequest, PageRequests

LINK_SECONDS = 120
"""A link is followed within seconds; a token that was shared or indexed must not hand over a visitor later."""
NEW_SECONDS = 300.0
"""A visitor whose id is younger has nothing to lose by another one; clocks may differ by this much."""
COOKIE_SECONDS = 400 * 24 * 3600  # the longest browsers keep a cookie
COOKIE, SECURE_COOKIE = "_eli", "__Host-eli"
MAC_BYTES = 16

log = logging.getLogger(__name__)


class Link(NamedTuple):
    """What a link's token says: the visitor, until when (seconds since 1970), and the bytes it is told apart by."""

    tracking_id: UUID
    until: float
    token: bytes


class Question(msgspec.Struct, frozen=True):
    """What the script asks: the id it has, and the token of the link that was followed, if any.

    `reset`: the id is a new visitor's, whatever the cookie says. `forget`: no id, the cookie goes; the visitor refused.
    """

    tracking_id: UUID | None = None
    link: str = ""
    reset: bool = False
    forget: bool = False


read_question = msgspec.json.Decoder(Question).decode


class VisitorTokens:
    """Signs tracking ids for cookies and for links; a token of one tenant or purpose is worth nothing elsewhere."""

    def __init__(self, comma_separated_keys: str) -> None:
        """The first key signs, all are accepted; without one each process makes its own."""
        keys = [key.strip().encode() for key in comma_separated_keys.split(",") if key.strip()]
        self._keys = [sha256(b"visitor:" + key).digest() for key in keys] or [secrets.token_bytes(32)]

    def cookie(self, tenant_id: str, tracking_id: UUID, *, is_minted: bool = False) -> str:
        """The value of the visitor's cookie; `is_minted`: the id is one that we made for whoever has this cookie."""
        purpose = "minted" if is_minted else "cookie"
        return _text(tracking_id.bytes + self._mac(self._keys[0], purpose, tenant_id, tracking_id.bytes))

    def of_cookie(self, tenant_id: str, value: str) -> UUID | None:
        """The tracking id of a cookie's value, None when it is not ours."""
        content = self._checked("cookie", tenant_id, value, 16)
        return self.minted_of_cookie(tenant_id, value) if content is None else UUID(bytes=content)

    def minted_of_cookie(self, tenant_id: str, value: str) -> UUID | None:
        """The same, but only of an id that we made: nobody else was ever told it by us."""
        content = self._checked("minted", tenant_id, value, 16)
        return None if content is None else UUID(bytes=content)

    def link(self, tenant_id: str, tracking_id: UUID, now: float) -> str:
        """A token for one link, valid for `LINK_SECONDS`; another one each millisecond."""
        content = tracking_id.bytes + int((now + LINK_SECONDS) * 1000).to_bytes(6)
        return _text(content + self._mac(self._keys[0], "link", tenant_id, content))

    def of_link(self, tenant_id: str, token: str, now: float) -> Link | None:
        """What a link's token says, None when it is not ours or too old."""
        content = self._checked("link", tenant_id, token, 22)
        if content is None:
            return None
        until = int.from_bytes(content[16:]) / 1000
        return None if until < now else Link(UUID(bytes=content[:16]), until, content)

    def _checked(self, purpose: str, tenant_id: str, text: str, size: int) -> bytes | None:
        try:
            token = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except ValueError:  # binascii's and Unicode's errors are ones
            return None
        content, mac = token[:size], token[size:]
        macs = [self._mac(key, purpose, tenant_id, content) for key in self._keys]
        return content if any(hmac.compare_digest(mac, each) for each in macs) else None

    @staticmethod
    def _mac(key: bytes, purpose: str, tenant_id: str, content: bytes) -> bytes:
        return hmac.digest(key, f"{purpose}:{tenant_id}:".encode() + content, "sha256")[:MAC_BYTES]


def _text(token: bytes) -> str:
    return urlsafe_b64encode(token).rstrip(b"=").decode()


class Visitor:
    """Endpoint of the visitor's id: by the cookie, else by the link that was followed, else as the script says."""

    def __init__(
        self, pages: PageRequests, tokens: VisitorTokens, redemptions: Redemptions, vault: Vault | None
    ) -> None:
        """`vault` None: no key is set, and no visitor is proven to a chat widget."""
        self._pages = pages
        self._tokens = tokens
        self._redemptions = redemptions
        self._vault = vault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._pages.serve_posts(scope, receive, send, self._answer)

    async def _answer(self, request: PageRequest, scope: Scope, receive: Receive) -> RawResponse:
        question = await self._question(request, receive)
        is_secure = self._pages.is_https(scope, request.headers)
        name = SECURE_COOKIE if is_secure else COOKIE
        if question.forget:
            answer: dict[str, object] = {}
            value, seconds = "", 0
        else:
            if question.link:
                request.meter.charge(1)  # each is a row of the database
            answer, value = await self._of_visitor(request.tenant, question, cookie_value(request.headers, name))
            seconds = COOKIE_SECONDS
        secure = "; Secure" if is_secure else ""
        cookie = f"{name}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax{secure}"
        cors = cors_headers(request.tenant, request.origin)
        headers = [NO_STORE, (b"set-cookie", cookie.encode()), *cors]
        return raw_response(200, encode(answer), b"application/json", headers)

    async def _of_visitor(self, tenant: Tenant, question: Question, cookie: str) -> tuple[dict[str, object], str]:
        """The answer, and the cookie's value.

        Anybody can make links to the tenant's pages, with a token of their own: a link tells who a visitor is that we
        know nothing of, and never takes the place of one that a cookie names.

        Chatwoot's hash lets its bearer read a visitor's conversations. An id that was only said, or that a link
        brought, may be somebody else's, also when a cookie names it since; so the hash is for ids that we made
        ourselves, and for who has the cookie of it. We make one for a visitor who is new: nothing is known of them yet.
        """
        tokens, now = self._tokens, time.time()
        of_cookie = None if question.reset else tokens.of_cookie(tenant.tenant_id, cookie)
        is_told = question.reset or of_cookie is not None
        of_link = None if is_told else await self._redeemed(tenant, question.link, now)
        known = of_cookie or of_link or question.tracking_id
        if known is None:
            raise not_an_identity("`tracking_id` is missing")
        answer: dict[str, object] = {}
        is_minted = False
        if hmac_token := self._chatwoot_hmac_token(tenant):
            if of_link is None and of_cookie is None and abs(now - seconds_of(known)) < NEW_SECONDS:
                known, is_minted = new_tracking_id(now), True
            elif known == tokens.minted_of_cookie(tenant.tenant_id, cookie):
                is_minted = True
                answer["identifier_hash"] = hmac.digest(hmac_token.encode(), str(known).encode(), "sha256").hex()
        answer |= {
            "tracking_id": known, "link": tokens.link(tenant.tenant_id, known, now), "expires_in": LINK_SECONDS,
        }  # fmt: skip
        return answer, tokens.cookie(tenant.tenant_id, known, is_minted=is_minted)

    async def _redeemed(self, tenant: Tenant, token: str, now: float) -> UUID | None:
        """Whom a link brings, once. Without the database nobody: they go on as somebody new, which loses no event."""
        link = self._tokens.of_link(tenant.tenant_id, token, now)
        if link is None:
            return None
        try:
            is_first = await self._redemptions.is_first(link.token, link.until)
        except DatabaseUnavailable as error:
            log.warning("a visitor is not handed over: %s", error)
            return None
        return link.tracking_id if is_first else None

    def _chatwoot_hmac_token(self, tenant: Tenant) -> str:
        if not tenant.secrets or self._vault is None:
            return ""
        try:
            return self._vault.decrypt(tenant.secrets).get("chatwoot_hmac_token", "")
        except Undecryptable as error:
            log.warning("tenant %s: %s", tenant.tenant_id, error)
            return ""

    async def _question(self, request: PageRequest, receive: Receive) -> Question:
        body = await self._pages.read_body(request, receive)
        try:
            return read_question(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise not_an_identity(error) from None
        finally:
            self._pages.release_body(body)


def seconds_of(tracking_id: UUID) -> float:
    """When an id was made, in seconds since 1970, as a UUIDv7 says; of any other something that means nothing."""
    return (tracking_id.int >> 80) / 1000


def new_tracking_id(now: float) -> UUID:
    """A UUIDv7 (RFC 9562, 5.7) that nobody can guess."""
    random = secrets.randbits(74)
    return UUID(int=int(now * 1000) << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1)


def not_an_identity(reason: object) -> Problem:
    """The refusal of a body that asks nothing."""
    return Problem(NOT_AN_IDENTITY, f'Send {{"tracking_id": uuid}} as JSON: {reason}.')


def cookie_value(headers: Mapping[bytes, bytes], name: str) -> str:
    """A cookie of the request, empty when it is not there. What other cookies look like is their makers' affair."""
    for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        found, _, value = pair.strip().partition("=")
        if found == name:
            return value
    return ""
