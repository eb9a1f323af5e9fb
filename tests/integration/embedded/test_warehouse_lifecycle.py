"""Starting, stopping, being killed, and two at once."""

import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from echolead.embedded.alone import running
from tests.fixtures.parts import free_port

if TYPE_CHECKING:
    from echolead.embedded.clickhouse import EmbeddedWarehouse


SLOW_QUERY = "SELECT count() FROM numbers(10000000000000) WHERE sipHash64(number) = 1"
IS_SLOW = "query LIKE 'SELECT count() FROM numbers(%'"


def ask(warehouse: "EmbeddedWarehouse", body: str | bytes, /, **parameters: str) -> httpx.Response:
    address = f"http://127.0.0.1:{warehouse.port}/"
    return httpx.post(address, params=parameters, content=body, auth=("echolead", warehouse.password), timeout=60)


def test_a_second_process_on_the_directory_says_who_holds_it(warehouse_server: "EmbeddedWarehouse") -> None:
    second = subprocess.run(warehouse_server.part().command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    holder = int((warehouse_server.data_dir / "server.lock").read_text())
    assert f"is in use by process {holder}" in second.stderr
    assert "echolead.embedded.clickhouse" in second.stderr
    assert ask(warehouse_server, "SELECT 1").text == "1\n"


def test_acknowledged_writes_survive_a_kill_and_a_stop_is_clean(tmp_path: Path) -> None:
    from echolead.embedded.clickhouse import EmbeddedWarehouse  # noqa: PLC0415

    warehouse = EmbeddedWarehouse(tmp_path / "w", free_port(), "pw", "reader-pw")
    warehouse.prepare()
    durable = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    answered = 0
    with running(warehouse.part(), tmp_path) as process:
        ask(warehouse, f"CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a {durable}").raise_for_status()
        timer = threading.Timer(0.8, process.kill)
        timer.start()
        try:
            while True:
                ask(warehouse, b"%d\n" % answered, query="INSERT INTO t FORMAT TSV").raise_for_status()
                answered += 1
        except httpx.TransportError:
            pass
        timer.join()
        process.wait()
    leftover = tmp_path / "w" / "spool" / "left by a killed server"
    leftover.write_text("x")
    warehouse = replace(warehouse, port=free_port())
    warehouse.prepare()
    with running(warehouse.part(), tmp_path) as process:
        counted = ask(
            warehouse, f"SELECT uniqExact(a), countIf(a >= {answered}) <= 1 FROM t WHERE a <= {answered}"
        ).text
        assert int(counted.split()[0]) - answered in {0, 1}  # the last one may be in without its answer
        assert not leftover.exists()
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(ask, warehouse, SLOW_QUERY)
            while ask(warehouse, f"SELECT count() FROM system.processes WHERE {IS_SLOW}").text != "1\n":
                assert not slow.done()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert "The server stops" in slow.result().text
    log = (tmp_path / "warehouse.log").read_text()
    assert "Traceback" not in log
