"""Refuse headers that two readers could read in two ways: where the request ends, and which host it is for.

A proxy that reads them in the other way would serve one client's bytes as another's request, or pass on a request for a
host that it did not check (request smuggling). The parser refuses ambiguous lengths and chunks; the rest is here.
"""

import re

from ingest_api.http.asgi import RawHeaders

ABSOLUTE = re.compile(rb"https?://([^/?#@]+)([^#@]*)", re.IGNORECASE)


class Ambiguous(Exception):
    """The request gets 400 and its connection is closed: where the next request begins is not known."""


def check_framing(headers: RawHeaders, version: str) -> None:
    """Raises `Ambiguous` for headers that RFC 9112 lets a server refuse and that the parser accepts.

    Those are: no host, or several (3.2; HTTP/1.0 may name none); a transfer coding other than chunked (6.1), also a
    list that ends with chunked; any transfer coding in HTTP/1.0.
    """
    names = [name for name, _ in headers]
    hosts = names.count(b"host")
    if hosts > 1 or (hosts == 0 and version != "1.0"):
        raise Ambiguous("it names no host, or several")
    if b"transfer-encoding" in names:
        codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
        if codings != [b"chunked"] or version == "1.0":
            raise Ambiguous("its body has a coding that is not chunked alone")


def origin_form(target: bytes, headers: RawHeaders) -> tuple[bytes, RawHeaders]:
    """Path and query of an absolute address, as clients send it to proxies, and the headers with its host.

    The host of the address replaces the header `Host` (RFC 9112, 3.2.2). Raises `Ambiguous` for anything else.
    """
    absolute = ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise Ambiguous("its target is not an address")
    host, rest = absolute.groups()
    others = [(name, value) for name, value in headers if name != b"host"]
    return rest if rest.startswith(b"/") else b"/" + rest, [(b"host", host), *others]
