"""What RD Station's answers stand for. Its errors come as an object, as a list in it, and as a bare list.

Sources: developers.rdstation.com "Mensagens de erro", "Limite de requisições"; ErrorFormatter of rdstation-ruby-client.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from reverse_etl.calls import Reply, judge_by_status, retry_after
from reverse_etl.errors import DeliveryFailed, Postponed, Rejected, Unavailable

QUOTA_HEADER = "retry-after-quotas"
LEAD_LIMITER = "lead_limiter"
TAKEN = "EMAIL_ALREADY_IN_USE"
WINDOW_SECONDS = 60.0
"""The account's limit is one of a minute, for answers that name no time."""
LEAST_LEAD_SECONDS = 43.0


@dataclass(frozen=True)
class RdError:
    """One refusal: RD's word for it, its sentence, and the field it is about, where it says."""

    code: str
    message: str
    field: str = ""


def errors_of(content: Any, field: str = "") -> Iterator[RdError]:
    """Every refusal in an answer, in whichever of its forms."""
    if isinstance(content, Mapping):
        if "error_type" in content or "error_message" in content:
            path = str(content.get("path") or field)
            named = path.removeprefix("$").rsplit(".", 1)[-1] if path not in ("body", "$") else ""
            yield RdError(str(content.get("error_type") or ""), str(content.get("error_message") or ""), named)
            return
        for name, inner in content.items():
            yield from errors_of(inner, "" if name in ("errors", "error") else str(name))
    elif isinstance(content, list):
        for inner in content:
            yield from errors_of(inner, field)


def judge(answer: Reply) -> DeliveryFailed | None:
    """What an answer stands for: 429 is the lead's limit or the account's, 4xx the contact's refusal."""
    by_status = judge_by_status(answer)
    if answer.status == 429:
        return _limit(answer)
    errors = list(errors_of(answer.content)) if isinstance(by_status, Rejected) and answer.status != 404 else []
    if not errors:
        return by_status
    return Rejected(
        "; ".join(f"{error.code}: {error.message}" + (f" ({error.field})" if error.field else "") for error in errors),
        status=answer.status,
        attributes=tuple(dict.fromkeys(error.field for error in errors if error.field)),
        code=errors[0].code,
    )


def _limit(answer: Reply) -> DeliveryFailed:
    said = answer.content if isinstance(answer.content, dict) else {}
    if LEAD_LIMITER in str(said.get("error", "")):
        # `remaining_time` is said to be in milliseconds, and its example only makes sense in seconds: the shorter one
        # is the first probe, and further ones are spaced.
        shortest = max(float(said.get("remaining_time") or 0) / 1000, LEAST_LEAD_SECONDS)
        return Postponed(f"RD Station's limit of this lead: {answer.kept[:200]}", retry_after=shortest, is_limit=True)
    seconds = asked_to_wait(answer.headers)
    return Unavailable("RD Station's limit of the account is reached.", retry_after=seconds or WINDOW_SECONDS)


def asked_to_wait(headers: httpx.Headers) -> float | None:
    """Seconds by RD's own header, or by Retry-After."""
    own = retry_after(headers, QUOTA_HEADER)
    return retry_after(headers) if own is None else own
