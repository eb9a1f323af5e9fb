"""dbt-clickhouse builds a small project on the embedded warehouse, twice: everything EchoLead's models use."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from echolead.embedded.clickhouse import EmbeddedWarehouse

FILES = {
    "dbt_project.yml": """
        name: probe
        version: "1.0"
        profile: probe
        flags: {send_anonymous_usage_stats: false}
        """,
    "macros/schema.sql": "{% macro generate_schema_name(name, node) %}{{ name or target.schema }}{% endmacro %}",
    "seeds/channels.csv": 'source,channel\ngoogle,Paid Search\nchat,"Chat, direct"\n',
    "models/plain.sql": """
        {{ config(materialized='table', engine='MergeTree()', order_by='id', contract={'enforced': true}) }}
        select toUInt64(number) as id, toString(number) as name from numbers(1000)
        """,
    "models/by_partition.sql": """
        {{ config(materialized='incremental', incremental_strategy='insert_overwrite', engine='MergeTree()',
                  order_by='id', partition_by='day') }}
        select toDate('2025-01-01') + intdiv(number, 10) as day, toUInt64(number) as id, {{ var('turn') }} as turn
        from numbers(30)
        {% if is_incremental() %} where number >= 20 {% endif %}
        """.replace("intdiv", "intDiv"),
    "models/by_key.sql": """
        {{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='id',
                  engine='MergeTree()', order_by='id') }}
        select toUInt64(number) as id, {{ var('turn') }} as turn from numbers(10)
        {% if is_incremental() %} where number >= 5 {% endif %}
        """,
    "models/lookup.sql": """
        {{ config(materialized='dictionary', primary_key='source', layout='COMPLEX_KEY_HASHED()', lifetime='0',
                  fields=[('source', 'String'), ('channel', 'String')], source_type='clickhouse') }}
        select source, channel from {{ ref('channels') }}
        """,
    "models/joined.sql": """
        {{ config(materialized='view') }}
        select p.id as id, c.channel as channel from {{ ref('plain') }} as p
        inner join {{ ref('channels') }} as c on p.id = length(c.source)
        """,
    "models/models.yml": """
        models:
          - name: plain
            columns:
              - {name: id, data_type: UInt64, data_tests: [unique, not_null]}
              - {name: name, data_type: String}
          - name: by_key
            columns: [{name: id, data_tests: [unique]}]
        unit_tests:
          - name: a_source_meets_its_channel
            model: joined
            given:
              - {input: ref('plain'), rows: [{id: 6, name: x}]}
              - {input: ref('channels'), rows: [{source: google, channel: Paid}]}
            expect: {rows: [{id: 6, channel: Paid}]}
        """,
}
PROFILE = """
    probe:
      target: here
      outputs:
        here:
          type: clickhouse
          host: 127.0.0.1
          port: {port}
          user: echolead
          password: {password}
          schema: {schema}
          threads: 4
    """


@pytest.fixture
def project(warehouse_server: "EmbeddedWarehouse", database: str, tmp_path: Path) -> Path:
    """The project's files, with a profile that points at the test's database."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text))
    profile = PROFILE.format(port=warehouse_server.port, password=warehouse_server.password, schema=database)
    (tmp_path / "profiles.yml").write_text(dedent(profile))
    return tmp_path


# In one process: importing dbt takes longer than the builds.
BUILD_TWICE = """
import sys
from dbt.cli.main import dbtRunner
for turn in (1, 2):
    arguments = ["--no-use-colors", "build", "--profiles-dir", ".", "--vars", f"turn: {turn}"]
    if not dbtRunner().invoke(arguments).success:
        sys.exit(turn)
"""


def test_a_project_is_built_and_built_again(project: Path, http: httpx.Client, database: str) -> None:
    def ask(query: str) -> str:
        return http.post("/", params={"database": database}, content=query).raise_for_status().text

    done = subprocess.run(
        [sys.executable, "-c", BUILD_TWICE], cwd=project, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ERROR=0") == 2
    assert ask("SELECT count() FROM plain") == "1000\n"
    assert ask("SELECT channel FROM joined ORDER BY channel") == "Chat, direct\nPaid Search\n"
    assert ask("SELECT dictGet('lookup', 'channel', 'google')") == "Paid Search\n"
    # The second turn replaced one partition of three, and half of the keys.
    assert ask("SELECT turn, count() FROM by_partition GROUP BY turn ORDER BY turn") == "1\t20\n2\t10\n"
    assert ask("SELECT turn, count() FROM by_key GROUP BY turn ORDER BY turn") == "1\t5\n2\t5\n"
