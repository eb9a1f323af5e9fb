"""Dagster's web server: what foreign pages, strangers and viewers try against it, and what operators need of it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.orchestration.conftest import DagsterWeb

SENSOR = """
query { sensorOrError(sensorSelector: {
    repositoryLocationName: "echolead", repositoryName: "__repository__", sensorName: "keep_live"
}) { ... on Sensor { sensorState { id selectorId status } } } }
"""
STOP = "mutation stop($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"
START = """
mutation { startSensor(sensorSelector: {
    repositoryLocationName: "echolead", repositoryName: "__repository__", sensorName: "keep_live"
}) { __typename } }
"""
IMAGE_OF_A_FOREIGN_PAGE = {
    "accept": "image/avif,image/webp,*/*",
    "referer": "https://evil.example/",
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "no-cors",
    "sec-fetch-dest": "image",
}


@pytest.fixture
def sensor(dagster_web: DagsterWeb, operator: str) -> Iterator[dict[str, Any]]:
    """The sensor, on."""
    assert dagster_web.ask(START, operator).json()["data"]["startSensor"]["__typename"] == "Sensor"
    yield sensor_state(dagster_web, operator)
    dagster_web.ask(START, operator)


def sensor_state(web: DagsterWeb, cookie: str) -> dict[str, Any]:
    state: dict[str, Any] = web.ask(SENSOR, cookie).json()["data"]["sensorOrError"]["sensorState"]
    return state


@pytest.mark.parametrize("path", ["/graphql", "/graphql%0A", "/graphql/", "//graphql", "/%67raphql"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_picture_on_a_foreign_page_stops_no_sensor(
    dagster_web: DagsterWeb, operator: str, sensor: dict[str, Any], path: str, method: str
) -> None:
    query = STOP.replace("mutation stop($id: String!)", "mutation").replace("$id", f'"{sensor["id"]}"')
    httpx.request(
        method, dagster_web.url + path, params={"query": query},
        headers={**IMAGE_OF_A_FOREIGN_PAGE, "cookie": operator}, timeout=60,
    )  # fmt: skip
    assert sensor_state(dagster_web, operator)["status"] == "RUNNING"
