"""Destinations: their configuration, and secrets that can be replaced and never be read."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import Field, SecretStr
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational import control_tasks
from echolead.operational.control_tasks import MAPPING_TRIAL
from echolead.operational.destination_kinds import KINDS
from echolead.operational.destinations import (
    MAPPING,
    MAPPING_CHARACTERS,
    ValueEdit,
    add_destination,
    check_configuration,
    checked_mapping,
    edit_destination,
    set_enabled,
)
from echolead.operational.errors import ChangeRefused
from echolead.operational.models import Destination, DestinationQuota
from echolead.operational.named_rows import get_named, list_named
from echolead.operational.versions import version_of
from echolead.outbound import opened_places
from echolead.security import Vault
from ingest_api.control.answers import ControlBody, ListPage, Moment, View, answer
from ingest_api.control.call import Call, Calling, operation
from ingest_api.control.once import once
from ingest_api.control.quotas import QuotaView, quota_view, quotas_by_destination
from ingest_api.control.tasks import TaskView, task_answer

PATH = "/v1/tenants/{tenant_id}/destinations"
ONE = f"{PATH}/{{name}}"
MASK = "••••"
Name = Annotated[str, Path(max_length=200, examples=["hubspot"])]
Values = Annotated[
    dict[str, Any],
    Field(
        max_length=50,
        description="docs/reference has the names for each product",
        examples=[{"url": "https://hooks.acme.example/leads"}],
    ),
]
Secrets = Annotated[
    dict[str, SecretStr],
    Field(
        max_length=20,
        description="All secrets of the product: they replace those that are stored",
        examples=[{"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}],
    ),
]

routes = APIRouter(tags=["destinations"])


class MaskedSecret(View):
    """A secret that is stored: when it was last set and by whom, where that is known."""

    masked: str
    set_at: Moment | None
    set_by: str | None


class DestinationView(View):
    """A destination. `secrets` has a mask for each secret of the product that is or may be stored.

    `quota` is null where the product has no daily quota, or said nothing of the present day.
    """

    destination_id: UUID
    name: str
    kind: str
    configuration: dict[str, Any]
    secrets: dict[str, MaskedSecret]
    is_enabled: bool
    disabled_at: Moment | None
    disabled_reason: str | None
    quota: QuotaView | None
    created_at: Moment
    updated_at: Moment


class NewDestination(ControlBody):
    """A destination to add; it is enabled from the start."""

    kind: Annotated[str, Field(examples=["webhook", *(kind for kind in KINDS if kind != "webhook")])]
    name: Annotated[str | None, Field(max_length=200, description="The kind, when left out")] = None
    configuration: Values
    secrets: Secrets


class DestinationEdit(ControlBody):
    """Values to change; the others stay. Without `secrets` the stored ones stay."""

    configuration: Values = Field(default_factory=dict)
    secrets: Secrets | None = None


class SetUpBody(ControlBody):
    """Whether only to say what would be made in the account."""

    dry_run: bool = True


class MappingToTry(ControlBody):
    """A mapping to check and to try on a lead; without one, on the newest that arrived at the destination."""

    mapping: Annotated[
        str,
        Field(
            max_length=MAPPING_CHARACTERS,
            description="YAML: docs/reference/mapping.md. Empty: the product's own",
            examples=["contact:\n  own_channel: attributes.channel\n"],
        ),
    ]
    lead_id: Annotated[str | None, Field(min_length=1, max_length=200, examples=["1f0c6b1e7d9a4c55"])] = None


class MappingToStore(ControlBody):
    """The task that has found the mapping valid."""

    task_id: Annotated[UUID, Field(examples=["0b0f2f4e-7a55-4a0e-9d0c-1f6f3c2f9a11"])]


@routes.get(PATH, summary="Destinations", response_model=ListPage[DestinationView], **operation("destinations.read"))
def list_(call: Calling) -> Response:
    """The tenant's destinations, by name, in one page."""
    with call.session() as session:
        rows = list_named(session, Destination, call.tenant_id)
        quotas = quotas_by_destination(session, call.tenant_id)
        return answer(ListPage[DestinationView](items=[_view(row, quotas) for row in rows]))


@routes.post(
    PATH,
    summary="Add a destination",
    status_code=201,
    response_model=DestinationView,
    **operation("destinations.change"),
)
def add(call: Calling, body: NewDestination) -> Response:
    """A new destination. Its secrets are stored encrypted, and no operation answers them."""

    def work(session: Session) -> Response:
        _check_no_mapping(body.configuration)
        checked = check_configuration(body.kind, body.configuration, _plain(body.secrets), **_places(call))
        vault = Vault.of_destinations(call.control.settings)
        added = add_destination(session, vault, call.tenant_id, body.kind, checked, actor=call.actor, name=body.name)
        return _shown(session, added, 201)

    return once(call, work)


@routes.get(
    ONE, summary="A destination", response_model=DestinationView, **operation("destinations.read", versioned=True)
)
def show(call: Calling, name: Name) -> Response:
    """One destination; the ETag is for `If-Match` of the next edit."""
    with call.session() as session:
        return _shown(session, get_named(session, Destination, call.tenant_id, name))


@routes.patch(
    ONE, summary="Change a destination", response_model=DestinationView, **operation("destinations.change", edits=True)
)
def change(call: Calling, name: Name, body: DestinationEdit) -> Response:
    """Change values, or replace the secrets. The mapping is changed by `PUT …/mapping`, once it is checked."""
    with call.session() as session:
        _check_no_mapping(body.configuration)
        row = get_named(session, Destination, call.tenant_id, name)
        return _changed(session, call, row, body.configuration, _plain(body.secrets or {}))


