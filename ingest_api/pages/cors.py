"""Which pages may post to a tenant, and the CORS headers of the answers to them."""

from collections.abc import Mapping
from functools import lru_cache

from echolead.tenancy import ActiveTenant
from ingest_api.http.problems import ORIGIN_NOT_ALLOWED, Problem
from ingest_api.http.responses import NOSNIFF, RawResponse

VARY_ORIGIN = (b"vary", b"Origin")
PREFLIGHT_SECONDS = 7200  # Chromium's own limit


@lru_cache(maxsize=4096)
def is_allowed(tenant: ActiveTenant | None, origin: bytes | None) -> bool:
    """Whether pages of `origin` are the tenant's."""
    return tenant is not None and origin is not None and tenant.allows(origin.decode("latin-1"))


@lru_cache(maxsize=4096)
def cors_headers(tenant: ActiveTenant | None, origin: bytes | None) -> tuple[tuple[bytes, bytes], ...]:
    """`Vary` always, the origin only when the tenant allows it; credentials never."""
    if origin is None or not is_allowed(tenant, origin):
        return (VARY_ORIGIN,)
    # The script reads Retry-After. The browser shows that header to a page of another origin only if it is named here.
    return (VARY_ORIGIN, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", b"retry-after"))


def preflight_response(tenant: ActiveTenant, origin: bytes | None) -> RawResponse:
    """The answer to a preflight. Without the allowing headers the browser does not post."""
    headers = [NOSNIFF, *cors_headers(tenant, origin)]
    if is_allowed(tenant, origin):
        headers += [
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-allow-headers", b"content-type, content-encoding"),
            (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
        ]
    return RawResponse(204, headers)


def check_origin(tenant: ActiveTenant, origin: bytes | None) -> None:
    """Raises `Problem` for a page of another site.

    A page whose policy hides its address sends `null`, which names no site and is allowed.
    """
    if origin is not None and origin != b"null" and not is_allowed(tenant, origin):
        shown = origin.decode("latin-1")[:200]
        raise Problem(
            ORIGIN_NOT_ALLOWED,
            f"{shown} is not an origin of this tenant. Add it: `echolead tenant add-origin {tenant.tenant_id} "
            f"{shown}`.",
        )


def origin_of_referer(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The origin of the page that shows an image. Browsers send no `Origin` with images, only `Referer`."""
    referer = headers.get(b"referer")
    return b"/".join(referer.split(b"/", 3)[:3]) if referer else None
