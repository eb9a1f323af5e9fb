"""The visitor's id in a cookie that the collector sets: `POST {collect path}/i`.

Browsers delete cookies that scripts write after some days, and keep those that the site's own host sets. The same route
identifies a visitor on another site of the tenant, by a token in the link that is accepted once.
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
from uuid_utils.compat import uuid7

from echolead.events import encode
from echolead.operational.kept_connection import DatabaseUnavailable
from echolead.security import Undecryptable, Vault
from echolead.tenancy import ActiveTenant
from ingest_api.http.asgi import Receive, Scope, Send
from ingest_api.http.problems import NOT_AN_IDENTITY, Problem
from ingest_api.http.responses import NO_STORE, RawResponse, raw_response
from ingest_api.pages.cors import cors_headers
from ingest_api.pages.redemptions import Redemptions
from ingest_api.pages.requests import PageRequest, PageRequests

LINK_SECONDS = 120
"""A link is followed within seconds; a token that was shared or indexed must not hand over a visitor later."""
NEW_SECONDS = 300.0
"""An id younger than this may be replaced: nothing is known of its visitor yet. Clocks may differ by this much."""
COOKIE_SECONDS = 400 * 24 * 3600  # the longest browsers keep a cookie
COOKIE, SECURE_COOKIE = "_eli", "__Host-eli"
MAC_BYTES = 16

log = logging.getLogger(__name__)


class LinkToken(NamedTuple):
    """The content of a link's token: the visitor, until when it is valid (seconds since 1970), and its unique bytes."""

    tracking_id: UUID
    until: float
    token: bytes


class VisitorQuestion(msgspec.Struct, frozen=True):
    """The script's request: the id it has, and the token of the link that was followed, if any.

    `reset`: the id belongs to a new visitor, whatever the cookie holds. `forget`: the visitor refused consent, and the
    cookie is removed.
    """

    tracking_id: UUID | None = None
    link: str = ""
    reset: bool = False
    forget: bool = False


read_question = msgspec.json.Decoder(VisitorQuestion).decode


class VisitorTokens:
    """Signs tracking ids for cookies and for links. A token is valid for one tenant and one purpose only."""

    def __init__(self, comma_separated_keys: str) -> None:
        """The first key signs, all are accepted. Without one each process makes its own."""
        keys = [key.strip().encode() for key in comma_separated_keys.split(",") if key.strip()]
        self._keys = [sha256(b"visitor:" + key).digest() for key in keys] or [secrets.token_bytes(32)]

    def cookie(self, tenant_id: str, tracking_id: UUID, *, is_minted: bool = False) -> str:
        """The value of the visitor's cookie; `is_minted`: the collector made the id for the holder of this cookie."""
        purpose = "minted" if is_minted else "cookie"
        return _text(tracking_id.bytes + self._mac(self._keys[0], purpose, tenant_id, tracking_id.bytes))

    def of_cookie(self, tenant_id: str, value: str) -> UUID | None:
        """The tracking id in a cookie's value; None if the signature is wrong."""
        content = self._checked("cookie", tenant_id, value, 16)
        return self.minted_of_cookie(tenant_id, value) if content is None else UUID(bytes=content)

    def minted_of_cookie(self, tenant_id: str, value: str) -> UUID | None:
        """The same, but only of an id that the collector made. It has sent such an id to no other visitor."""
        content = self._checked("minted", tenant_id, value, 16)
        return None if content is None else UUID(bytes=content)

    def link(self, tenant_id: str, tracking_id: UUID, now: float) -> str:
        """A token for one link, valid for `LINK_SECONDS`; it differs each millisecond."""
        content = tracking_id.bytes + int((now + LINK_SECONDS) * 1000).to_bytes(6)
        return _text(content + self._mac(self._keys[0], "link", tenant_id, content))

    def of_link(self, tenant_id: str, token: str, now: float) -> LinkToken | None:
        """The content of a link's token; None if the signature is wrong or it is too old."""
        content = self._checked("link", tenant_id, token, 22)
        if content is None:
            return None
        until = int.from_bytes(content[16:]) / 1000
        return None if until < now else LinkToken(UUID(bytes=content[:16]), until, content)

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

    async def _of_visitor(
        self, tenant: ActiveTenant, question: VisitorQuestion, cookie: str
    ) -> tuple[dict[str, object], str]:
        """The answer, and the cookie's value.

        Anyone can make a link to the tenant's pages with a token of their own. So a link identifies only a visitor
        without a cookie, and never replaces the id of a cookie.

        Chatwoot's hash lets its holder read a visitor's conversations. An id from the script or from a link may be
        another visitor's, even if a cookie holds it by now. So the hash is given only for an id that the collector made
        itself, and only to the holder of its cookie. The collector makes an id for a new visitor, of whom nothing is
        known yet.
        """
        tokens, now = self._tokens, time.time()
        of_cookie = None if question.reset else tokens.of_cookie(tenant.tenant_id, cookie)
        is_known = question.reset or of_cookie is not None
        of_link = None if is_known else await self._redeemed(tenant, question.link, now)
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

    async def _redeemed(self, tenant: ActiveTenant, token: str, now: float) -> UUID | None:
        """The visitor of a link, once. Without the database None: the visitor stays new, and no event is lost."""
        link = self._tokens.of_link(tenant.tenant_id, token, now)
        if link is None:
            return None
        try:
            is_first = await self._redemptions.is_first(link.token, link.until)
        except DatabaseUnavailable as error:
            log.warning("a visitor is not handed over: %s", error)
            return None
        return link.tracking_id if is_first else None

    def _chatwoot_hmac_token(self, tenant: ActiveTenant) -> str:
        if not tenant.secrets or self._vault is None:
            return ""
        try:
            return self._vault.decrypt(tenant.secrets).get("chatwoot_hmac_token", "")
        except Undecryptable as error:
            log.warning("tenant %s: %s", tenant.tenant_id, error)
            return ""

    async def _question(self, request: PageRequest, receive: Receive) -> VisitorQuestion:
        body = await self._pages.read_body(request, receive)
        try:
            return read_question(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise not_an_identity(error) from None
        finally:
            self._pages.release_body(body)


def seconds_of(tracking_id: UUID) -> float:
    """When a UUIDv7 was made, in seconds since 1970. Of another UUID the result has no meaning."""
    return (tracking_id.int >> 80) / 1000


def new_tracking_id(now: float) -> UUID:
    """A UUIDv7 that cannot be guessed: for a given time all other 74 bits are random, not counted on."""
    return uuid7(nanoseconds=int(now * 1000) * 1_000_000)


def not_an_identity(reason: object) -> Problem:
    """The refusal of a body that is not a question."""
    return Problem(NOT_AN_IDENTITY, f'Send {{"tracking_id": uuid}} as JSON: {reason}.')


def cookie_value(headers: Mapping[bytes, bytes], name: str) -> str:
    """A cookie of the request, empty if it is missing. Other cookies may have any form."""
    for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        found, _, value = pair.strip().partition("=")
        if found == name:
            return value
    return ""
