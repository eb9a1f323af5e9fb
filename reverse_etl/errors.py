"""What can become of a call to a destination, and of a delivery: the class says whether a retry can help."""


class DeliveryFailed(Exception):
    """A delivery did not come to its end; the message is a sentence for the operator.

    `is_destination_wide` failures say nothing of the lead: they do not use up its tries.
    """

    is_destination_wide = False

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(DeliveryFailed):
    """The destination refused the record (4xx): final until the lead changes or an operator forces a re-sync.

    `attributes` are the fields it named.
    """

    def __init__(self, message: str, *, status: int, attributes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.attributes = attributes


class NotThere(Rejected):
    """The record is not in the destination (404)."""


class Unavailable(DeliveryFailed):
    """The destination took nothing: no connection, 429, 503, or the lane's breaker is open. `retry_after` seconds."""

    is_destination_wide = True


class OutcomeUnknown(DeliveryFailed):
    """Time-out, cut connection or 5xx after the request was sent: it may be done. Look before creating."""


class Misconfigured(DeliveryFailed):
    """The destination's address or token is not accepted: nothing is delivered until the configuration changes."""

    is_destination_wide = True


class Mismatch(DeliveryFailed):
    """Read back, the destination holds something else than what was sent."""
