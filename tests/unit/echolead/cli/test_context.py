"""How commands show values to people."""

import pytest

from echolead.cli.context import cell


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        ({}, "-"),
        ({"acme": "operator", "beta": "viewer"}, "acme=operator\nbeta=viewer"),
        (["lp.acme.test", "acme.test"], "lp.acme.test\nacme.test"),
        (True, "yes"),
        (0, "0"),
    ],
)
def test_a_value_is_shown_as_people_read_it(value: object, shown: str) -> None:
    assert cell(value) == shown
