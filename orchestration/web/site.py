"""Where Dagster's pages are: the hosts they may be asked for at, their origins, and the way to sign in."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Site:
    """The public address of the pages, the port they are served on, and the API's sign-in page."""

    url: str
    port: int
    sign_in_url: str

    @property
    def prefix(self) -> str:
        """Path that everything is under: empty, or `/dagster`."""
        return urlsplit(self.url).path.rstrip("/")

    @property
    def origins(self) -> dict[str, str]:
        """The origin of our pages by the Host header they are asked for with, as browsers write both."""
        public = urlsplit(self.url)
        host = public.hostname or ""
        name = f"[{host}]" if ":" in host else host
        port = "" if public.port in (None, DEFAULT_PORTS.get(public.scheme)) else f":{public.port}"
        local = {each: f"http://{each}" for each in self._local()}
        return {**local, f"{name}{port}": f"{public.scheme}://{name}{port}"}

    def is_local(self, host: str) -> bool:
        """Whether a Host header is this machine's: the supervisor or a health check asks."""
        return host in self._local()

    def sign_in_for(self, path: str, query: bytes) -> str:
        """The sign-in page that comes back to a page of ours."""
        page = self.url.rstrip("/") + quote(path.removeprefix(self.prefix))
        here = f"{page}?{query.decode('latin-1')}" if query else page
        return f"{self.sign_in_url}?{urlencode({'next': here})}"

    def _local(self) -> list[str]:
        return [f"{name}:{self.port}" for name in LOOPBACK]
