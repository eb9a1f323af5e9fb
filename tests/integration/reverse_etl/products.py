"""The fakes of the products that keep a record of each lead: how to reach them, and what they hold."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from echolead.demo.chatwoot import Faults
from echolead.demo.hubspot import HubSpotStore
from echolead.demo.hubspot import create_app as create_hubspot
from echolead.demo.pipedrive import PipedriveStore
from echolead.demo.pipedrive import create_app as create_pipedrive
from echolead.demo.rdstation import Crm, Tokens
from echolead.demo.rdstation import create_app as create_rdstation
from echolead.demo.salesforce import RowFault
from tests.fixtures import demo_rdstation, demo_salesforce
from tests.fixtures.demo_chatwoot import ACCOUNT, served_chatwoot
from tests.fixtures.served_app import served

State = Mapping[str, str | list[str]]
"""What a product shows of a lead: `email`, and `name`, `channel` and `labels` where it has a place that is ours."""


@dataclass
class Served:
    """A product's fake that answers."""

    configuration: Mapping[str, Any]
    secrets: Mapping[str, str]
    faults: Faults
    held: Callable[[], dict[str, list[State]]]
    """By lead: what each of its records shows."""
    companions: Callable[[], Mapping[str, Counter[str]]] = lambda: {}
    """By kind of what goes with a lead (note, deal): how many of them each lead has."""
    faulty: str = "."
    """The calls that may fail, as `Fault.where` has it."""
    end_tokens: Callable[[], None] = lambda: None
    """The access tokens that are out are good no more."""
    may_lack: frozenset[str] = frozenset()
    """The kinds of companions of which a lead may lack its one: an engine died between the mark and the call."""


def by_lead(records: Iterator[tuple[str, State]]) -> dict[str, list[State]]:
    """The records of each lead."""
    found: dict[str, list[State]] = {}
    for lead_id, state in records:
        found.setdefault(lead_id, []).append(state)
    return found


@contextmanager
def chatwoot() -> Iterator[Served]:
    """Chatwoot, whose contacts have the lead's id as their identifier."""
    with TemporaryDirectory() as directory, served_chatwoot(Path(directory) / "chatwoot.sqlite") as account:

        def records() -> Iterator[tuple[str, State]]:
            for shown in account.contacts():
                yield (
                    shown["identifier"],
                    {
                        "name": shown["name"],
                        "email": shown["email"],
                        "channel": shown["custom_attributes"]["channel"],
                        "labels": sorted(shown["labels"]),
                    },
                )

        yield Served(
            account.configuration(),
            {"api_access_token": ACCOUNT.api_access_token},
            account.faults,
            lambda: by_lead(records()),
        )


@contextmanager
def hubspot() -> Iterator[Served]:
    """HubSpot with deals and notes."""
    store, faults = HubSpotStore(), Faults()
    with served(create_hubspot("hubspot-test-token", store=store, faults=faults)) as url:

        def records() -> Iterator[tuple[str, State]]:
            for row in store.objects["contacts"].values():
                shown = row["properties"]
                state = {"name": shown["firstname"], "email": shown["email"], "channel": shown["echolead_channel"]}
                yield shown["echolead_id"], state

        def companions() -> dict[str, Counter[str]]:
            leads = {
                contact_id: row["properties"]["echolead_id"] for contact_id, row in store.objects["contacts"].items()
            }
            counted: dict[str, Counter[str]] = {"deals": Counter(), "notes": Counter()}
            for kind, of_kind in counted.items():
                for object_id in store.objects[kind]:
                    owners = store.associated(kind, object_id, "contacts")
                    of_kind.update([leads[owner] for owner in owners] or ["nobody"])
            return counted

        configuration = {
            "base_url": url,
            "forms_url": url,
            "deal_pipeline": "default",
            "deal_stage": "appointmentscheduled",
        }
        secrets = {"access_token": "hubspot-test-token"}
        yield Served(configuration, secrets, faults, lambda: by_lead(records()), companions)


