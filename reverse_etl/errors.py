"""What can become of a call to a destination, and of a delivery: the class says whether a retry can help."""


class DeliveryFailed(Exception):
    """A delivery did not come to its end; the message is a sentence for the operator.

    `is_destination_wide` failures say nothing of the lead. Failures that do not `use_up_tries` are tried again for as
    long as they last.
    """

    is_destination_wide = False
    uses_up_tries = True

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(DeliveryFailed):
    """The destination refused the record: final until the lead changes or an operator forces a re-sync.

    `attributes` are the fields it named, `code` is its own word for the reason.
    """

    def __init__(self, message: str, *, status: int, attributes: tuple[str, ...] = (), code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.attributes = attributes
        self.code = code


class NotThere(Rejected):
    """The record is not in the destination (404)."""


class Postponed(DeliveryFailed):
    """The destination cannot take this record now, and others are fine: a row lock, a limit of one lead.

    A limit of one lead says when it ends (`is_limit`) and uses up no try.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, is_limit: bool = False) -> None:
        super().__init__(message, retry_after=retry_after)
        self.uses_up_tries = not is_limit


class Withheld(DeliveryFailed):
    """Not sent on purpose, and not tried again until the lead changes: no consent, too old, nothing to find it by."""


class Unavailable(DeliveryFailed):
    """The destination took nothing: no connection, a limit of all calls, 503, or the lane's breaker is open."""

    is_destination_wide = True
    uses_up_tries = False


class OutcomeUnknown(DeliveryFailed):
    """Time-out, cut connection or 5xx after the request was sent: it may be done. Look before creating."""


class Misconfigured(DeliveryFailed):
    """The destination's address or token is not accepted: nothing is delivered until the configuration changes."""

    is_destination_wide = True
    uses_up_tries = False


class Gone(Misconfigured):
    """The destination wants nothing more (410): it is switched off with this reason, and what waits is kept."""


class Mismatch(DeliveryFailed):
    """Read back, the destination holds something else than what was sent."""
