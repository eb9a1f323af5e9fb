"""The demo of `echolead up`: a tenant with its own landing pages and Chatwoot."""

from dataclasses import replace

from echolead.demo.accounts import load_or_make_accounts
from echolead.demo.products import PRODUCTS
from echolead.demo.tenant import USER_EMAIL, demo_chatwoot
from echolead.embedded.part import Part, python
from echolead.embedded.stack import Address, Stack, answers
from echolead.ports import Port

CAMPAIGN = "utm_source=google&utm_medium=cpc&utm_campaign=lancamento&gclid=Abc_123"


def with_demo(stack: Stack) -> Stack:
    """The stack with the demo. The only private addresses that destinations may reach are the demo's own products."""
    settings = stack.settings
    own = [demo_chatwoot(settings.port_base), *(product.place(settings.port_base) for product in PRODUCTS.values())]
    places = ",".join(filter(None, [settings.private_destinations, *own]))
    return replace(
        stack,
        settings=settings.model_copy(update={"private_destinations": places}),
        set_up_module="echolead.demo.setup",
        guests=_parts(stack),
    )


def addresses(stack: Stack) -> list[Address]:
    """The addresses to show: the demo's first, then the stack's own, with the demo's user."""
    base = stack.settings.port_base
    token = load_or_make_accounts(stack.data_dir / "demo")[0].api_access_token
    console, *others = stack.addresses()
    return [
        Address("Demo landing page", f"http://localhost:{Port.DEMO_PAGES.of(base)}/?{CAMPAIGN}"),
        Address("Demo Chatwoot", f"http://localhost:{Port.DEMO_CHATWOOT.of(base)}/#{token}", "leads arrive here"),
        replace(console, note=f"{USER_EMAIL}  {stack.settings.demo_password.get_secret_value()}"),
        *others,
    ]


def _parts(stack: Stack) -> tuple[Part, ...]:
    base, host = stack.settings.port_base, stack.settings.listen_host
    chatwoot, pages = Port.DEMO_CHATWOOT.of(base), Port.DEMO_PAGES.of(base)
    return (
        Part(
            name="chatwoot",
            command=python("-m", "echolead.demo.chatwoot", "--host", host, "--port", str(chatwoot),
                           "--data-dir", str(stack.data_dir / "demo")),
            ready=answers(stack.local(chatwoot, "/healthz")),
            port=chatwoot,
        ),
        Part(
            name="pages",
            command=python("-m", "echolead.demo.pages", "--host", host, "--port", str(pages)),
            ready=answers(stack.local(pages, "/")),
            port=pages,
        ),
    )  # fmt: skip
