"""A copying or a compaction that is killed by SIGKILL at a step; its settings come by the environment."""

import os
import signal
import subprocess
import sys
from contextlib import closing

from dlt_pipelines.lake.compaction import LakeCompaction
from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.manifest import Manifest
from echolead.settings import Settings, load_settings


def crash(settings: Settings, command: str, step: str) -> None:
    """Returns when the process is dead."""
    environment = {
        **os.environ,
        "ECHOLEAD_DATA_DIR": str(settings.data_dir),
        "ECHOLEAD_CLICKHOUSE_URL": settings.clickhouse_url.get_secret_value(),
        "ECHOLEAD_POSTGRES_LOADER_URL": settings.postgres_loader_url.get_secret_value(),
    }
    module = "tests.integration.dlt_pipelines.lake_crasher"
    done = subprocess.run([sys.executable, "-m", module, command, step], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL


def main(command: str, step: str) -> None:
    """Kill this process when the step is reached."""

    def on_step(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    settings = load_settings()
    with closing(Manifest(settings)) as manifest:
        if command == "copy":
            LakeCopy(settings, manifest, on_step).copy_all()
        else:
            LakeCompaction(settings, manifest, on_step).compact()


if __name__ == "__main__":
    main(*sys.argv[1:])
