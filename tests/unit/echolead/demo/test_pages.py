"""The demo landing pages carry the addresses of the collector and of Chatwoot that fit the request."""

import httpx
import pytest
from starlette.applications import Starlette

from echolead.demo.pages import PAGES, create_app


def visitor_of(app: Starlette, url: str = "http://lp.acme.test:9108") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url)


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_the_script_of_the_host_it_is_asked_on(path: str) -> None:
    async with visitor_of(create_app(collector_port=9100, chatwoot_port=9107)) as visitor:
        text = (await visitor.get(path)).text
    assert 'src="http://lp.acme.test:9100/t.js"' in text
    assert 'data-chatwoot-url="http://lp.acme.test:9107"' in text
    assert "{{" not in text


async def test_addresses_given_are_used_as_they_are_and_cannot_break_the_page() -> None:
    app = create_app(collector_url="https://t.acme.test", chatwoot_url='https://chat.test/"><b>', website_token="abc")
    async with visitor_of(app) as visitor:
        text = (await visitor.get("/")).text
    assert 'src="https://t.acme.test/t.js"' in text
    assert "<b>" not in text.split("<body>")[0]
    assert 'data-website-token="abc"' in text


async def test_a_page_without_chatwoot_loads_no_widget() -> None:
    async with visitor_of(create_app(chatwoot_url=None)) as visitor:
        assert 'data-chatwoot-url=""' in (await visitor.get("/")).text


async def test_the_form_leads_to_the_page_of_thanks() -> None:
    async with visitor_of(create_app()) as visitor:
        answer = await visitor.post("/contato", data={"email": "ana@exemplo.com.br"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/obrigado")
        for asset in ("/site.css", "/site.js", "/icon.svg"):
            assert (await visitor.get(asset)).status_code == 200
