"""`echolead dbt` over what readers see: what it refuses, and whose lease it holds."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from dlt_pipelines.lease import is_held
from orchestration.dbt import project
from orchestration.dbt.command import Refused, run
from tests.fixtures.prepared import Prepared

WAIT = """
{% macro wait() %}
    {% do run_query('select sum(sleepEachRow(0.5)) from numbers(400) settings max_block_size = 1') %}
{% endmacro %}
"""
# A process that starts the command and waits for it, as a shell or a scheduler does.
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'echolead', 'dbt', 'run-operation', 'wait'])"


def eventually(what: str, probe: Callable[[], object], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_dbt_holds_the_lease_of_turns_itself_and_keeps_it_when_its_parent_is_killed(prepared: Prepared) -> None:
    settings = prepared.settings
    url = settings.postgres_loader_url.get_secret_value()
    (project.project_dir(settings) / "macros" / "wait.sql").write_text(WAIT)
    environment = {
        **os.environ,
        "ECHOLEAD_DATA_DIR": str(settings.data_dir),
        "ECHOLEAD_CLICKHOUSE_DBT_URL": settings.clickhouse("dbt"),
        "ECHOLEAD_POSTGRES_LOADER_URL": url,
    }
    with subprocess.Popen([sys.executable, "-c", PARENT], env=environment) as parent:
        eventually("dbt holds the lease", lambda: is_held(url, project.TURN_LEASE))
        child = psutil.Process(parent.pid).children()[0]
        assert child.cmdline()[1:3] == ["-m", "orchestration.dbt.command"], "no process between the two"
        parent.send_signal(signal.SIGKILL)
    assert child.is_running()
    assert is_held(url, project.TURN_LEASE)
    child.kill()
    eventually("the lease ends with its holder", lambda: not is_held(url, project.TURN_LEASE))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["run", "--full-refresh"], "Deliveries would not follow", id="a full refresh"),
        pytest.param(["run", "-xf"], "Deliveries would not follow", id="a full refresh in short"),
        pytest.param(["seed"], "empties a seed", id="seeds"),
        pytest.param([], "comes first", id="nothing"),
        pytest.param(["--log-level", "debug", "seed"], "comes first", id="a command behind options"),
    ],
)
def test_what_would_harm_what_readers_see_is_refused(prepared: Prepared, words: list[str], sentence: str) -> None:
    with pytest.raises(Refused, match=re.escape(sentence)):
        run(prepared.settings, project.WAREHOUSE, words)
