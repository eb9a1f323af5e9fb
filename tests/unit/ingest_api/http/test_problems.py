"""Every problem type has a page in the API and in the documentation, and retryable ones have Retry-After."""

import json
import re
from pathlib import Path

import pytest

from ingest_api.http.problems import PROBLEM_TYPES, Problem, ProblemType

TESTS = Path(__file__).parents[3]
PAGES = Path(__file__).parents[4] / "docs" / "problems"


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in PROBLEM_TYPES])
def test_a_problem_type_is_documented(kind: ProblemType) -> None:
    page = (PAGES / f"{kind.name}.md").read_text()
    assert page.startswith(f"# {kind.title} ({kind.status})\n")
    assert kind.advice
    assert kind.advice in " ".join(page.split())


def test_every_page_is_of_a_problem_type() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {kind.name for kind in PROBLEM_TYPES}


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in PROBLEM_TYPES])
def test_a_problem_document_has_the_members_of_rfc_9457(kind: ProblemType) -> None:
    problem = Problem(kind, "What to do.")
    assert json.loads(problem.body()) == {
        "type": f"/problems/{kind.name}",
        "title": kind.title,
        "status": kind.status,
        "detail": "What to do.",
    }
    assert (b"retry-after" in dict(problem.headers())) is (kind.retry_after_seconds is not None)


def test_a_retryable_problem_has_retry_after() -> None:
    assert {kind.name for kind in PROBLEM_TYPES if kind.status == 503} <= {
        kind.name for kind in PROBLEM_TYPES if kind.retry_after_seconds
    }


@pytest.mark.parametrize("page", ["collector-security", "console"])
def test_every_test_named_in_a_security_reference_exists(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (PAGES.parent / "reference" / f"{page}.md").read_text()))
    written = {name for file in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())}
    assert len(named) > 15
    assert named - written == set()
