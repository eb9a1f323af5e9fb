"""What `--set` and `--secret` of a destination may be: a mistake is told when the destination is added."""

from typing import Any

import pytest

from echolead.operational.destinations import CheckedConfiguration, check_configuration
from echolead.operational.errors import ChangeRefused
from echolead.outbound import UnsafeAddress


def checked(kind: str, secrets: dict[str, str], **configuration: Any) -> CheckedConfiguration:
    return check_configuration(kind, configuration, secrets, allow_private=False, private_places=())


def test_a_token_is_enough() -> None:
    assert checked("hubspot", {"access_token": "token-of-8"}).configuration["base_url"] == "https://api.hubapi.com"
    assert checked("pipedrive", {"api_token": "token-of-8"}).configuration["makes"] == "person"


@pytest.mark.parametrize(
    ("kind", "configuration", "names"),
    [
        ("hubspot", {"deal_stage": "qualifiedtobuy"}, "deal_pipeline and deal_stage belong together"),
        ("hubspot", {"portal_id": "123"}, "portal_id and form_guid belong together"),
        ("hubspot", {"portal_id": "none", "form_guid": "f"}, "portal_id"),
        ("hubspot", {"dealstage": "x"}, "dealstage is not known"),
        ("pipedrive", {"makes": "organization"}, "makes"),
        ("pipedrive", {"makes": "lead", "stage_id": "3"}, "stage_id is for makes=deal"),
    ],
)
def test_what_does_not_fit_is_named(kind: str, configuration: dict[str, str], names: str) -> None:
    with pytest.raises(ChangeRefused, match=names):
        checked(
            kind, {"access_token": "token-of-8"} if kind == "hubspot" else {"api_token": "token-of-8"}, **configuration
        )


@pytest.mark.parametrize(
    ("kind", "secrets", "name"),
    [
        ("hubspot", {"access_token": "token-of-8"}, "base_url"),
        ("hubspot", {"access_token": "token-of-8"}, "forms_url"),
        ("pipedrive", {"api_token": "token-of-8"}, "base_url"),
    ],
)
def test_no_address_of_the_own_network_is_called(kind: str, secrets: dict[str, str], name: str) -> None:
    with pytest.raises(UnsafeAddress):
        checked(kind, secrets, **{name: "http://169.254.169.254/"})
