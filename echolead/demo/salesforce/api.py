"""The REST API of the demo Salesforce, as far as EchoLead uses it.

Sources: REST API Developer Guide (sObject Rows, Upsert by External ID, sObject Collections, Query, Limits, headers),
Tooling API Developer Guide (CustomField), OAuth 2.0 client credentials and refresh token flows.
"""

import functools
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from echolead.demo.salesforce import soql
from echolead.demo.salesforce.org import USER_ID, NoSuchLead, Org, Values, Wishes
from echolead.demo.salesforce.schema import RowRefused, UnreadableBody
from echolead.demo.watching import DemoCredentials

DATA = "/services/data/v{version:float}"
MOST_ROWS = 200
# Up to this version an update answers 204 without a body.
LAST_SILENT_VERSION = 45.0
OTHERS = ("PermissionSet", "FieldPermissions", "PermissionSetAssignment")
Handler = Callable[[Request, Org], Awaitable[Response]]


@dataclass
class Sessions:
    """The access tokens in force; none says when it ends. `issued_count` counts them all."""

    credentials: DemoCredentials
    tokens: set[str] = field(default_factory=set)
    issued_count: int = 0

    def issue(self) -> str:
        """A new access token."""
        token = f"00D000000000001!{secrets.token_urlsafe(32)}"
        self.tokens.add(token)
        self.issued_count += 1
        return token

    def end(self) -> None:
        """End every session, as an administrator or a time-out does."""
        self.tokens.clear()


def error(code: str, message: str, status: int = 400, fields: list[str] | None = None) -> Response:
    """An error as every call but collections writes it."""
    return JSONResponse([{"message": message, "errorCode": code, "fields": fields or []}], status)


