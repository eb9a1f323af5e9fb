"""What the engine itself is held to, whatever a statement says.

The engine runs everything as one user, `default`. Given a configuration it checks that user's rights as a server does:
without the grant SOURCES no table function and no table engine reaches an address or another database, and none writes
a file. What has no grant (the function `file`, the sources of dictionaries, variables of this process) is left to the
guard.
"""

from pathlib import Path

from echolead.private_files import write_private

CONFIGURATION_FILE = "engine.xml"
USERS_FILE = "users.xml"
USER_FILES_DIRECTORY = "user_files"

GRANTS = (
    "GRANT SELECT, INSERT, ALTER, CREATE, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, SHOW, CHECK, dictGet, KILL QUERY,"
    " MOVE PARTITION BETWEEN SHARDS, SYSTEM ON *.*",
    # The databases of this server, and tables in memory; engines of the MergeTree family need no grant.
    "GRANT TABLE ENGINE ON Atomic, TABLE ENGINE ON Memory",
    "GRANT SET DEFINER ON *",
    # The engine's database `default` looks among files for a table that it does not have, and without this grant every
    # name there is an error. The guard lets no name with a slash pass, and the server works in an empty directory.
    "GRANT READ ON FILE",
)

_CONFIGURATION = """<clickhouse>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
  <user_files_path>{user_files}/</user_files_path>
</clickhouse>
"""
_USERS = """<clickhouse>
  <profiles><default/></profiles>
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
    """Write the engine's configuration and the grants of its user below `data_dir`; the path it is started with."""
    user_files = data_dir / USER_FILES_DIRECTORY
    user_files.mkdir(exist_ok=True, mode=0o700)
    grants = "".join(f"<query>{grant}</query>" for grant in GRANTS)
    write_private(data_dir / USERS_FILE, _USERS.format(grants=grants))
    configuration = data_dir / CONFIGURATION_FILE
    write_private(configuration, _CONFIGURATION.format(users=data_dir / USERS_FILE, user_files=user_files))
    return configuration
