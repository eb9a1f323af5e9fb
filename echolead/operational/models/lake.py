"""The lake's manifest: which Parquet files of raw there are, and how far the copying has come."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, SmallInteger, func, text
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import NO_TEXTS, Base, one_of

LAKE_FILE_STATES = ("present", "owed", "replaced")
LAKE_ORIGINS = ("loads", "packages")


class LakeFile(Base):
    """A file of the lake with the rows of one raw table, tenant ('' of no tenant) and day of receipt in UTC.

    `present` is what readers take. `owed` is a file that could not be written and is tried again. `replaced` is one
    whose rows are in another file, and that is deleted soon. `first_load` and `last_load` are those of its rows;
    `packages` are theirs if the file is owed and its rows belong to packages. `level` is 0 as it was copied, 1 merged
    during the day, 2 merged after it.
    """

    __tablename__ = "lake_files"
    __table_args__ = (
        one_of("state", LAKE_FILE_STATES),
        CheckConstraint("(state = 'owed') = (path = '')", name="owed_has_no_path"),
        Index("ix_lake_files_present", "source", "tenant_id", "day", postgresql_where=text("state = 'present'")),
        Index("ix_lake_files_other", "state", postgresql_where=text("state <> 'present'")),
        Index("ix_lake_files_path", "path", unique=True, postgresql_where=text("path <> ''")),
    )

    file_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str]
    source: Mapped[str]
    day: Mapped[date]
    path: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default="present")
    first_load: Mapped[str]
    last_load: Mapped[str]
    rows: Mapped[int] = mapped_column(BigInteger, server_default="0")
    bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    sha256: Mapped[str] = mapped_column(server_default="")
    schema_version: Mapped[str] = mapped_column(server_default="")
    level: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    packages: Mapped[list[str]] = mapped_column(server_default=NO_TEXTS)
    message: Mapped[str] = mapped_column(server_default="")
    written_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    replaced_at: Mapped[datetime | None]


class LakePosition(Base):
    """How far raw is in the lake: the last load of the loader, or the last package of the other pipelines.

    `recent` are the packages that are in the lake and about as new as the last one: they end in another order than
    they begin.
    """

    __tablename__ = "lake_positions"
    __table_args__ = (one_of("origin", LAKE_ORIGINS),)

    origin: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[str]
    recent: Mapped[list[str]] = mapped_column(server_default=NO_TEXTS)
    copied_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
