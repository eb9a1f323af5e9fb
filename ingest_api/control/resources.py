"""All resources of the control API."""

from ingest_api.control import rules, tasks

RESOURCES = (rules.routes, tasks.routes)
