"""What a request says, read strictly: a misspelt filter, a name given twice and a vague version are refused.

JSON leaves open what a name means that an object has twice (RFC 8259, section 4), and a query what a repeated parameter
means. The control API refuses both, so that no part of a request is lost unseen.
"""

import json
import re
from collections import Counter
from typing import Any

from fastapi import Request, params
from fastapi.dependencies.utils import get_flat_params

from ingest_api.http.problems import INVALID_REQUEST, VERSION_REQUIRED, Problem

PAGING = ("limit", "cursor")
ONE_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]{1,64})"|([\w-]{1,64})', re.ASCII)
"""An entity tag. Proxies that compress make it a weak one; without quotes it is accepted as well."""


class RepeatedName(ValueError):
    """An object of a JSON body has a name twice."""


def repeated_name(body: bytes) -> str:
    """The first name that an object of a JSON body has twice, '' for none or where the body is no JSON."""
    try:
        json.loads(body, object_pairs_hook=_names_once)
    except RepeatedName as error:
        return str(error)
    except (ValueError, RecursionError):
        pass
    return ""


def check_query(request: Request) -> None:
    """Raises `Problem` for a parameter that the route does not know, or that is given more than once."""
    fields = get_flat_params(request.scope["route"].dependant)
    known = sorted(field.alias for field in fields if isinstance(field.field_info, params.Query))
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            raise Problem(INVALID_REQUEST, f"query.{name[:100]}: there is {', '.join(known) or 'no parameter'} here.")
        if times > 1:
            raise Problem(INVALID_REQUEST, f"query.{name}: give it once.")


def list_of(request: Request) -> str:
    """The list that a request asks for, with its filters: what a cursor belongs to."""
    filters = sorted(each for each in request.query_params.multi_items() if each[0] not in PAGING)
    return f"{request.url.path} {json.dumps(filters)}"


def base_of(request: Request) -> str:
    """The version of If-Match, without quotes, '' where there is none. Raises `Problem` for several, and for `*`."""
    said = request.headers.getlist("if-match")
    if not said:
        return ""
    tag = ONE_TAG.fullmatch(said[0].strip()) if len(said) == 1 else None
    if tag is None:
        raise Problem(
            VERSION_REQUIRED, "If-Match names one version: the ETag of what you edit, as the GET answered it."
        )
    return tag[1] or tag[2]


def _names_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise RepeatedName(next(name for name, times in counts.items() if times > 1))
    return made
