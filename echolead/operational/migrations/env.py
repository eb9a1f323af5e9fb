"""Alembic's environment: runs the migrations on the connection `echolead.operational.migrate` opened."""

from alembic import context

from echolead.operational.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
    compare_server_default=True,
)
context.run_migrations()
