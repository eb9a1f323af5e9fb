"""`echolead demo --with`: serves demo products beside a running stack, and lets the demo tenant's leads go there."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from echolead.cli.errors import CommandFailed
from echolead.cli.processes import answer_of
from echolead.demo.products import PRODUCTS, DemoProduct, disable, enable
from echolead.demo.tenant import TENANT_ID
from echolead.demo.watching import load_or_make_credentials
from echolead.embedded import registry
from echolead.embedded.part import Part, port_is_open, python
from echolead.embedded.stack import answers
from echolead.embedded.supervisor import Supervisor
from echolead.settings import Settings


def chosen(names: Sequence[str]) -> list[DemoProduct]:
    """The products of these names, several in one separated by commas. Raises `CommandFailed` for another name."""
    wanted = [name.strip() for each in names for name in each.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in PRODUCTS]
    if unknown:
        raise CommandFailed(f"There is no demo of {', '.join(unknown)}: use {', '.join(PRODUCTS)}.")
    return [PRODUCTS[name] for name in dict.fromkeys(wanted)]


def serve_products(settings: Settings, products: Sequence[DemoProduct]) -> None:
    """Serve until Ctrl-C; then nothing more is delivered there, and what waits is kept.

    Raises `CommandFailed` when a port is taken, `PartFailed` when a product does not start.
    """
    base, folder = settings.port_base, settings.data_dir / "demo" / "products"
    for product in products:
        if port_is_open("127.0.0.1", product.port.of(base)):
            raise CommandFailed(
                f"Something else listens on port {product.port.of(base)}, where {product.title} belongs."
            )
    folder.mkdir(parents=True, exist_ok=True)
    with registry.exclusive(folder):
        registry.end_leftovers(folder)
        supervisor = Supervisor([_part(product, settings) for product in products], folder)
        is_announced = False

        def every() -> None:
            nonlocal is_announced
            if supervisor.is_up and not is_announced:
                is_announced = True
                enable(settings, products)
                _set_up(settings, products)
                Console(stderr=True).print(_account_lines(settings, products), soft_wrap=True)

        try:
            supervisor.run(every)
        finally:
            disable(settings, products)


def _part(product: DemoProduct, settings: Settings) -> Part:
    port = product.port.of(settings.port_base)
    return Part(
        name=product.name,
        command=python("-m", f"echolead.demo.{product.name}", "--port", str(port),
                       "--data-dir", str(product.data_dir(settings))),
        ready=answers(f"http://127.0.0.1:{port}/healthz"),
        port=port,
    )  # fmt: skip


def _set_up(settings: Settings, products: Sequence[DemoProduct]) -> None:
    """Make the fields that leads arrive in, as `echolead destination setup --yes` does."""
    for product in products:
        for kind in product.set_up:
            place = ("--tenant-id", TENANT_ID, "--name", product.destination(kind))
            answer_of(settings, "reverse_etl.account", "setup", *place)


def _account_lines(settings: Settings, products: Sequence[DemoProduct]) -> Text:
    """What each product holds, with user and password, one per line; never cut, so that they can be copied."""
    width = max(len(product.title) for product in products)
    lines = Text("Leads of the demo tenant arrive here as well; Ctrl-C ends it. Page, user and password:\n")
    for product in products:
        account = load_or_make_credentials(product.data_dir(settings))
        lines.append(f"  {product.title:<{width}}  ", style="bold")
        lines.append(f"http://localhost:{product.port.of(settings.port_base)}/", style="cyan")
        lines.append(f"  {account.client_id}  {account.client_secret}\n")
    return lines
