"""What a tenant's stages of deals count as, guesses of it, and how pulls stand."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import ChangeRefused
from echolead.operational.models import FUNNEL_STAGES, DealStage, Destination

MAX_STAGES = 1000
ID_CHARACTERS = 200
FAILING = """
    select pulls.tenant_id, destinations.name, pulls.failing_since, pulls.message from deal_pulls as pulls
    join destinations using (tenant_id, destination_id)
    where pulls.failing_since < clock_timestamp() - interval '1 hour' and destinations.is_enabled
    order by pulls.tenant_id, destinations.name
"""
# Words of a stage's name, folded, by what they suggest; the first that has one of its words is the guess.
WORDS: Mapping[str, tuple[str, ...]] = {
    "lost": ("perdid", "lost", "descart", "desqualific", "unqualified", "cancel"),
    "won": ("ganh", "won", "vendid", "venda concluida", "fechado", "contrato assinado", "closed won"),
    "qualified": (
        "qualific", "qualified", "proposta", "proposal", "negocia", "negotiat", "contrat", "contract", "demo",
        "apresenta", "presentation", "reuniao", "meeting", "decision", "orcamento", "quote", "appointment",
    ),
    "working": ("contat", "contact", "follow", "tentativa", "atendimento", "working", "progress", "prospec"),
    "new": ("nov", "new", "entrada", "lead", "sem contato", "inbox", "open", "aberto", "triagem"),
}  # fmt: skip


def guess(label: str, said_outcome: str, position: int) -> str:
    """What a stage may count as, by what the CRM says of it, its name, or its place; '' when nothing speaks for one."""
    if said_outcome:
        return said_outcome
    folded = "".join(each for each in unicodedata.normalize("NFD", label.lower()) if not unicodedata.combining(each))
    if "sem contato" in folded:
        return "new"
    found = next((stage for stage, words in WORDS.items() if any(word in folded for word in words)), "")
    return found or ("new" if position == 0 else "")


def map_stage(
    session: Session, destination: Destination, pipeline_id: str, stage_id: str, stage: str, *, actor: str
) -> DealStage:
    """Say what a stage counts as; another word replaces it. Raises `ChangeRefused`."""
    if stage not in FUNNEL_STAGES:
        raise ChangeRefused(f"{stage!r} is no stage of the funnel: use {', '.join(FUNNEL_STAGES)}.")
    for each in (pipeline_id, stage_id):
        if not 0 < len(each) <= ID_CHARACTERS:
            raise ChangeRefused(f"{each[:40]!r} is no id: see `echolead deal stages list`.")
    place = (destination.tenant_id, destination.destination_id, pipeline_id, stage_id)
    present = session.get(DealStage, place)
    if present is None:
        if len(mapped_stages(session, destination.tenant_id)) >= MAX_STAGES:
            raise ChangeRefused(f"Tenant {destination.tenant_id} has {MAX_STAGES} mapped stages: no more are kept.")
        present = DealStage(
            tenant_id=destination.tenant_id,
            destination_id=destination.destination_id,
            pipeline_id=pipeline_id,
            stage_id=stage_id,
            stage=stage,
        )
        session.add(present)
    present.stage = stage
    session.flush()
    said = {"destination": destination.name, "pipeline_id": pipeline_id, "stage": stage}
    audit.record(
        session, actor=actor, action="deal_stage.mapped", subject=stage_id, tenant_id=destination.tenant_id, **said
    )
    return present


def mapped_stages(session: Session, tenant_id: str) -> dict[tuple[UUID, str, str], str]:
    """What each mapped stage counts as, by destination, pipeline and stage."""
    rows: Sequence[Any] = session.scalars(select(DealStage).where(DealStage.tenant_id == tenant_id)).all()
    return {(row.destination_id, row.pipeline_id, row.stage_id): row.stage for row in rows}


def failing_pulls(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    """(tenant, destination, since, message) of each destination whose deals could not be read for an hour."""
    return connection.execute(FAILING).fetchall()
