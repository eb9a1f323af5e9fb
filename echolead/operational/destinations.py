"""A tenant's destinations: their values are checked, stored and changed; each change is in the audit log."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.control_tasks import MAPPING_TRIAL, get_task
from echolead.operational.destination_kinds import KINDS, Kind, PaceSettings
from echolead.operational.errors import ChangeRefused, NotFound
from echolead.operational.models import Destination
from echolead.operational.named_rows import check_name_is_free
from echolead.operational.versions import check_version
from echolead.outbound import Place, check_url
from echolead.security import Vault

MAPPING = "mapping"
"""In a configuration the tenant's mapping, YAML; whoever stores one has let the product read it."""
MAPPING_CHARACTERS = 64 * 1024
"""The longest mapping."""


@dataclass(frozen=True)
class CheckedConfiguration:
    """Checked configuration and secrets of a destination, ready to be stored."""

    configuration: dict[str, Any]
    secrets: dict[str, str]


def check_configuration(
    kind: str,
    configuration: Mapping[str, Any],
    secrets: Mapping[str, Any],
    *,
    allow_private: bool,
    private_places: Collection[Place],
) -> CheckedConfiguration:
    """The validated values in their types.

    Raises `ChangeRefused` naming every value that is missing, unknown or wrong, `UnsafeAddress` for an address that
    must not be called.
    """
    values = _checked_values(kind, configuration, allow_private=allow_private, private_places=private_places)
    return CheckedConfiguration(values, _checked_secrets(kind, secrets))


def _checked_values(
    kind: str, configuration: Mapping[str, Any], *, allow_private: bool, private_places: Collection[Place]
) -> dict[str, Any]:
    product = _product(kind)
    of_pace = {name: value for name, value in configuration.items() if name in PaceSettings.model_fields}
    own = {name: value for name, value in configuration.items() if name not in of_pace and name != MAPPING}
    checked = _validated(kind, product.configuration, own, "--set")
    pace = _validated(kind, PaceSettings, of_pace, "--set")
    values = {**checked.model_dump(mode="json"), **pace.model_dump(mode="json", exclude_none=True)}
    if configuration.get(MAPPING):
        values[MAPPING] = configuration[MAPPING]
    for name in product.addresses:
        check_url(values[name], allow_private=allow_private, private_places=private_places)
    return values


def _checked_secrets(kind: str, secrets: Mapping[str, Any]) -> dict[str, str]:
    hidden: dict[str, str] = _validated(kind, _product(kind).secrets, secrets, "--secret").model_dump(mode="json")
    return hidden


def _product(kind: str) -> Kind:
    product = KINDS.get(kind)
    if product is None:
        raise ChangeRefused(f"There is no destination {kind!r}: use {', '.join(KINDS)}.")
    return product


def add_destination(
    session: Session,
    vault: Vault,
    tenant_id: str,
    kind: str,
    checked: CheckedConfiguration,
    *,
    actor: str,
    name: str | None = None,
) -> Destination:
    """A new, enabled destination of the tenant, named after its kind unless `name` is given.

    Raises `NotFound`, `AlreadyThere`.
    """
    chosen = name or kind
    check_name_is_free(session, Destination, tenant_id, chosen)
    destination = Destination(
        tenant_id=tenant_id,
        kind=kind,
        name=chosen,
        configuration=checked.configuration,
        secrets=vault.encrypt(checked.secrets),
        secret_facts=secret_facts(session, {}, [name for name, value in checked.secrets.items() if value], actor),
    )
    session.add(destination)
    session.flush()
    session.refresh(destination)
    _record(session, destination, "destination.added", actor, configuration=checked.configuration)
    return destination


def update_destination(
    session: Session,
    vault: Vault,
    destination: Destination,
    *,
    configuration: Mapping[str, Any],
    secrets: Mapping[str, str],
    allow_private: bool,
    private_places: Collection[Place],
    actor: str,
) -> Destination:
    """Replace the values given and keep the others. Raises `ChangeRefused`, `UnsafeAddress`, `Undecryptable`."""
    checked = check_configuration(
        destination.kind,
        {**destination.configuration, **configuration},
        {**vault.decrypt(destination.secrets), **secrets},
        allow_private=allow_private,
        private_places=private_places,
    )
    return _save(session, destination, checked.configuration, checked.secrets, sorted(secrets), vault, actor)


@dataclass(frozen=True)
class ValueEdit:
    """An edit of the version `base_version`: values that replace those of their names, and secrets that replace all
    that are stored; without any the stored ones stay.
    """

    base_version: str
    configuration: Mapping[str, Any]
    secrets: Mapping[str, str]


