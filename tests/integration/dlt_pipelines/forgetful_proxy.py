"""A proxy in front of the warehouse that throws inserts into raw.events away and answers 200, with a count of rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import httpx

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "host", "accept-encoding"}


@contextmanager
def forgetful_proxy(url: str, *, written_rows: int = 0) -> Iterator[str]:
    """The proxy's own address, with the user and password of `url`; it says it wrote so many rows of each insert."""
    behind = urlsplit(url)

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            if b"raw`.`events`" in body[:200] or "events" in self.path.partition("INSERT")[2][:80]:
                self._answer(200, {"X-ClickHouse-Summary": f'{{"written_rows":"{written_rows}"}}'}, b"")
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            if encoding := self.headers.get("Content-Encoding"):
                headers["Content-Encoding"] = encoding
            target = f"http://{behind.hostname}:{behind.port}{self.path}"
            answer = httpx.post(target, content=body, headers=headers, timeout=60)
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            self._answer(answer.status_code, kept, answer.content)

        do_GET = do_POST  # noqa: N815  # the name is the library's

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing is said on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{behind.username}:{behind.password}@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
