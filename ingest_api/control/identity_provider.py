"""The company's identity provider, by OpenID Connect: any provider with a discovery document.

OpenID Connect Core 1.0, section 3.1 (authorization code), Discovery 1.0, RFC 7636 (PKCE with S256) and RFC 9207 (the
issuer in the answer). Signatures are checked with asymmetric algorithms alone.
"""

import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import jwt

from echolead.operational.identities import ProvenIdentity
from echolead.security import BadKey
from echolead.settings import Settings
from ingest_api.control.provider_answers import KeptAnswer, ProviderUnavailable, json_answer
from ingest_api.control.provider_flow import ProviderFlow

CALLBACK = "/login/oidc/callback"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
DISCOVERY_SECONDS = 3600.0
KEYS_SECONDS = 600.0
KEYS_PAUSE_SECONDS = 30.0
"""An unknown key makes the keys be read again, this often at most."""
LEEWAY_SECONDS = 30
MAX_AT_ONCE = 20
MAX_SUBJECT = 255  # OpenID Connect Core, section 2
MICROSOFT = ("login.microsoftonline.com", "login.microsoftonline.us")
TIMEOUT = httpx.Timeout(5.0)


class BadIdentity(Exception):
    """The answer does not prove who the person is. The message is for the log."""


@dataclass(frozen=True)
class Discovered:
    """What is used of the discovery document (OpenID Connect Discovery, section 3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    takes_secret_in_body: bool
    names_itself: bool


class IdentityProvider:
    """Leads people to the provider, and finds out who came back."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, redirect_uri: str) -> None:
        self.issuer = issuer
        self._client_id, self._client_secret = client_id, client_secret
        self._redirect_uri = redirect_uri
        # Redirects are not followed: no endpoint of OpenID Connect answers one to a server.
        self._http = httpx.AsyncClient(timeout=TIMEOUT, limits=httpx.Limits(max_connections=MAX_AT_ONCE))
        self._discovered = KeptAnswer(self._discover, DISCOVERY_SECONDS)
        self._keys = KeptAnswer(self._read_keys, KEYS_SECONDS)
        self._at_once = 0

    @classmethod
    def of(cls, settings: Settings) -> "IdentityProvider | None":
        """As the settings say, None without an issuer. Raises `BadKey` where the client is missing."""
        secret = settings.oidc_client_secret.get_secret_value()
        if not settings.oidc_issuer:
            if settings.passwords_of_admins_only:
                raise BadKey("ECHOLEAD_PASSWORDS_OF_ADMINS_ONLY needs another way in: set ECHOLEAD_OIDC_ISSUER.")
            return None
        if not settings.oidc_client_id or not secret:
            raise BadKey(
                "ECHOLEAD_OIDC_ISSUER is set: ECHOLEAD_OIDC_CLIENT_ID and ECHOLEAD_OIDC_CLIENT_SECRET are needed too, "
                "as the provider shows them for EchoLead's client."
            )
        redirect_uri = settings.collector_url.rstrip("/") + CALLBACK
        return cls(settings.oidc_issuer, settings.oidc_client_id, secret, redirect_uri)

    async def sign_in_url(self, flow: ProviderFlow) -> str:
        """Where the browser goes to sign in. Raises `ProviderUnavailable`."""
        endpoint = (await self._discovered.get()).authorization_endpoint
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid email",
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"

    async def identity(self, code: str, answering_issuer: str | None, flow: ProviderFlow) -> ProvenIdentity:
        """Who came back with `code`. Raises `ProviderUnavailable`, `BadIdentity`.

        `answering_issuer` is the parameter `iss` of the answer (RFC 9207), None without one.
        """
        if self._at_once >= MAX_AT_ONCE:
            raise ProviderUnavailable(f"{MAX_AT_ONCE} people sign in at this moment.")
        self._at_once += 1
        try:
            found = await self._discovered.get()
            if answering_issuer != self.issuer and (answering_issuer is not None or found.names_itself):
                raise BadIdentity("The answer is another issuer's.")
            tokens = await self._exchanged(found, code, flow)
            claims = await self._claims(tokens.get("id_token"), flow.nonce)
            if "email" not in claims and found.userinfo_endpoint:
                claims = await self._user_info(found, tokens.get("access_token"), claims["sub"])
            return self._identity(claims)
        finally:
            self._at_once -= 1

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _discover(self) -> Discovered:
        url = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
        document = await self._document(url)
        if document.get("issuer") != self.issuer:
            raise ProviderUnavailable(
                f"{url} names the issuer {document.get('issuer')!r}: ECHOLEAD_OIDC_ISSUER must be exactly the same."
            )
        methods = document.get("token_endpoint_auth_methods_supported", ())
        return Discovered(
            authorization_endpoint=self._endpoint(document, "authorization_endpoint"),
            token_endpoint=self._endpoint(document, "token_endpoint"),
            jwks_uri=self._endpoint(document, "jwks_uri"),
            userinfo_endpoint=self._endpoint(document, "userinfo_endpoint") if "userinfo_endpoint" in document else "",
            takes_secret_in_body="client_secret_post" in methods,
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        )

    def _endpoint(self, document: dict[str, Any], name: str) -> str:
        """An endpoint that is as encrypted as the issuer."""
        url = document.get(name)
        scheme = urlsplit(self.issuer).scheme
        if not isinstance(url, str) or urlsplit(url).scheme not in ("https", scheme) or not urlsplit(url).hostname:
            raise ProviderUnavailable(f"The discovery document has no {name} with https.")
        return url

    async def _read_keys(self) -> list[dict[str, Any]]:
        found = await self._discovered.get()
        keys = (await self._document(found.jwks_uri)).get("keys")
        if not isinstance(keys, list):
            raise ProviderUnavailable(f"{found.jwks_uri} has no keys.")
        return [key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig"]

    async def _document(self, url: str) -> dict[str, Any]:
        status, document = await json_answer(self._http, self._http.build_request("GET", url))
        if status != httpx.codes.OK:
            raise ProviderUnavailable(f"{url} answers {status}.")
        return document

    async def _exchanged(self, found: Discovered, code: str, flow: ProviderFlow) -> dict[str, Any]:
        """The tokens for a code, which the provider gives once."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": flow.verifier,
        }
        auth = None
        if found.takes_secret_in_body:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        else:  # RFC 6749, section 2.3.1: both are encoded as parts of a form
            auth = httpx.BasicAuth(quote(self._client_id, safe=""), quote(self._client_secret, safe=""))
        request = self._http.build_request("POST", found.token_endpoint, data=form)
        status, answer = await json_answer(self._http, request, auth)
        if status == httpx.codes.OK:
            return answer
        reason = str(answer.get("error", ""))[:100]
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or reason in ("invalid_client", "unauthorized_client"):
            raise ProviderUnavailable(
                f"{found.token_endpoint} answers {status} {reason!r}: check ECHOLEAD_OIDC_CLIENT_ID and "
                "ECHOLEAD_OIDC_CLIENT_SECRET."
            )
        raise BadIdentity(f"The provider refuses the code: {status} {reason!r}.")

    async def _claims(self, token: object, nonce: str) -> dict[str, Any]:
        """The claims of an ID token for this flow (OpenID Connect Core, section 3.1.3.7)."""
        if not isinstance(token, str):
            raise BadIdentity("The provider gave no ID token.")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                await self._key_of(token),
                algorithms=ALGORITHMS,
                audience=self._client_id,
                issuer=self.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"], "enforce_minimum_key_length": True},
            )
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise BadIdentity(f"The ID token is not valid: {error}") from error
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise BadIdentity("The ID token was made for another sign-in.")
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if claims.get("azp", self._client_id if len(audiences) == 1 else None) != self._client_id:
            raise BadIdentity("The ID token was made for another client.")
        return claims

    async def _key_of(self, token: str) -> jwt.PyJWK:
        """The provider's key that a token names. Raises `BadIdentity`, `jwt.PyJWTError`."""
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise BadIdentity(f"The ID token is signed with {header.get('alg')!r}, which is not accepted.")
        for max_age in (None, KEYS_PAUSE_SECONDS):
            keys = await self._keys.get(max_age)
            named = [key for key in keys if "kid" not in header or key.get("kid") == header["kid"]]
            if len(named) == 1:
                return jwt.PyJWK(named[0], named[0].get("alg") or header["alg"])
        raise BadIdentity("The ID token is signed with a key that the provider does not publish.")

    async def _user_info(self, found: Discovered, access_token: object, subject: str) -> dict[str, Any]:
        """What the provider says of the person elsewhere, where its ID tokens have no e-mail (section 5.3)."""
        headers = {"Authorization": f"Bearer {access_token}"}
        status, claims = await json_answer(
            self._http, self._http.build_request("GET", found.userinfo_endpoint, headers=headers)
        )
        if status != httpx.codes.OK or claims.get("sub") != subject:
            raise BadIdentity(f"{found.userinfo_endpoint} answers {status}, or about another person.")
        return claims

    def _identity(self, claims: dict[str, Any]) -> ProvenIdentity:
        subject, email = claims["sub"], claims.get("email")
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or "\0" in subject:
            raise BadIdentity("The ID token names no person.")
        address = email.strip().lower() if isinstance(email, str) and "\0" not in email else ""
        return ProvenIdentity(self.issuer, subject, address, self._is_verified(claims))

    def _is_verified(self, claims: dict[str, Any]) -> bool:
        """Whether the e-mail is the person's. Microsoft says it in a claim of its own, of the address's domain."""
        if claims.get("email_verified") in (True, "true"):
            return True
        return urlsplit(self.issuer).hostname in MICROSOFT and claims.get("xms_edov") is True
