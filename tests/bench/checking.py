"""The collector's own work on a request, without server and queue: validation, added data, and the message's bytes."""

from collections.abc import Callable
from time import perf_counter, process_time

from echolead.events import encode
from echolead.tenancy import ActiveTenant, Tenants
from ingest_api.events.batch import check_batch
from ingest_api.http.addresses import IpPolicy, TrustedProxies
from ingest_api.http.bodies import Bodies
from ingest_api.http.rates import RateLimits
from ingest_api.http.received import TraceIds
from ingest_api.metrics import Metrics
from ingest_api.pages.requests import PageRequest, PageRequests
from tests.bench.servers import HOST

SECONDS = 0.5
KEY = "bench-only-bench-only-bench-only-bench-only"
HEADERS = {b"host": HOST.encode(), b"user-agent": b"bench", b"content-type": b"text/plain"}


def cpu_us_of_request(body: bytes) -> float:
    """Processor time of one request in µs."""
    work = work_on(body)
    work()
    count = 0
    before, end = process_time(), perf_counter() + SECONDS
    while perf_counter() < end:
        work()
        count += 1
    return (process_time() - before) / count * 1e6


def work_on(body: bytes) -> Callable[[], bytes]:
    """The work of the collect route from a body to its line of a message, without any connection."""
    metrics = Metrics()
    rates, bodies = RateLimits("", KEY, 0, 0), Bodies(2**20, metrics.in_flight_bytes)
    pages = PageRequests(Tenants(""), rates, bodies, TrustedProxies(""), IpPolicy(KEY), TraceIds(), metrics)
    tenant, ip = ActiveTenant("bench", hosts=frozenset({HOST})), "203.0.113.7"
    request = PageRequest(tenant, HOST, ip, None, HEADERS, rates.meter(tenant, ip))

    def work() -> bytes:
        batch = check_batch(body, tenant.default_region)
        return encode(pages.received(request, batch, "script"))

    return work
