"""The sites whose visitors are made up: one for each tenant, the demo's first."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice

POLICY_VERSION = "2026-01"


@dataclass(frozen=True, slots=True)
class LandingPage:
    """A page of a site: its path and its title."""

    path: str
    title: str


@dataclass(frozen=True)
class ClientSite:
    """What a tenant sells on which host. `size` is its share of the traffic, compared with the others'.

    With `asks_consent` its pages have a banner and nothing is sent before the visitor decides; else no event says
    anything of consent and the tenant's default holds. `goods` are its products with their prices in BRL.
    """

    tenant_id: str
    name: str
    host: str
    offer: str
    words: tuple[str, ...]
    goods: tuple[tuple[str, float], ...]
    asks_consent: bool
    size: float

    @cached_property
    def origin(self) -> str:
        """Scheme and host of its pages."""
        return f"https://{self.host}"

    @cached_property
    def landing_pages(self) -> tuple[LandingPage, ...]:
        """The home page, then the pages that ads lead to."""
        return (
            LandingPage("/", self.name),
            LandingPage(f"/lp/{self.offer}", f"{self.offer.replace('-', ' ').capitalize()} · {self.name}"),
            LandingPage(f"/lp/{self.words[0]}", f"{self.words[0].replace('-', ' ').capitalize()} · {self.name}"),
            LandingPage("/lp/promocao", f"Promoção · {self.name}"),
        )

    @cached_property
    def articles(self) -> tuple[LandingPage, ...]:
        """The pages that search engines and other sites lead to."""
        return tuple(
            LandingPage(f"/blog/{word}", f"{word.replace('-', ' ').capitalize()} · {self.name}") for word in self.words
        )

    @cached_property
    def inner_pages(self) -> tuple[LandingPage, ...]:
        """The pages that visitors go on to."""
        return (
            LandingPage("/precos", f"Preços · {self.name}"),
            LandingPage("/como-funciona", f"Como funciona · {self.name}"),
            LandingPage("/depoimentos", f"Depoimentos · {self.name}"),
            LandingPage("/perguntas", f"Perguntas frequentes · {self.name}"),
        )

    @cached_property
    def thank_you(self) -> LandingPage:
        """The page after a form."""
        return LandingPage("/obrigado", f"Recebemos seu pedido · {self.name}")


DEMO = ClientSite(
    "demo", "Agenda Clara", "agenda-clara.example", "teste-gratis",
    ("agenda-para-clinica", "confirmacao-de-consulta", "reduzir-faltas", "lista-de-espera"),
    (("Plano Essencial", 149.0), ("Plano Clínica", 349.9), ("Plano Rede", 890.0)), asks_consent=True, size=4.0,
)  # fmt: skip
# Slug, name, offer, words, goods, whether it asks.
OTHERS: tuple[tuple[str, str, str, tuple[str, ...], tuple[tuple[str, float], ...], bool], ...] = (
    ("ipe-cursos", "Ipê Cursos", "aula-gratis", ("curso-de-confeitaria", "receitas-de-bolo", "vender-doces"),
     (("Curso Confeitaria", 497.0), ("Curso Completo", 1297.0)), False),
    ("sol-do-cerrado", "Sol do Cerrado", "simulacao", ("energia-solar", "conta-de-luz", "painel-solar"),
     (("Projeto residencial", 18900.0), ("Projeto comercial", 64500.0)), True),
    ("casa-jatoba", "Casa Jatobá Imóveis", "agendar-visita", ("apartamento-na-planta", "financiamento", "bairros"),
     (("Reserva", 5000.0), ("Entrada", 48000.0)), False),
    ("vila-pet", "Vila Pet", "primeiro-banho", ("banho-e-tosa", "plano-de-saude-pet", "racao-por-assinatura"),
     (("Banho", 79.9), ("Assinatura", 129.9)), True),
    ("mare-alta", "Maré Alta Turismo", "orcamento", ("pacote-nordeste", "lua-de-mel", "cruzeiros"),
     (("Pacote 5 dias", 2890.0), ("Pacote 8 dias", 4750.0)), False),
    ("contabil-pequi", "Contábil Pequi", "abrir-empresa", ("mei-para-me", "impostos", "contador-online"),
     (("Mensalidade", 259.0), ("Abertura", 690.0)), True),
    ("forca-viva", "Academia Força Viva", "aula-experimental", ("musculacao", "treino-funcional", "emagrecer"),
     (("Plano mensal", 119.9), ("Plano anual", 1078.8)), False),
    ("bem-te-vi", "Clínica Bem-te-vi", "avaliacao", ("implante-dentario", "clareamento", "aparelho-invisivel"),
     (("Avaliação", 150.0), ("Tratamento", 6200.0)), True),
)  # fmt: skip


def sites(tenants: int) -> Sequence[ClientSite]:
    """The demo's site and those of generated tenants, `tenants` in all; each smaller than the one before."""
    return [DEMO, *islice(map(_generated, count()), tenants - 1)]


def _generated(number: int) -> ClientSite:
    """The businesses one after the other, then the same in other towns: `demo-vila-pet`, … `demo-vila-pet-2`."""
    slug, name, offer, words, goods, asks_consent = OTHERS[number % len(OTHERS)]
    round_ = number // len(OTHERS) + 1
    place, shown = (f"{slug}-{round_}", f"{name} {round_}") if round_ > 1 else (slug, name)
    return ClientSite(
        f"demo-{place}", shown, f"{place}.example", offer, words, goods, asks_consent, 2.0 / (1 + number) ** 0.5
    )
