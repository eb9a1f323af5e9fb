"""The tracking script that the tenant's settings need, with these in it, compressed once and served from memory."""

import asyncio
import gzip
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import brotli

from echolead.events import encode
from echolead.tenancy import ActiveTenant
from ingest_api.http.asgi import Receive, Scope, Send, peer_of
from ingest_api.http.problems import METHOD_NOT_ALLOWED, NOT_FOUND, Problem
from ingest_api.http.responses import RawResponse, problem_response, raw_response, send_response
from ingest_api.pages.requests import PageRequests

CACHE_SECONDS = 3600  # how long a page may run the previous script after an upgrade
MAX_VARIANTS = 1024
WHOLE = ""
CONFIGURATION = b'"__CONFIG__"'
"""The placeholder in the built script for the tenant's settings; the script also works with the placeholder itself."""


class Variants(NamedTuple):
    """One script in every encoding, and its tag."""

    etag: bytes
    by_encoding: dict[bytes, bytes]


class Script:
    """ASGI endpoint of the script: `GET` and `HEAD`, readable by any page, as the settings in it are public.

    `file` is the whole script. Builds with fewer features (`tracking/build.mjs`) are beside it, and a tenant that needs
    no more gets one of these, or the whole one where that build is missing. A file that is built or replaced later is
    picked up at the next request.
    """

    def __init__(self, file: Path, pages: PageRequests) -> None:
        self._file = file
        self._pages = pages
        self._variants: dict[tuple[bytes, bytes], Variants] = {}
        self._files: dict[str, tuple[int, bytes]] = {}

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] not in ("GET", "HEAD"):
            problem = Problem(METHOD_NOT_ALLOWED, "The script is read with GET.")
            await send_response(send, problem_response(problem, [(b"allow", b"GET, HEAD")]))
            return
        headers = dict(scope["headers"])
        missing, configured = await self._choice(scope, headers)
        content = self._read(missing) or self._read(WHOLE)
        if not content:
            detail = "The tracking script has not been built; run `npm --prefix tracking run build`."
            await send_response(send, problem_response(Problem(NOT_FOUND, detail), []))
            return
        variants = await self._encoded(content, configured)
        is_final = configured is not CONFIGURATION
        encoding = chosen_encoding(headers.get(b"accept-encoding", b""))
        shared = [
            (b"etag", variants.etag),
            (b"cache-control", f"public, max-age={CACHE_SECONDS}".encode() if is_final else b"no-cache"),
            (b"vary", b"Accept-Encoding"),
            (b"access-control-allow-origin", b"*"),
            (b"cross-origin-resource-policy", b"cross-origin"),
        ]
        if any(tag.strip() in (variants.etag, b"*") for tag in headers.get(b"if-none-match", b"").split(b",")):
            await send_response(send, RawResponse(304, shared))
            return
        if encoding:
            shared.append((b"content-encoding", encoding))
        body = variants.by_encoding[encoding]
        await send_response(send, raw_response(200, body, b"text/javascript; charset=utf-8", shared))

    async def _choice(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[str, bytes]:
        try:
            tenant, host = await self._pages.find_tenant(peer_of(scope), headers)
        except Problem:  # no such tenant, or none known yet: the script keeps what it collects and sends it later
            return WHOLE, CONFIGURATION
        return choice(tenant, host)

    def _read(self, missing: str) -> bytes:
        """The build without the features that `missing` names, as its file is now; empty when it is not there."""
        file = self._file.with_suffix(missing + self._file.suffix)
        try:
            modified = file.stat().st_mtime_ns
            if self._files.get(missing, (-1, b""))[0] != modified:
                self._files[missing] = (modified, file.read_bytes())
        except OSError:
            return b""
        return self._files[missing][1]

    async def _encoded(self, content: bytes, configured: bytes) -> Variants:
        variants = self._variants.get((content, configured))
        if variants is None:
            variants = await asyncio.to_thread(variants_of, content.replace(CONFIGURATION, configured))  # some 35 ms
            if len(self._variants) >= MAX_VARIANTS:
                self._variants.clear()
            self._variants[content, configured] = variants
        return variants


def variants_of(content: bytes) -> Variants:
    """The script in every encoding."""
    encoded = {
        b"": content,
        b"gzip": gzip.compress(content, 9, mtime=0),
        b"br": brotli.compress(content, quality=11),
    }
    # Weak: the same script in another encoding has other bytes.
    return Variants(f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'.encode(), encoded)


@lru_cache(maxsize=4096)
def choice(tenant: ActiveTenant, host: str) -> tuple[str, bytes]:
    """The features that the build lacks, as in its name, and the settings in the script.

    The settings are the tenant's consent default, and its other hosts, to which links may take a visitor. Without
    other hosts there is no hand-over, and without Chatwoot no bridge to its widget.
    """
    sites = {urlsplit(origin).hostname or "" for origin in tenant.origins} | tenant.hosts
    others = sorted(sites - {host, ""})
    missing = ("" if tenant.has_chatwoot else ".no-chat") + ("" if others else ".no-handover")
    return missing, encode({"consent": tenant.consent_default, "link": " ".join(others)})


def chosen_encoding(accepted: bytes) -> bytes:
    """`br` before `gzip` before none, of those the client did not rule out with `q=0`."""
    wanted = set()
    for entry in accepted.lower().split(b","):
        name, _, quality = entry.partition(b";")
        if quality.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"):
            wanted.add(name.strip())
    return next((encoding for encoding in (b"br", b"gzip") if encoding in wanted), b"")
