"""The account API of the demo Chatwoot for agents' work: who there is, status, priority, assignment, webhooks."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from echolead.demo.chatwoot import answers
from echolead.demo.chatwoot.account import Handler, body_of, of_account
from echolead.demo.chatwoot.store import Store


async def list_agents(_request: Request, store: Store, account_id: int) -> Response:
    """`GET agents`"""
    return JSONResponse([answers.agent(row) for row in store.agents(account_id)])


async def list_teams(_request: Request, store: Store, account_id: int) -> Response:
    """`GET teams`"""
    return JSONResponse([answers.team(row) for row in store.teams(account_id)])


async def list_team_members(_request: Request, store: Store, account_id: int) -> Response:
    """`GET teams/{id}/team_members`: everyone is in every team."""
    return JSONResponse([answers.agent(row) for row in store.agents(account_id)])


async def toggle_status(request: Request, store: Store, account_id: int) -> Response:
    """`POST conversations/{id}/toggle_status`; without a status it opens or resolves."""
    row = store.conversation(account_id, request.path_params["id"])
    asked = (await body_of(request)).get("status")
    row = store.set_status(account_id, row["id"], asked or ("resolved" if row["status"] == "open" else "open"))
    done = {"success": True, "current_status": row["status"], "conversation_id": row["id"]}
    return JSONResponse({"meta": {}, "payload": done})


async def toggle_priority(request: Request, store: Store, account_id: int) -> Response:
    """`POST conversations/{id}/toggle_priority`"""
    asked = (await body_of(request)).get("priority")
    store.set_priority(account_id, request.path_params["id"], None if asked in (None, "none", "") else str(asked))
    return Response(status_code=200)


async def assign(request: Request, store: Store, account_id: int) -> Response:
    """`POST conversations/{id}/assignments`: the agent or team, null when it is unknown and so unassigned."""
    wanted = await body_of(request)
    row = store.assign(account_id, request.path_params["id"], wanted)
    if "assignee_id" in wanted:
        found = store.agent(account_id, row["assignee_id"])
        return JSONResponse(None if found is None else answers.agent(found))
    team = store.team(account_id, row["team_id"])
    return JSONResponse(None if team is None else answers.team(team))


async def webhooks(request: Request, store: Store, account_id: int) -> Response:
    """`GET` and `POST webhooks`"""
    if request.method == "GET":
        return JSONResponse({"payload": {"webhooks": [answers.webhook(row) for row in store.webhooks(account_id)]}})
    body = await body_of(request)
    made = store.create_webhook(account_id, body.get("webhook", body))
    return JSONResponse({"payload": {"webhook": answers.webhook(made)}})


async def delete_webhook(request: Request, store: Store, account_id: int) -> Response:
    """`DELETE webhooks/{id}`"""
    store.delete_webhook(account_id, request.path_params["id"])
    return Response(status_code=200)


def routes() -> list[Route]:
    """Routes below those of `account`."""
    paths: list[tuple[str, str, Handler]] = [
        ("GET", "/agents", list_agents),
        ("GET", "/teams", list_teams),
        ("GET", "/teams/{id:int}/team_members", list_team_members),
        ("POST", "/conversations/{id:int}/toggle_status", toggle_status),
        ("POST", "/conversations/{id:int}/toggle_priority", toggle_priority),
        ("POST", "/conversations/{id:int}/assignments", assign),
        ("GET POST", "/webhooks", webhooks),
        ("DELETE", "/webhooks/{id:int}", delete_webhook),
    ]
    base = "/api/v1/accounts/{account_id:int}"
    return [Route(base + path, of_account(handler), methods=methods.split()) for methods, path, handler in paths]
