"""The heartbeat of a live run: a lease in PostgreSQL that the sensor can see and that ends with its process."""

import dagster as dg

from dlt_pipelines.lease import Lease, is_held
from echolead.operational.provision import OperationalUrls
from echolead.settings import Settings
from orchestration.live.job import JOB_NAME, heartbeat_name, live_job
from orchestration.live.sensor import live_runs


def test_a_lease_is_seen_while_it_is_held_and_no_longer(operational_urls: OperationalUrls) -> None:
    assert not is_held(operational_urls.loader, "live-run-a")
    with Lease(operational_urls.loader, "live-run-a"):
        assert is_held(operational_urls.loader, "live-run-a")
        assert not is_held(operational_urls.loader, "live-run-b")
    assert not is_held(operational_urls.loader, "live-run-a")


def test_the_sensor_tells_a_live_run_from_one_whose_process_is_gone(operational_urls: OperationalUrls) -> None:
    settings = Settings(postgres_loader_url=operational_urls.loader)
    with dg.DagsterInstance.ephemeral() as instance:
        alive, gone = (instance.create_run_for_job(live_job, status=dg.DagsterRunStatus.STARTED) for _ in range(2))
        with Lease(operational_urls.loader, heartbeat_name(alive.run_id)):
            heartbeats = {run.run_id: run.has_heartbeat for run in live_runs(instance, settings)}
        assert alive.job_name == JOB_NAME
    assert heartbeats == {alive.run_id: True, gone.run_id: False}
