"""The tracking script, compressed once at start and served from memory."""

import gzip
import hashlib
from pathlib import Path

import brotli

from ingest_api.answers import Receive, Scope, Send, send_bytes, send_problem
from ingest_api.problems import METHOD_NOT_ALLOWED, NOT_FOUND, Problem

CACHE_SECONDS = 3600  # how long a page may run the previous script after an upgrade


class Script:
    """ASGI endpoint of the script: `GET` and `HEAD`, any host, readable by any page (it holds nothing of a tenant).

    A file that is built or replaced later is picked up at the next request.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._modified = -1
        self._variants: dict[bytes, bytes] = {}
        self._etag = b""

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] not in ("GET", "HEAD"):
            problem = Problem(METHOD_NOT_ALLOWED, "The script is read with GET.")
            await send_problem(send, problem, None, None, [(b"allow", b"GET, HEAD")])
            return
        if not self._load():
            detail = "The tracking script has not been built; run `npm --prefix tracking run build`."
            await send_problem(send, Problem(NOT_FOUND, detail), None, None)
            return
        headers = dict(scope["headers"])
        encoding = chosen_encoding(headers.get(b"accept-encoding", b""))
        shared = [
            (b"etag", self._etag),
            (b"cache-control", f"public, max-age={CACHE_SECONDS}".encode()),
            (b"vary", b"Accept-Encoding"),
            (b"access-control-allow-origin", b"*"),
            (b"cross-origin-resource-policy", b"cross-origin"),
        ]
        if any(tag.strip() in (self._etag, b"*") for tag in headers.get(b"if-none-match", b"").split(b",")):
            await send({"type": "http.response.start", "status": 304, "headers": shared})
            await send({"type": "http.response.body", "body": b""})
            return
        if encoding:
            shared.append((b"content-encoding", encoding))
        await send_bytes(send, 200, self._variants[encoding], b"text/javascript; charset=utf-8", shared)

    def _load(self) -> bool:
        try:
            modified = self._file.stat().st_mtime_ns
            if modified != self._modified:
                content = self._file.read_bytes()
                self._variants = {
                    b"": content,
                    b"gzip": gzip.compress(content, 9, mtime=0),
                    b"br": brotli.compress(content, quality=11),
                }
                # Weak: the same script in another encoding has other bytes.
                self._etag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'.encode()
                self._modified = modified
        except OSError:
            return False
        return True


def chosen_encoding(accepted: bytes) -> bytes:
    """`br` before `gzip` before none, of those the client did not rule out with `q=0`."""
    wanted = set()
    for entry in accepted.lower().split(b","):
        name, _, quality = entry.partition(b";")
        if quality.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"):
            wanted.add(name.strip())
    return next((encoding for encoding in (b"br", b"gzip") if encoding in wanted), b"")