def of_org(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Check the session and the day's limit, count the call, and say in a header how many were made."""

    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        org: Org = request.app.state.org
        sessions: Sessions = request.app.state.sessions
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in sessions.tokens:
            return error("INVALID_SESSION_ID", "Session expired or invalid", 401)
        if org.calls >= org.daily_calls:
            answer = error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", 403)
        else:
            org.calls += 1
            try:
                answer = await handler(request, org)
            except UnreadableBody as found:
                answer = error(found.code, str(found))
            except RowRefused as found:
                answer = error(found.code, str(found), 400, found.fields)
            except NoSuchLead:
                answer = error("NOT_FOUND", "The requested resource does not exist", 404)
            except soql.Malformed as found:
                answer = error("MALFORMED_QUERY", str(found))
        answer.headers["Sforce-Limit-Info"] = f"api-usage={org.calls}/{org.daily_calls}"
        return answer

    return endpoint


async def token(request: Request) -> Response:
    """`POST /services/oauth2/token`: client credentials or a refresh token for an access token."""
    sessions: Sessions = request.app.state.sessions
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    known = sessions.credentials
    if (form.get("client_id"), form.get("client_secret")) != (known.client_id, known.client_secret):
        return JSONResponse({"error": "invalid_client", "error_description": "invalid client credentials"}, 400)
    if form.get("grant_type") == "refresh_token" and form.get("refresh_token") != known.refresh_token:
        return JSONResponse({"error": "invalid_grant", "error_description": "expired access/refresh token"}, 400)
    if form.get("grant_type") not in ("refresh_token", "client_credentials"):
        return JSONResponse({"error": "unsupported_grant_type", "error_description": "grant type not supported"}, 400)
    address = str(request.base_url).rstrip("/")
    identity = f"{address}/id/00D000000000001AAA/{USER_ID}"
    issued = {"access_token": sessions.issue(), "instance_url": address, "id": identity, "token_type": "Bearer"}
    return JSONResponse({**issued, "issued_at": "1700000000000", "signature": "-"})


async def userinfo(_request: Request, _org: Org) -> Response:
    """`GET /services/oauth2/userinfo`"""
    return JSONResponse({"user_id": USER_ID, "organization_id": "00D000000000001AAA"})


async def describe(_request: Request, org: Org) -> Response:
    """`GET sobjects/Lead/describe`"""
    fields = [each.described() for each in org.visible_fields().values()]
    return JSONResponse({"name": "Lead", "createable": True, "updateable": True, "fields": fields})


async def limits(_request: Request, org: Org) -> Response:
    """`GET limits`"""
    return JSONResponse({"DailyApiRequests": {"Max": org.daily_calls, "Remaining": org.daily_calls - org.calls}})


async def describe_opportunity(_request: Request, org: Org) -> Response:
    """`GET sobjects/Opportunity/describe`"""
    return JSONResponse({"name": "Opportunity", "fields": [{"name": each} for each in org.opportunities.fields]})


async def query(request: Request, org: Org) -> Response:
    """`GET query?q=`, `queryAll?q=` with deleted records, and `from` of its further pages."""
    asked = soql.parse(request.query_params.get("q", ""))
    of_deals = org.opportunities.records(asked.kind, with_deleted=request.url.path.endswith("queryAll"))
    if asked.kind == "Lead":
        visible = org.visible_fields()
        for name in asked.fields:
            if name not in visible:
                return error("INVALID_FIELD", f"No such column '{name}' on entity 'Lead'.")
        found = asked.run(org.present())
    elif asked.kind in OTHERS:
        found = asked.run(org.others.get(asked.kind, []))
    elif of_deals is not None:
        if asked.kind == "Opportunity" and (unknown := set(asked.fields) - set(org.opportunities.fields)):
            return error("INVALID_FIELD", f"No such column {unknown} on entity 'Opportunity'.")
        found = asked.run(of_deals)
    else:
        return error("INVALID_TYPE", f"sObject type '{asked.kind}' is not supported.")
    records = [
        {"attributes": {"type": asked.kind}, **{name: each.get(name) for name in asked.fields}} for each in found
    ]
    first = int(request.query_params.get("from", 0))
    following = first + org.query_size
    answer = {"totalSize": len(records), "done": following >= len(records), "records": records[first:following]}
    if following < len(records):
        more = urlencode({"q": request.query_params["q"], "from": following})
        answer["nextRecordsUrl"] = f"{request.url.path}?{more}"
    return JSONResponse(answer)


async def read_collection(request: Request, org: Org) -> Response:
    """`POST composite/sobjects/Lead`: records by id, null for those that are not there."""
    body = await request.json()
    for name in body["fields"]:
        if name not in org.visible_fields():
            return error("INVALID_FIELD", f"No such column '{name}' on entity 'Lead'.")

    def record(lead_id: str) -> Values | None:
        try:
            values = org.lead(lead_id)
        except NoSuchLead:
            return None
        return {
            "attributes": {"type": "Lead"},
            "Id": values["Id"],
            **{name: values.get(name) for name in body["fields"]},
        }

    return JSONResponse([record(str(each)) for each in body["ids"]])


async def write_collection(request: Request, org: Org) -> Response:
    """`PATCH composite/sobjects` (updates by id) and `…/Lead/{field}` (upserts): 200 and a verdict for each row."""
    key = request.path_params.get("key")
    body = await request.json()
    rows = body["records"]
    if len(rows) > MOST_ROWS:
        return error("EXCEEDED_MAX_SEMIJOIN_SUBSELECTS", f"records size limit exceeded: {MOST_ROWS}")
    written = []
    for row in rows:
        if (row.get("attributes") or {}).get("type") != "Lead":
            return error("INVALID_TYPE", "The type attribute is missing or not of this request.")
        written.append({name: value for name, value in row.items() if name not in ("attributes", "id")})
        org.check_readable(written[-1])
    wishes = _wishes(request)
    ids = [str(row.get(key) or "").lower() for row in rows] if key else [str(row.get("id")) for row in rows]
    results = []
    for place, values in enumerate(written):
        if ids.count(ids[place]) > 1:
            results.append(_failed(RowRefused("DUPLICATE_VALUE", f"Duplicate external id specified: {ids[place]}")))
            continue
        try:
            results.append(_upserted(org, key, values, wishes) if key else _updated(org, ids[place], values, wishes))
        except RowRefused as refused:
            results.append(_failed(refused))
    return JSONResponse(results[: org.results_kept])


async def write_by_key(request: Request, org: Org) -> Response:
    """`PATCH sobjects/Lead/{field}/{value}`: 201, 200, or 300 with the addresses of several leads, nothing written."""
    key, value = request.path_params["key"], request.path_params["value"]
    values = await request.json()
    if key not in org.visible_fields():
        return error("NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {key}", 404)
    if key in values:
        return error("INVALID_FIELD", f"The {key} field should not be specified in the sobject data.")
    org.check_readable(values)
    matches = org.matching(key, value)
    if len(matches) > 1:
        version = request.path_params["version"]
        return JSONResponse([f"/services/data/v{version}/sobjects/Lead/{each}" for each in matches], 300)
    result = _upserted(org, key, {**values, key: value}, _wishes(request))
    if not result["created"] and request.path_params["version"] <= LAST_SILENT_VERSION:
        return Response(status_code=204)
    return JSONResponse(result, 201 if result["created"] else 200)


async def write_by_id(request: Request, org: Org) -> Response:
    """`PATCH sobjects/Lead/{id}`: 204, or from version 46.0 on 200 (sources differ; both are served)."""
    values = await request.json()
    org.check_readable(values)
    lead_id = request.path_params["lead_id"]
    org.lead(lead_id)
    result = _updated(org, lead_id, values, _wishes(request))
    if request.path_params["version"] <= LAST_SILENT_VERSION or request.app.state.is_silent:
        return Response(status_code=204)
    return JSONResponse(result)


async def make_field(request: Request, org: Org) -> Response:
    """`POST tooling/sobjects/CustomField`"""
    body = await request.json()
    return _made(org.define_by_api(str(body["FullName"]), body["Metadata"]))


async def make_other(request: Request, org: Org) -> Response:
    """`POST sobjects/{kind}`, of what setup makes."""
    kind = request.path_params["kind"]
    if kind not in OTHERS:
        return error("NOT_FOUND", "The requested resource does not exist", 404)
    return _made(org.add_other(kind, await request.json()))


def routes() -> list[Route]:
    """Every address of the API."""
    return [
        Route("/services/oauth2/token", token, methods=["POST"]),
        Route("/services/oauth2/userinfo", of_org(userinfo)),
        Route(f"{DATA}/sobjects/Lead/describe", of_org(describe)),
        Route(f"{DATA}/sobjects/Opportunity/describe", of_org(describe_opportunity)),
        Route(f"{DATA}/limits", of_org(limits)),
        Route(f"{DATA}/query", of_org(query)),
        Route(f"{DATA}/queryAll", of_org(query)),
        Route(f"{DATA}/composite/sobjects/Lead", of_org(read_collection), methods=["POST"]),
        Route(f"{DATA}/composite/sobjects", of_org(write_collection), methods=["PATCH"]),
        Route(f"{DATA}/composite/sobjects/Lead/{{key}}", of_org(write_collection), methods=["PATCH"]),
        Route(f"{DATA}/tooling/sobjects/CustomField", of_org(make_field), methods=["POST"]),
        Route(f"{DATA}/sobjects/Lead/{{key}}/{{value:path}}", of_org(write_by_key), methods=["PATCH"]),
        Route(f"{DATA}/sobjects/Lead/{{lead_id}}", of_org(write_by_id), methods=["PATCH"]),
        Route(f"{DATA}/sobjects/{{kind}}", of_org(make_other), methods=["POST"]),
    ]


def _wishes(request: Request) -> Wishes:
    duplicates = request.headers.get("sforce-duplicate-rule-header", "")
    return Wishes(
        assigns=request.headers.get("sforce-auto-assign", "TRUE").upper() != "FALSE",
        saves_duplicates=re.search(r"allowSave=true", duplicates, re.IGNORECASE) is not None,
    )


def _upserted(org: Org, key: str, values: Values, wishes: Wishes) -> Values:
    matches = org.matching(key, str(values[key]))
    if len(matches) > 1:
        raise RowRefused("DUPLICATE_EXTERNAL_ID", f"{key}: more than one record found for external id field")
    lead_id = org.save(matches[0] if matches else None, values, wishes)
    return {"id": lead_id, "success": True, "errors": [], "created": not matches}


def _updated(org: Org, lead_id: str, values: Values, wishes: Wishes) -> Values:
    return {"id": org.save(lead_id, values, wishes), "success": True, "errors": []}


def _failed(refused: RowRefused) -> Values:
    said: Values = {"statusCode": refused.code, "message": str(refused), "fields": refused.fields}
    if refused.record_ids:  # spelled so by Salesforce
        matches = [{"record": {"Id": each, "attributes": {"type": "Lead"}}} for each in refused.record_ids]
        said["duplicateResut"] = {"allowSave": True, "matchResults": [{"matchRecords": matches}]}
    return {"success": False, "errors": [said]}


def _made(made_id: str) -> Response:
    return JSONResponse({"id": made_id, "success": True, "errors": []}, 201)
