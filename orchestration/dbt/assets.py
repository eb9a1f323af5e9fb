"""Every model, seed and snapshot of the dbt project as an asset, its tests as asset checks."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets

from dlt_pipelines.lease import Lease
from echolead.settings import Settings
from orchestration.dbt.project import (
    CAMPAIGNS,
    CHAT,
    CONVERSATIONS,
    DEALS,
    TURN,
    TURN_LEASE,
    manifest_path,
    project_dir,
)

SEEDS = "resource_type:seed"


class ByDatabase(DagsterDbtTranslator):
    """Asset keys name the warehouse's database and table: `enriched/events`, `raw/events`."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """(database, name) of a model, seed or source."""
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The layer: its database."""
        return str(dbt_resource_props["schema"])


def dbt_models(settings: Settings) -> list[dg.AssetsDefinition]:
    """Seeds, the tables that turns keep up to date, and the views before and behind them."""
    manifest = manifest_path(settings)
    translator = ByDatabase()

    @dbt_assets(manifest=manifest, select=SEEDS, dagster_dbt_translator=translator, name="seeds")
    def seeds(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        """Lists that the models read. `prepare` loads a changed one, with what is made of it; here they are tested."""
        for key in sorted(context.selected_asset_keys):
            yield dg.MaterializeResult(key)
        yield from _tested(context, dbt)

    @dbt_assets(manifest=manifest, select=TURN, dagster_dbt_translator=translator, name="turns")
    def turns(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        """One turn over what is new, as the live path takes them, and the tests of all its tables."""
        # The code server, which only describes this, does not need what it runs with.
        from echolead.operational.warehouse_requests import RequestRecord  # noqa: PLC0415
        from orchestration.dbt.runner import Dbt  # noqa: PLC0415
        from orchestration.live.warehouse_turns import WarehouseTurns  # noqa: PLC0415

        url = settings.postgres_loader_url.get_secret_value()
        record = RequestRecord(url)
        with WarehouseTurns(settings, Dbt(settings)) as warehouse, Lease(url, TURN_LEASE), closing(record):
            done = warehouse.run()
            if done.request is not None and (progress := warehouse.progress(done.request.request_id)):
                record.worked(progress)
        for failure in done.failed:
            raise dg.Failure(f"{'.'.join(failure.key)}: {failure.message}")
        for key in sorted(context.selected_asset_keys):
            yield dg.MaterializeResult(key)
        yield from _tested(context, dbt)

    @dbt_assets(
        manifest=manifest,
        select=f"+{TURN} +{CHAT} +{DEALS}",
        exclude=f"{TURN} {CHAT} {DEALS} {SEEDS}",
        dagster_dbt_translator=translator,
        name="views_before",
    )
    def views_before(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        """Views between the raw tables and turns."""
        yield from _viewed(context, dbt)

    chats = _side_turns(settings, translator, "chats", CHAT)
    conversations = _side_turns(settings, translator, "conversations", CONVERSATIONS)
    deals = _side_turns(settings, translator, "deals", DEALS)
    campaigns = _side_turns(settings, translator, "campaigns", CAMPAIGNS)

    @dbt_assets(
        manifest=manifest,
        exclude=f"+{TURN} +{CHAT} +{DEALS} {CONVERSATIONS} {CAMPAIGNS}+ {SEEDS}",
        dagster_dbt_translator=translator,
        name="views_behind",
    )
    def views_behind(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        """What readers see beside the tables of turns."""
        yield from _viewed(context, dbt)

    @dbt_assets(
        manifest=manifest,
        select=f"{CAMPAIGNS}+",
        exclude=CAMPAIGNS,
        dagster_dbt_translator=translator,
        name="campaign_views",
    )
    def campaign_views(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        """What readers see of campaigns."""
        yield from _viewed(context, dbt)

    return [seeds, views_before, turns, chats, conversations, deals, campaigns, campaign_views, views_behind]


def _side_turns(settings: Settings, translator: DagsterDbtTranslator, name: str, selection: str) -> dg.AssetsDefinition:
    """One turn of those beside the turns over events, as the live path takes it, and the tests of its tables."""

    @dbt_assets(manifest=manifest_path(settings), select=selection, dagster_dbt_translator=translator, name=name)
    def tables(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        # The code server, which only describes this, does not need what it runs with.
        from orchestration.dbt.runner import Dbt  # noqa: PLC0415
        from orchestration.live.campaign_turns import CampaignTurns  # noqa: PLC0415
        from orchestration.live.chat_turns import ChatTurns  # noqa: PLC0415
        from orchestration.live.conversation_turns import ConversationTurns  # noqa: PLC0415
        from orchestration.live.deal_turns import DealTurns  # noqa: PLC0415

        turns = next(
            each for each in (ChatTurns, ConversationTurns, DealTurns, CampaignTurns) if each.selection == selection
        )
        url = settings.postgres_loader_url.get_secret_value()
        with turns(settings, Dbt(settings)) as warehouse, Lease(url, TURN_LEASE):
            warehouse.run()
        for key in sorted(context.selected_asset_keys):
            yield dg.MaterializeResult(key)
        yield from _tested(context, dbt)

    return tables


def dbt_command(settings: Settings) -> DbtCliResource:
    """The dbt command of this interpreter's environment."""
    return DbtCliResource(
        project_dir=str(project_dir(settings)),
        profiles_dir=str(project_dir(settings)),
        dbt_executable=str(Path(sys.executable).parent / "dbt"),
        global_config_flags=["--no-use-colors", "--no-send-anonymous-usage-stats"],
    )


def _viewed(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    yield from dbt.cli(["run"], context=context).stream()
    yield from _tested(context, dbt)


def _tested(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    # Unit tests are about the SQL and not about the data: they belong to `make test`.
    yield from dbt.cli(["test", "--exclude-resource-type", "unit_test"], context=context).stream()
