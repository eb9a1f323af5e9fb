"""What Pipedrive's answers stand for, and what its headers say is left.

Sources: pipedrive.readme.io, "Rate limiting" (burst of two seconds, budget of tokens a day, reset at midnight), "HTTP
status codes" (402, 403); the blocking page comes from Cloudflare and is no JSON.
"""

from typing import Any

import httpx

from reverse_etl.calls import Allowance, Reply, judge_by_status
from reverse_etl.errors import DeliveryFailed, Misconfigured, Rejected, Unavailable

BURST_SECONDS = 2.0
# The burst's reset is at most ten seconds, also after many refusals; the day's is the time to midnight.
LONGEST_BURST_SECONDS = 60.0
PROBE_SECONDS = 3600.0
BLOCKED_SECONDS = 60.0
PLAN_LIMIT = "PLAN_LIMIT"


def judge(answer: Reply) -> DeliveryFailed | None:
    """What an answer stands for. A limit of the plan is `Rejected` with the code `PLAN_LIMIT`."""
    content: Any = answer.content if isinstance(answer.content, dict) else None
    message = str((content or {}).get("error") or answer.kept)[:300]
    error: DeliveryFailed | None
    if answer.status == 429:
        error = _limited(answer.headers)
    elif answer.status == 402:
        error = Misconfigured(f"The account is not paid for: {message}")
    elif answer.status == 403 and content is None:
        error = Unavailable("Pipedrive blocks our address for now.", retry_after=BLOCKED_SECONDS)
    elif answer.status == 403 and "feature_capping" in answer.text:
        error = Rejected(f"The plan's limit is reached: {message}", status=403, code=PLAN_LIMIT)
    elif answer.status == 400:
        error = Rejected(message, status=400, code=str((content or {}).get("code") or ""))
    else:
        error = judge_by_status(answer)
    return error


def allowance(headers: httpx.Headers) -> Allowance | None:
    """What is left of the burst."""
    left, limit = headers.get("x-ratelimit-remaining", ""), headers.get("x-ratelimit-limit", "")
    if not left.isdigit():
        return None
    return Allowance(int(left), _reset(headers) or BURST_SECONDS, limit=int(limit) if limit.isdigit() else None)


def _limited(headers: httpx.Headers) -> Unavailable:
    reset = _reset(headers)
    if reset is not None and reset > LONGEST_BURST_SECONDS:
        return Unavailable("Pipedrive's budget of the day is used up.", retry_after=min(reset, PROBE_SECONDS))
    return Unavailable("Pipedrive answers 429.", retry_after=BURST_SECONDS if reset is None else reset)


def _reset(headers: httpx.Headers) -> float | None:
    """Seconds until calls are accepted again."""
    texts = (headers.get("x-ratelimit-reset", ""), headers.get("Retry-After", ""))
    found = [float(text) for text in texts if text.strip().isdigit()]
    return max(found) if found else None
