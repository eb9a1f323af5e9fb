"""The engine's own restrictions, which hold for every statement.

The engine runs everything as one user, `default`. With a configuration it checks that user's rights as a server does:
without the grant SOURCES no table function and no table engine can reach an address or another database or write a
file. The guard restricts features without a grant (the function `file`, the sources of dictionaries, variables of this
process).
"""

from pathlib import Path

from echolead.private_files import write_private
from echolead.warehouse_accounts import ONE_VERSION

CONFIGURATION_FILE = "engine.xml"
USERS_FILE = "users.xml"
USER_FILES_DIRECTORY = "user_files"

GRANTS = (
    "GRANT SELECT, INSERT, ALTER, CREATE, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, SHOW, CHECK, dictGet, KILL QUERY,"
    " MOVE PARTITION BETWEEN SHARDS, SYSTEM ON *.*",
    # This server's databases and in-memory tables; engines of the MergeTree family need no grant.
    "GRANT TABLE ENGINE ON Atomic, TABLE ENGINE ON Memory",
    "GRANT SET DEFINER ON *",
    # The engine's database `default` looks for missing tables among files, and without this grant every name in it is
    # an error. The guard refuses names with a slash, and the server's working directory is empty.
    "GRANT READ ON FILE",
)

_CONFIGURATION = """<clickhouse>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
  <user_files_path>{user_files}/</user_files_path>
</clickhouse>
"""
_USERS = """<clickhouse>
  <profiles><default>{settings}</default></profiles>
  <quotas><default/></quotas>
  <users><default>
    <password/>
    <networks><ip>::/0</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants>{grants}</grants>
  </default></users>
</clickhouse>
"""


def write_engine_configuration(data_dir: Path) -> Path:
    """Write the engine's configuration and its user's grants below `data_dir`. Returns the path for its start."""
    user_files = data_dir / USER_FILES_DIRECTORY
    user_files.mkdir(exist_ok=True, mode=0o700)
    grants = "".join(f"<query>{grant}</query>" for grant in GRANTS)
    settings = "".join(f"<{name}>{value}</{name}>" for name, value in ONE_VERSION.items())
    write_private(data_dir / USERS_FILE, _USERS.format(grants=grants, settings=settings))
    configuration = data_dir / CONFIGURATION_FILE
    write_private(configuration, _CONFIGURATION.format(users=data_dir / USERS_FILE, user_files=user_files))
    return configuration
