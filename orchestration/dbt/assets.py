"""Every model, seed and snapshot of the dbt project as an asset, its tests as asset checks."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets

from dlt_pipelines.lease import Lease
from echolead.settings import Settings
from orchestration.dbt.project import HOT, HOT_LEASE, REST_LEASE, manifest_path, project_dir

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
    """Seeds and three sets of models, behind each other: each is one dbt command, and few hold up the live path."""
    manifest = manifest_path(settings)
    translator = ByDatabase()

    @dbt_assets(manifest=manifest, select=SEEDS, dagster_dbt_translator=translator, name="seeds")
    def seeds(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        """Lists that the models read. dbt empties a seed before it fills it: no hot model may look meanwhile."""
        yield from _build(context, dbt, settings, HOT_LEASE)

    @dbt_assets(
        manifest=manifest,
        select=f"+{HOT}",
        exclude=f"{HOT} {SEEDS}",
        dagster_dbt_translator=translator,
        name="models_before",
    )
    def models_before(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        """Views and small tables that the hot models read."""
        yield from _build(context, dbt, settings, REST_LEASE)

    @dbt_assets(manifest=manifest, select=HOT, dagster_dbt_translator=translator, name="hot_models")
    def hot_models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        """Models between an event and its delivery; the live path runs them as well, never at the same time."""
        yield from _build(context, dbt, settings, HOT_LEASE)

    @dbt_assets(manifest=manifest, exclude=f"+{HOT} {SEEDS}", dagster_dbt_translator=translator, name="models_behind")
    def models_behind(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        """Models that only readers wait for."""
        yield from _build(context, dbt, settings, REST_LEASE)

    return [seeds, models_before, hot_models, models_behind]


def dbt_command(settings: Settings) -> DbtCliResource:
    """The dbt command of this interpreter's environment."""
    return DbtCliResource(
        project_dir=str(project_dir(settings)),
        profiles_dir=str(project_dir(settings)),
        dbt_executable=str(Path(sys.executable).parent / "dbt"),
        global_config_flags=["--no-use-colors", "--no-send-anonymous-usage-stats"],
    )


def _build(context: dg.AssetExecutionContext, dbt: DbtCliResource, settings: Settings, lease: str) -> Iterator[Any]:
    """Seeds and models while the lease is held, then their tests: those only read, and take longer."""
    with Lease(settings.postgres_loader_url.get_secret_value(), lease):
        only_models = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
        yield from dbt.cli(["build", *only_models], context=context).stream()
    # Unit tests are about the SQL and not about the data: they belong to `make test`.
    yield from dbt.cli(["test", "--exclude-resource-type", "unit_test"], context=context).stream()
