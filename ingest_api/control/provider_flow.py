"""One sign-in at the identity provider, from the sign-in page to the return: bound to a browser by a cookie.

The cookie is a signed token. State, nonce and code verifier are HMACs of it, so that none of them is stored, and only
the browser that began can end the sign-in.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

from echolead.security import PROVIDER_FLOW, SignedTokens

MAX_BACK = 2_000
"""Characters of an address to return to that fit into a cookie."""


@dataclass(frozen=True)
class ProviderFlow:
    """A sign-in on its way; `back` is where the person wanted to go."""

    token: str = field(repr=False)
    back: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @property
    def challenge(self) -> str:
        """The S256 challenge of the code verifier (RFC 7636, section 4.2)."""
        return _base64(hashlib.sha256(self.verifier.encode()).digest())

    def has_state(self, state: str) -> bool:
        """Whether the provider's answer belongs to this flow, in constant time."""
        return hmac.compare_digest(state.encode(), self.state.encode())


class ProviderFlows:
    """Begins flows, and reads them back from the cookie. `keys` is ECHOLEAD_JWT_SECRET. Raises `BadKey`."""

    def __init__(self, keys: str) -> None:
        self._key = keys.encode()
        self._tokens = SignedTokens(keys, PROVIDER_FLOW)

    def begin(self, back: str, default: str) -> ProviderFlow:
        """A new flow that leads to `back`, or to `default` where `back` is too long for the cookie."""
        chosen = back if len(back) <= MAX_BACK else default
        return self._flow(self._tokens.issue(chosen), chosen)

    def resume(self, token: str) -> ProviderFlow:
        """The flow of a cookie. Raises `BadToken` for a forged or expired one."""
        return self._flow(token, self._tokens.read(token).subject)

    def _flow(self, token: str, back: str) -> ProviderFlow:
        state, nonce, verifier = (
            _base64(hmac.digest(self._key, f"provider-flow:{purpose}:{token}".encode(), "sha256"))
            for purpose in ("state", "nonce", "verifier")
        )
        return ProviderFlow(token, back, state, nonce, verifier)


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
