"""What a request's header says of where the request ends and of whose it is, where two readers could read two things.

A proxy before us that reads the other thing would serve one client's bytes as another's request, or send a request to
a host that it did not check (request smuggling). Lengths and chunks the parser refuses itself; the rest is here.
"""

import re

from ingest_api.http.asgi import RawHeaders

ABSOLUTE = re.compile(rb"https?://([^/?#@]+)([^#@]*)", re.IGNORECASE)


class Ambiguous(Exception):
    """The request is refused with 400, and its connection closed: where the next one begins is not known either."""


def check_framing(headers: RawHeaders, version: str) -> None:
    """Raises `Ambiguous` for what RFC 9112 has a server refuse, which the parser takes.

    That is any number of hosts but one (3.2; HTTP/1.0 may name none), and of codings any but chunked (6.1), also a
    list that ends with it, and any at all in HTTP/1.0.
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
    """Path and query of an absolute address, as clients send to proxies, and the headers with the host that it names.

    Whatever `Host` says does not count then (RFC 9112, 3.2.2). Raises `Ambiguous` for what is no address of http.
    """
    absolute = ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise Ambiguous("it asks for what is no address")
    host, rest = absolute.groups()
    others = [(name, value) for name, value in headers if name != b"host"]
    return rest if rest.startswith(b"/") else b"/" + rest, [(b"host", host), *others]