def edit_destination(
    session: Session,
    vault: Vault | None,
    destination: Destination,
    edit: ValueEdit,
    *,
    allow_private: bool,
    private_places: Collection[Place],
    actor: str,
) -> Destination:
    """As `update_destination`, for who cannot read the secrets. `destination` is locked.

    Raises `ChangedMeanwhile`, `ChangeRefused`, `UnsafeAddress`.
    """
    configuration, secrets = edit.configuration, edit.secrets
    present = destination.configuration
    check_version(
        session, edit.base_version, destination, what=f"Destination {destination.name}", actions="destination.",
        subject=destination.name, current=present, edit=configuration,
    )  # fmt: skip
    wanted = {**present, **configuration}
    values = _checked_values(destination.kind, wanted, allow_private=allow_private, private_places=private_places)
    hidden = _checked_secrets(destination.kind, secrets) if secrets else {}
    if values == present and not hidden:
        return destination
    return _save(session, destination, values, hidden, sorted(secrets), vault, actor)


def checked_mapping(session: Session, destination: Destination, task_id: UUID) -> str:
    """The mapping that a task has let the product of this destination read. Raises `NotFound`, `ChangeRefused`."""
    task = get_task(session, task_id)
    is_of_it = task.kind == MAPPING_TRIAL and task.asked["name"] == destination.name
    if task.tenant_id != destination.tenant_id or not is_of_it:
        raise NotFound(f"There is no check {task_id} of a mapping of {destination.name}.")
    if task.result is None:
        raise ChangeRefused(f"The check {task_id} is {task.state} and has no result: check the mapping again.")
    if not task.result["is_valid"]:
        raise ChangeRefused(f"The mapping is wrong: {task.result['findings'][0]['detail']}")
    mapping: str = task.asked["mapping"]
    return mapping.strip()


def _save(
    session: Session,
    destination: Destination,
    values: dict[str, Any],
    hidden: dict[str, str],
    replaced: Sequence[str],
    vault: Vault | None,
    actor: str,
) -> Destination:
    # A value that is taken away is null in the log.
    changes = audit.differences(destination.configuration, {**dict.fromkeys(destination.configuration), **values})
    destination.configuration = values
    if replaced:
        if vault is None:
            raise ChangeRefused("ECHOLEAD_DESTINATION_SECRET_KEYS is not set here, so secrets cannot be replaced.")
        destination.secrets = vault.encrypt(hidden)
        destination.secret_facts = secret_facts(session, destination.secret_facts, replaced, actor)
    session.flush()
    _record(session, destination, "destination.updated", actor, changes=changes, replaced_secrets=list(replaced))
    return destination


def secret_facts(
    session: Session, present: Mapping[str, Any], replaced: Sequence[str], actor: str
) -> dict[str, dict[str, str]]:
    """When each secret was last set and by whom, with those that are replaced now."""
    now: datetime = session.scalars(select(func.clock_timestamp())).one()
    return {**present, **{name: {"at": now.isoformat(), "by": actor} for name in replaced}}


def set_enabled(session: Session, destination: Destination, is_enabled: bool, *, actor: str) -> Destination:
    """Start or stop delivering to a destination; waiting deliveries are kept."""
    if destination.is_enabled != is_enabled:
        destination.is_enabled = is_enabled
        destination.disabled_at = destination.disabled_reason = None
        session.flush()
        _record(session, destination, "destination.enabled" if is_enabled else "destination.disabled", actor)
    return destination


def set_up(session: Session, destination: Destination, made: Sequence[str], *, actor: str) -> None:
    """Record what was made in the destination's account. Deliveries use it when their lane is opened again: at once."""
    destination.updated_at = func.now()
    session.flush()
    _record(session, destination, "destination.set_up", actor, made=list(made))


def _record(session: Session, destination: Destination, action: str, actor: str, **detail: Any) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=destination.name,
        tenant_id=destination.tenant_id,
        kind=destination.kind,
        **detail,
    )


def _validated(kind: str, shape: type[BaseModel], values: Mapping[str, Any], option: str) -> BaseModel:
    try:
        return shape.model_validate(dict(values))
    except ValidationError as error:
        raise ChangeRefused(problems_of(f"{kind} destination", error, shape, option)) from None


def problems_of(what: str, error: ValidationError, shape: type[BaseModel], option: str) -> str:
    """One sentence that names each problem of what was given, but never the value, which may be a secret."""
    problems = []
    for found in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in found["loc"])
        if found["type"] == "missing":
            problems.append(f"{name} is missing (add {option} {name}=…)")
        elif found["type"] == "extra_forbidden":
            problems.append(f"{name} is not known (there are {', '.join(shape.model_fields)})")
        else:
            problems.append(f"{name} is wrong: {found['msg'][0].lower()}{found['msg'][1:]}")
    return f"The {what} cannot work with this: {'; '.join(problems)}."
