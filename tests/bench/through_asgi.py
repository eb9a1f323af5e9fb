"""`python -m tests.bench.through_asgi`: the collector without its path past ASGI, to measure what that brings."""

from ingest_api import __main__ as collector
from ingest_api.server.connections import PatientProtocol
from ingest_api.server.framing import check_framing, origin_form


class AsgiProtocol(PatientProtocol):
    """The collector's protocol with the same checks of a header."""

    def on_headers_complete(self) -> None:
        """The end of the header."""
        check_framing(self.headers, self.parser.get_http_version())
        if not self.url.startswith(b"/"):
            self.url, self.scope["headers"] = origin_form(self.url, self.headers)
        super().on_headers_complete()


if __name__ == "__main__":
    collector.DirectProtocol = AsgiProtocol  # type: ignore[misc, assignment]
    collector.main()
