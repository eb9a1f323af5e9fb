"""`GET /export/<listing>.csv`: a table of a page as a file, made by the server for the session's user.

Streamlit's own downloads are served to anyone who knows their address, or made by the browser with commas alone.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboards.access import who_is
from dashboards.acting import client_for
from dashboards.control import ApiRefusal, ControlClient, part_of_path
from dashboards.listings import FILE_ROWS, Asked, Listing, language_of
from dashboards.listings.all import LISTINGS
from dashboards.warehouse import tenant_facts, uncached
from echolead.signed_in import ApiUnavailable, NotSignedIn
from echolead.spreadsheets import Dialect

BY_NAME: dict[str, Listing] = {each.name: each for each in LISTINGS}


def export(request: Request) -> Response:
    """The file of a table. 404 for an unknown one, 401 without a session, 403 for another's tenant or what the role may
    not read, 503 without the API.
    """
    listing = BY_NAME.get(request.path_params["name"])
    if listing is None:
        return PlainTextResponse("There is no table of this name.", status_code=404)
    return _for_user(request, lambda api: _file(listing, api, request))


def export_audit(request: Request) -> Response:
    """`/export/audit.jsonl`: the audit log with its hashes, as the API exports it."""

    def lines(api: ControlClient) -> Response:
        headers = _download(f"{api.tenant_id}-audit.jsonl")
        return Response(api.text("/audit/export"), media_type="application/jsonl", headers=headers)

    return _for_user(request, lines)


def export_lead(request: Request) -> Response:
    """`/export/lead.json`: all that is held of a lead, the result of the task of the address."""

    def held(api: ControlClient) -> Response:
        task = api.get(f"/tasks/{part_of_path(request.query_params.get('task', ''))}").body
        headers = _download(f"{api.tenant_id}-lead.json")
        return Response(json.dumps(task["result"], ensure_ascii=False), media_type="application/json", headers=headers)

    return _for_user(request, held)


def _for_user(request: Request, make: Callable[[ControlClient], Response]) -> Response:
    """What `make` answers with the API as the user of the request, about the tenant of its address."""
    cookies = request.headers.getlist("cookie")
    try:
        user = who_is().signed_in(cookies)
        tenant_id = request.query_params.get("tenant_id", "")
        if tenant_id not in user.tenants:
            return PlainTextResponse("Your user may not see this client.", status_code=403)
        return make(client_for(who_is().token(cookies), tenant_id))
    except NotSignedIn:
        return PlainTextResponse("Sign in to the console, then open this address again.", status_code=401)
    except ApiRefusal as refusal:
        return PlainTextResponse(refusal.detail, status_code=refusal.status)
    except ApiUnavailable:
        return PlainTextResponse("The API does not answer. Try again in a moment.", status_code=503)


def _download(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}


def _file(listing: Listing, api: ControlClient, request: Request) -> Response:
    tenant_id = api.tenant_id
    address = {key: request.query_params.getlist(key) for key in request.query_params}
    dialect: Dialect = "programs" if request.query_params.get("for") == "programs" else "excel"
    facts = tenant_facts(tenant_id, uncached)
    asked = Asked(
        uncached, tenant_id, facts.zone, facts.currency, datetime.now(UTC), address, rows=FILE_ROWS + 1, api=api
    )  # fmt: skip
    language = language_of(request.query_params.get("language", ""))
    rows = listing.rows(asked)  # here, so that a refusal is the answer
    # A file that has not all rows says so in its name: its reader cannot see it otherwise.
    cut = f"-first-{FILE_ROWS}" if len(rows) > FILE_ROWS else ""
    name = f"{tenant_id}-{listing.name}-{pd.Timestamp.now(tz=facts.zone):%Y-%m-%d-%H%M}{cut}.csv"
    headers = {**_download(name), "x-time-zone": facts.zone}
    parts = listing.file(rows.head(FILE_ROWS), dialect, language.code, facts.zone)
    return StreamingResponse(parts, media_type="text/csv; charset=utf-8", headers=headers)


ROUTES = (
    Route("/export/{name:str}.csv", export, methods=["GET"]),
    Route("/export/audit.jsonl", export_audit, methods=["GET"]),
    Route("/export/lead.json", export_lead, methods=["GET"]),
)
