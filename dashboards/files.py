"""`GET /export/<listing>.csv`: a table of a page as a file, made by the server for the session's user.

Streamlit's own downloads are served to anyone who knows their address, or made by the browser with commas alone.
"""

from datetime import UTC, datetime

import pandas as pd
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboards.access import who_is
from dashboards.listings import FILE_ROWS, Asked, Listing, language_of
from dashboards.listings.all import LISTINGS
from dashboards.warehouse import tenant_facts, uncached
from echolead.signed_in import ApiUnavailable, NotSignedIn
from echolead.spreadsheets import Dialect

BY_NAME: dict[str, Listing] = {each.name: each for each in LISTINGS}


def export(request: Request) -> Response:
    """The file. 401 without a session, 403 for another's tenant, 404 for an unknown table, 503 without the API."""
    listing = BY_NAME.get(request.path_params["name"])
    if listing is None:
        return PlainTextResponse("There is no table of this name.", status_code=404)
    try:
        user = who_is().signed_in(request.headers.getlist("cookie"))
    except NotSignedIn:
        return PlainTextResponse("Sign in to the console, then open this address again.", status_code=401)
    except ApiUnavailable:
        return PlainTextResponse("The API does not answer. Try again in a moment.", status_code=503)
    tenant_id = request.query_params.get("tenant_id", "")
    if tenant_id not in user.tenants:
        return PlainTextResponse("Your user may not see this client.", status_code=403)
    return _file(listing, tenant_id, request)


def _file(listing: Listing, tenant_id: str, request: Request) -> Response:
    address = {key: request.query_params.getlist(key) for key in request.query_params}
    dialect: Dialect = "programs" if request.query_params.get("for") == "programs" else "excel"
    facts = tenant_facts(tenant_id, uncached)
    asked = Asked(
        uncached, tenant_id, facts.zone, facts.currency, datetime.now(UTC), address, rows=FILE_ROWS
    )  # fmt: skip
    language = language_of(request.query_params.get("language", ""))
    name = f"{tenant_id}-{listing.name}-{pd.Timestamp.now(tz=facts.zone):%Y-%m-%d-%H%M}.csv"
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "no-store",
        "x-time-zone": facts.zone,
    }
    parts = listing.file(asked, dialect, language.code)
    return StreamingResponse(parts, media_type="text/csv; charset=utf-8", headers=headers)


ROUTE = Route("/export/{name:str}.csv", export, methods=["GET"])
