"""The control API as the signed-in user: the console forwards the session's token, and the API decides what is allowed.

Each page acts through this client alone; the console has no rights of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from echolead.signed_in import ApiUnavailable

TIMEOUT_SECONDS = 25.0
MAX_LINES = 5_000
PAGE_LINES = 200


class ApiRefusal(Exception):
    """The API refused: `kind` is the name of the problem (`changed-meanwhile`), `more` its other members."""

    def __init__(self, status: int, kind: str, detail: str, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.more = dict(more or {})


@dataclass(frozen=True)
class ApiAnswer:
    """The JSON of an answer, and the version (ETag) on which an edit of it is based."""

    body: Any
    version: str = ""


@dataclass(frozen=True)
class ControlClient:
    """Requests about one tenant ('': the installation) with the token of one session."""

    http: httpx.Client = field(repr=False, compare=False)
    token: str = field(repr=False)
    tenant_id: str

    def get(self, path: str, **query: Any) -> ApiAnswer:
        """What is there. Raises `ApiRefusal`, `ApiUnavailable`, as all of these."""
        return self._send("GET", path, query=query)

    def post(self, path: str, body: Any = None, *, version: str | None = None) -> ApiAnswer:
        """Do something once: a request without an answer is repeated with the same idempotency key."""
        headers = {"Idempotency-Key": uuid4().hex}
        try:
            return self._send("POST", path, body, version=version, headers=headers)
        except ApiUnavailable:
            return self._send("POST", path, body, version=version, headers=headers)

    def put(self, path: str, body: Any, *, version: str | None = None) -> ApiAnswer:
        """Replace something; `version` is the one that was edited."""
        return self._send("PUT", path, body, version=version)

    def patch(self, path: str, body: Any, *, version: str | None = None) -> ApiAnswer:
        """Change parts of something; `version` is the one that was edited."""
        return self._send("PATCH", path, body, version=version)

    def delete(self, path: str, *, version: str | None = None, **query: Any) -> None:
        """Remove something; `version` is the one that was seen, where the API asks for it."""
        self._send("DELETE", path, query=query, version=version)

    def lines(self, path: str, *, most: int = MAX_LINES, **query: Any) -> list[dict[str, Any]]:
        """The first `most` lines of a list, page by page."""
        found: list[dict[str, Any]] = []
        cursor = None
        while len(found) < most:
            asked = {**query, "limit": min(PAGE_LINES, most - len(found)), "cursor": cursor}
            page = self.get(path, **asked).body
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        return found

    def whole(self, path: str) -> list[dict[str, Any]]:
        """The lines of a list that comes in one page."""
        found: list[dict[str, Any]] = self.get(path).body["items"]
        return found

    def text(self, path: str) -> str:
        """The text of an answer that is not a JSON document."""
        return self._answered("GET", path, None, {}, {}).text

    def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        version: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiAnswer:
        based = {"If-Match": f'"{version}"'} if version is not None else {}
        answer = self._answered(method, path, body, query or {}, {**(headers or {}), **based})
        try:
            return ApiAnswer(answer.json() if answer.content else None, answer.headers.get("etag", "").strip('"'))
        except ValueError as error:
            raise ApiUnavailable(f"{path} answers no JSON.") from error

    def _answered(
        self, method: str, path: str, body: Any, query: Mapping[str, Any], headers: Mapping[str, str]
    ) -> httpx.Response:
        said = {name: value for name, value in query.items() if value not in (None, "")}
        place = f"/v1/tenants/{quote(self.tenant_id, safe='')}" if self.tenant_id else "/v1"
        try:
            answer = self.http.request(
                method, f"{place}{path}", json=body, params=said,
                headers={**headers, "Authorization": f"Bearer {self.token}"},
            )  # fmt: skip
        except httpx.HTTPError as error:
            raise ApiUnavailable(f"{path}: {error}") from error
        if answer.is_success:
            return answer
        raise _refusal(answer)


def part_of_path(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


def _refusal(answer: httpx.Response) -> Exception:
    """What a problem document says; anything else means that something stands in place of the API."""
    try:
        said = answer.json()
        kind = str(said["type"]).rpartition("/")[2]
        detail = str(said.get("detail") or said["title"])
    except (ValueError, KeyError, TypeError):
        return ApiUnavailable(f"The API answers {answer.status_code} without saying why.")
    if answer.status_code >= 500:
        return ApiUnavailable(detail)
    known = {"type", "title", "status", "detail", "instance"}
    return ApiRefusal(answer.status_code, kind, detail, {key: said[key] for key in said.keys() - known})
