"""What is wrong with a rule set, each problem with its place in the text."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class LocatedProblem:
    """One mistake: line and column of the text, from 1, and a sentence that says what to write instead."""

    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}"


class BadRules(Exception):
    """The text is no rule set. `problems` has at least one, in the order of the text."""

    def __init__(self, problems: Sequence[LocatedProblem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))