@contextmanager
def pipedrive() -> Iterator[Served]:
    """Pipedrive with leads and notes, and a search that is behind."""
    store, faults = PipedriveStore(), Faults()
    store.index_seconds = 5.0
    with served(create_pipedrive("pipedrive-test-token", store=store, faults=faults)) as url:

        def keys() -> dict[str, str]:
            return {field["field_name"]: field["field_code"] for field in reversed(store.fields["person"])}

        def records() -> Iterator[tuple[str, State]]:
            for person in store.persons.values():
                custom, emails = person["custom_fields"], [each["value"] for each in person["emails"]]
                channel = custom[keys()["EchoLead: canal"]]
                state = {"name": person["name"], "email": ", ".join(emails), "channel": channel}
                yield custom[keys()["EchoLead: id"]], state

        def companions() -> dict[str, Counter[str]]:
            of_leads = keys()["EchoLead: id"]
            leads = {person["id"]: person["custom_fields"][of_leads] for person in store.persons.values()}
            return {
                "leads": Counter(leads[lead["person_id"]] for lead in store.leads.values()),
                "notes": Counter(leads[note["person_id"]] for note in store.notes.values()),
            }

        configuration = {"base_url": url, "makes": "lead", "concurrency": 20}
        secrets = {"api_token": "pipedrive-test-token"}
        yield Served(configuration, secrets, faults, lambda: by_lead(records()), companions)


@contextmanager
def salesforce() -> Iterator[Served]:
    """Salesforce in batches of five, with rows that fail within answers of 200."""
    row_faults = [
        RowFault("UNABLE_TO_LOCK_ROW", where="lead-[0-9]*3", times=40),
        RowFault("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", where="lead-[0-9]*5", times=40),
    ]
    with demo_salesforce.served_salesforce(demo_salesforce.made_org(row_faults=row_faults)) as account:

        def records() -> Iterator[tuple[str, State]]:
            for shown in account.org.present():
                name = " ".join(filter(None, (shown.get("FirstName"), shown["LastName"])))
                state = {"name": name, "email": shown["Email"], "channel": shown["EchoLead_Channel__c"]}
                yield shown["EchoLead_Id__c"], state

        configuration = demo_salesforce.configuration(account.url, batch_size=5)
        yield Served(configuration, demo_salesforce.secrets(), account.faults, lambda: by_lead(records()))


@contextmanager
def rdstation() -> Iterator[Served]:
    """RD Station Marketing, where each call of a conversion is one more conversion."""
    with demo_rdstation.served_rdstation(demo_rdstation.made_base()) as account:

        def records() -> Iterator[tuple[str, State]]:
            for shown in account.base.contacts.values():
                yield (
                    shown["cf_echolead_id"],
                    {
                        "name": shown["name"],
                        "email": shown["email"],
                        "channel": shown["cf_echolead_channel"],
                        "labels": sorted(shown["tags"]),
                    },
                )

        yield Served(
            demo_rdstation.configuration(account.url, concurrency=6),
            demo_rdstation.secrets(),
            account.faults,
            lambda: by_lead(records()),
            # The address of a lead begins with its id, whichever of its addresses a conversion has.
            lambda: {"conversions": Counter(event["email"].split(".")[0] for event in account.base.events)},
            faulty=API_OF_RDSTATION,
            end_tokens=account.tokens.end,
            may_lack=frozenset({"conversions"}),
        )


# Not the tokens' address: a refresh token whose successor gets lost is at its end, with RD as with everybody.
API_OF_RDSTATION = "/platform/|/crm/"


@contextmanager
def rdstation_crm() -> Iterator[Served]:
    """RD Station CRM with deals. Its contacts keep every address and the first name; none has a channel."""
    crm, faults, tokens = Crm(), Faults(), Tokens(demo_rdstation.CREDENTIALS)
    with served(create_rdstation(demo_rdstation.CREDENTIALS, crm=crm, faults=faults, tokens=tokens)) as url:

        def lead_of(contact: Mapping[str, Any]) -> str:
            return str(contact["emails"][0]["email"].split(".")[0])

        def records() -> Iterator[tuple[str, State]]:
            for contact in crm.contacts.values():
                yield lead_of(contact), {"email": contact["emails"][-1]["email"]}

        def companions() -> dict[str, Counter[str]]:
            owners = [crm.contacts[each] for deal in crm.deals.values() for each in deal["contact_ids"]]
            return {"deals": Counter(map(lead_of, owners))}

        configuration = {**demo_rdstation.configuration(url, concurrency=6), "crm_url": f"{url}/crm/v2"}
        yield Served(
            configuration,
            demo_rdstation.secrets(),
            faults,
            lambda: by_lead(records()),
            companions,
            faulty=API_OF_RDSTATION,
            end_tokens=tokens.end,
        )


PRODUCTS: Mapping[str, Callable[[], AbstractContextManager[Served]]] = {
    "chatwoot": chatwoot,
    "hubspot": hubspot,
    "pipedrive": pipedrive,
    "salesforce": salesforce,
    "rdstation": rdstation,
    "rdstation_crm": rdstation_crm,
}
