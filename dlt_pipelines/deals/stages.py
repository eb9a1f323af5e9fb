"""The stages of a CRM's pipelines as records: what is new or different, and what is there no more."""

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime

from dlt_pipelines.deals.records import DealRecord, Known, PipelineStage, RecordPage


def changed_stages(present: Iterable[PipelineStage], known: Known, now: datetime) -> RecordPage:
    """A record for each stage whose state raw does not have; a stage that is missing from `present` is deleted.

    `now` is their version, as lists of stages have no time of their own. Labels of deleted stages are kept.
    """
    there = {f"{stage.pipeline_id}/{stage.stage_id}": stage for stage in present}
    found = [DealRecord("stage", record_id, now, stage) for record_id, stage in there.items()]
    for record_id, payload in known.payloads.items():
        if record_id not in there:
            gone = {**json.loads(payload), "is_deleted": True}
            stage = PipelineStage(**{each.name: gone[each.name] for each in fields(PipelineStage)})
            found.append(DealRecord("stage", record_id, now, stage))
    return [record for record in found if known.payloads.get(record.record_id) != record.payload]