@routes.post(f"{ONE}/pause", summary="Pause", response_model=DestinationView, **operation("destinations.pause"))
def pause(call: Calling, name: Name) -> Response:
    """Stop delivering; due deliveries wait. Repeating it is not an error."""
    return once(call, lambda session: _switched(session, call, name, is_enabled=False))


@routes.post(f"{ONE}/resume", summary="Resume", response_model=DestinationView, **operation("destinations.pause"))
def resume(call: Calling, name: Name) -> Response:
    """Deliver again, also where the engine had switched it off. Repeating it is not an error."""
    return once(call, lambda session: _switched(session, call, name, is_enabled=True))


@routes.post(f"{ONE}/tests", summary="Test", status_code=202, response_model=TaskView, **operation("destinations.test"))
def test(call: Calling, name: Name) -> Response:
    """A task that compares the destination with its account: `result.findings` has `state`, `subject`, `detail`."""
    return once(call, lambda session: _asked(session, call, name, "destination_test", {}))


@routes.post(
    f"{ONE}/set-ups", summary="Set up", status_code=202, response_model=TaskView, **operation("destinations.set_up")
)
def set_up(call: Calling, name: Name, body: SetUpBody) -> Response:
    """A task that makes what is missing in the account, or only says what. The account's webhook is set up with
    `echolead destination setup`.
    """
    asked = {"dry_run": body.dry_run}
    return once(call, lambda session: _asked(session, call, name, "destination_setup", asked))


@routes.post(
    f"{ONE}/mappings",
    summary="Try a mapping",
    status_code=202,
    response_model=TaskView,
    **operation("destinations.test"),
)
def try_mapping(call: Calling, name: Name, body: MappingToTry) -> Response:
    """A task that lets the product read a mapping, and shows what it writes of a lead beside what the stored one does.

    `result.is_valid`, `result.findings` (`state`, `subject`, `detail` with the line), `result.lead_id`, `result.fields`
    (`record`, `field`, `before`, `after`), `result.default`: the product's own mapping. Who may not read leads gets
    none of a lead. Kept for a day.
    """
    asked = {**body.model_dump(), "with_lead": call.may("leads.read")}

    def work(session: Session) -> Response:
        kind = get_named(session, Destination, call.tenant_id, name).kind
        if kind not in KINDS or not KINDS[kind].has_mapping:
            raise ChangeRefused(f"A {kind} destination has no mapping.")
        return _asked(session, call, name, MAPPING_TRIAL, asked)

    return once(call, work)


@routes.put(
    f"{ONE}/mapping",
    summary="Store a mapping",
    response_model=DestinationView,
    **operation("destinations.change", edits=True),
)
def store_mapping(call: Calling, name: Name, body: MappingToStore) -> Response:
    """Store the mapping that a task has found valid, an empty one to go back to the product's own."""
    with call.session() as session:
        row = get_named(session, Destination, call.tenant_id, name)
        return _changed(session, call, row, {MAPPING: checked_mapping(session, row, body.task_id)}, {})


def _asked(session: Session, call: Call, name: str, kind: str, asked: dict[str, Any]) -> Response:
    get_named(session, Destination, call.tenant_id, name)
    return task_answer(control_tasks.ask(session, call.tenant_id, kind, {"name": name, **asked}, actor=call.actor))


def _changed(
    session: Session, call: Call, row: Destination, configuration: Mapping[str, Any], secrets: Mapping[str, str]
) -> Response:
    keys = call.control.settings.destination_secret_keys.get_secret_value()
    session.refresh(row, ["configuration", "updated_at", "secret_facts"], with_for_update=True)
    edited = edit_destination(
        session,
        Vault.of_destinations(call.control.settings) if keys else None,
        row,
        ValueEdit(call.base, configuration, secrets),
        actor=call.actor,
        **_places(call),
    )
    session.refresh(edited, ["updated_at"])
    return _shown(session, edited)


def _switched(session: Session, call: Call, name: str, *, is_enabled: bool) -> Response:
    row = get_named(session, Destination, call.tenant_id, name)
    set_enabled(session, row, is_enabled, actor=call.actor)
    session.refresh(row, ["updated_at"])
    return _shown(session, row)


def _places(call: Call) -> dict[str, Any]:
    settings = call.control.settings
    return {"allow_private": settings.allow_private_destinations, "private_places": opened_places(settings)}


def _plain(secrets: dict[str, SecretStr]) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in secrets.items()}


def _check_no_mapping(configuration: dict[str, Any]) -> None:
    if MAPPING in configuration:
        raise ChangeRefused(
            "A mapping is read by its product first: POST it to /mappings, then PUT the task to /mapping."
        )


def _shown(session: Session, row: Destination, status: int = 200) -> Response:
    quotas = quotas_by_destination(session, row.tenant_id)
    return answer(_view(row, quotas), status, version=version_of(row))


def _view(row: Destination, quotas: Mapping[UUID, DestinationQuota]) -> DestinationView:
    """Only what the product declares as configuration is shown; what it does not know is masked as well."""
    product = KINDS.get(row.kind)
    names = {*(product.secrets.model_fields if product else ()), *row.secret_facts}
    quota = quotas.get(row.destination_id)
    facts = {name: row.secret_facts.get(name, {}) for name in sorted(names)}
    return DestinationView(
        destination_id=row.destination_id,
        name=row.name,
        kind=row.kind,
        configuration=row.configuration,
        secrets={
            name: MaskedSecret(masked=MASK, set_at=fact.get("at"), set_by=fact.get("by"))
            for name, fact in facts.items()
        },
        is_enabled=row.is_enabled,
        disabled_at=row.disabled_at,
        disabled_reason=row.disabled_reason,
        quota=quota_view(quota, row.name) if quota is not None else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
