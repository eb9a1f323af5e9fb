"""The result of a benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value. `ceiling` is the value on the same machine in the same run without EchoLead's part, if any.

    `reached` is None without a target.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    ceiling: float | None = None
    lower_is_better: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the value meets the target."""
        if self.target is None:
            return None
        return self.value <= self.target if self.lower_is_better else self.value >= self.target
