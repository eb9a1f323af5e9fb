"""What Salesforce's answers stand for: the answer to a call, and each row of one that is answered with 200.

Codes: REST API Developer Guide, "Status Codes and Error Responses"; SOAP API Developer Guide, "StatusCode".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from reverse_etl.calls import Allowance, Reply, judge_by_status
from reverse_etl.errors import DeliveryFailed, Postponed, Rejected, Unavailable

ID_FIELD = "EchoLead_Id__c"
DAY_SECONDS = 86400.0
# The day's limit counts the last 24 hours, so calls become free all the time: an hour is enough for a probe.
SPENT_DAY_SECONDS = 3600.0
CONCURRENT_LIMIT_SECONDS = 20.0
FULL_STORAGE_SECONDS = 900.0
SCHEMA_READ_AGAIN_SECONDS = 5.0

# Somebody else's work on the row, a package's trigger or flow, or Salesforce itself: another try can help.
PASSING = frozenset(
    {
        "APEX_ERROR",
        "CANNOT_EXECUTE_FLOW_TRIGGER",
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "INSUFFICIENT_RESOURCES",
        "QUERY_TIMEOUT",
        "REQUEST_RUNNING_TOO_LONG",
        "SERVER_UNAVAILABLE",
        "TOO_MANY_APEX_REQUESTS",
        "TXN_SECURITY_RUNTIME_ERROR",
        "UNABLE_TO_LOCK_ROW",
        "UNKNOWN_EXCEPTION",
    }
)
# The record is another one than the look-up said; the next try looks up again.
CHANGED_MEANWHILE = frozenset({"DUPLICATE_EXTERNAL_ID", "ENTITY_IS_DELETED", "ENTITY_IS_LOCKED", "NOT_FOUND"})
# The value does not fit or the user may not write it; without it the row is good.
OF_A_VALUE = frozenset(
    {
        "FIELD_FILTER_VALIDATION_EXCEPTION",
        "INVALID_EMAIL_ADDRESS",
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "NUMBER_OUTSIDE_VALID_RANGE",
        "STRING_TOO_LONG",
    }
)
NOT_WRITABLE = "INVALID_FIELD_FOR_INSERT_UPDATE"
# The object is not what `describe` said: a field was removed, or its rights were.
OF_THE_SCHEMA = frozenset({"INVALID_FIELD", "INVALID_TYPE"})
# 403 of one record; any other 403 is the user's, or the org's.
OF_THE_RECORD = frozenset(
    {"INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS_OR_READONLY", "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"}
)
CONVERTED = "CANNOT_UPDATE_CONVERTED_LEAD"
SEVERAL_MATCHES = "DUPLICATE_EXTERNAL_ID"
LEAD_ID = re.compile(r"\b00Q[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?\b")
API_USAGE = re.compile(r"(?:^|[^-])\bapi-usage=(\d+)/(\d+)")


@dataclass(frozen=True)
class RowError:
    """One row's refusal: Salesforce's code, its sentence, and the fields it names."""

    code: str
    message: str
    fields: tuple[str, ...] = ()
    record_ids: tuple[str, ...] = ()
    """Leads that the refusal names: those that a duplicate rule found."""

    @classmethod
    def of(cls, error: Mapping[str, Any]) -> Self:
        """From an error as collections (`statusCode`) and other calls (`errorCode`) write it."""
        code = str(error.get("statusCode") or error.get("errorCode") or "")
        fields = tuple(str(name) for name in error.get("fields") or ())
        return cls(code, str(error.get("message") or ""), fields, tuple(dict.fromkeys(LEAD_ID.findall(str(error)))))

    @property
    def failure(self) -> DeliveryFailed:
        """What it means for the row: wait, or never."""
        sentence = f"{self.code}: {self.message}"
        if self.code == "DUPLICATES_DETECTED" and self.record_ids:
            sentence += f" (like {', '.join(self.record_ids)})"
        is_our_id_taken = self.code == "DUPLICATE_VALUE" and (ID_FIELD in self.message or ID_FIELD in self.fields)
        if self.code in PASSING or self.code in CHANGED_MEANWHILE or is_our_id_taken:
            return Postponed(sentence)
        if self.code == "STORAGE_LIMIT_EXCEEDED":
            return Postponed(sentence, retry_after=FULL_STORAGE_SECONDS, is_limit=True)  # updates still arrive
        return Rejected(sentence, status=400, attributes=self.fields, code=self.code)


def judge(answer: Reply) -> DeliveryFailed | None:
    """What an answer stands for: by Salesforce's code where it has one, else by the status."""
    if answer.status < 300:
        return None
    if answer.status == 300:
        records = ", ".join(dict.fromkeys(LEAD_ID.findall(answer.text)))
        return RowError(SEVERAL_MATCHES, f"several leads have this {ID_FIELD}: {records}").failure
    error, by_status = _first_error(answer.content), judge_by_status(answer)
    if error is None or answer.status in (401, 429, 503):
        return by_status
    return _of_the_org(error) or _of_the_call(error, answer.status, by_status)


def _of_the_org(error: RowError) -> DeliveryFailed | None:
    """What stops every call: a limit, or fields that are others than we read."""
    sentence = f"{error.code}: {error.message}"
    if error.code == "REQUEST_LIMIT_EXCEEDED":
        is_short = "Concurrent" in error.message
        return Unavailable(sentence, retry_after=CONCURRENT_LIMIT_SECONDS if is_short else SPENT_DAY_SECONDS)
    return Unavailable(sentence, retry_after=SCHEMA_READ_AGAIN_SECONDS) if error.code in OF_THE_SCHEMA else None


def _of_the_call(error: RowError, status: int, by_status: DeliveryFailed | None) -> DeliveryFailed | None:
    """A refusal of one record, unless the status says that it is the user's or Salesforce's trouble."""
    is_of_the_user = status == 403 and error.code not in OF_THE_RECORD
    is_of_salesforce = status >= 500 and error.code != "UNABLE_TO_LOCK_ROW"
    return by_status if is_of_the_user or is_of_salesforce else error.failure


def is_of_the_schema(answer: Reply) -> bool:
    """Whether the answer says that a field is not there, or not for our user."""
    error = _first_error(answer.content) if answer.status == 400 else None
    return error is not None and error.code in OF_THE_SCHEMA


def allowance(headers: httpx.Headers) -> Allowance | None:
    """What `Sforce-Limit-Info: api-usage=18/5000` leaves of the day, which is the last 24 hours."""
    found = API_USAGE.search(headers.get("Sforce-Limit-Info", ""))
    if found is None:
        return None
    used, limit = int(found[1]), int(found[2])
    return Allowance(max(0, limit - used), DAY_SECONDS, limit, is_daily=True)


def _first_error(content: Any) -> RowError | None:
    errors = content if isinstance(content, list) else [content]
    found = RowError.of(errors[0]) if errors and isinstance(errors[0], dict) else None
    return found if found is not None and found.code else None
