"""People who say who they are: names, e-mail addresses and phone numbers of Brazil, all made up."""

from dataclasses import dataclass
from random import Random

from echolead.demo.traffic.chance import Weighted, one_of
from echolead.events import NormalizedUser, StatedUser, encode
from echolead.normalize import normalized

FIRST_NAMES = (
    "Ana", "Bruno", "Camila", "Daniel", "Eduarda", "Felipe", "Gabriela", "Henrique", "Isabela", "João", "Karina",
    "Leonardo", "Mariana", "Nicolas", "Olívia", "Paulo", "Rafaela", "Samuel", "Tatiana", "Vinícius", "Amanda",
    "Bernardo",
    "Cecília", "Diego", "Elisa", "Fábio", "Giovana", "Heitor", "Inês", "José", "Larissa", "Marcelo", "Natália",
    "Otávio",
    "Patrícia", "Renato", "Sofia", "Thiago", "Valéria", "Yasmin", "André", "Beatriz", "Caio", "Débora", "Enzo",
    "Flávia",
    "Gustavo", "Helena", "Ivan", "Júlia", "Lucas", "Manuela", "Noah", "Priscila", "Rodrigo", "Sílvia", "Tomás",
    "Vitória",
)  # fmt: skip
FAMILY_NAMES = (
    "Almeida", "Barbosa", "Cardoso", "Dias", "Esteves", "Ferreira", "Gonçalves", "Hoffmann", "Ibanez", "Jardim",
    "Klein",
    "Lima", "Martins", "Nogueira", "Oliveira", "Pereira", "Queiroz", "Ribeiro", "Souza", "Teixeira", "Uchôa", "Vieira",
    "Xavier", "Zanetti", "Araújo", "Batista", "Castro", "Duarte", "Freitas", "Gomes", "Lopes", "Machado", "Nascimento",
    "Pinto", "Ramos", "Sales", "Tavares", "Vasconcelos", "Moraes", "Cunha", "Rocha", "Monteiro", "Farias", "Andrade",
)  # fmt: skip
MAIL_HOSTS = Weighted([
    (46, "correio.example"), (22, "webmail.example"), (14, "caixa.example"), (10, "mail.example"),
    (8, "empresa.example"),
])  # fmt: skip
COMPANIES = (
    "Clínica Aurora", "Studio Jasmim", "Mercado do Bairro", "Oficina Central", "Escola Girassol", "Padaria Trigo Bom",
    "Consultório Vida", "Construtora Horizonte", "Ateliê Pitanga", "Pousada das Dunas", "Gráfica Ponto", "Ótica Clara",
)  # fmt: skip
AREA_CODES = Weighted([
    (30, 11), (11, 21), (8, 31), (6, 41), (6, 51), (5, 19), (4, 48), (4, 61), (4, 62), (4, 71), (4, 81), (4, 85),
    (3, 27),
    (2, 47), (2, 16), (2, 92), (2, 91), (1, 98), (1, 84), (1, 83), (1, 67), (1, 65), (1, 34), (1, 13),
])  # fmt: skip
PHONE_FORMS = Weighted([
    (50, "({area}) 9{first}-{last}"), (20, "{area}9{first}{last}"), (12, "+55 {area} 9{first}-{last}"),
    (8, "{area} 9{first} {last}"), (6, "55{area}9{first}{last}"), (4, "({area}) {first}-{last}"),
])  # fmt: skip
"""As people type it: the last is a mobile without its ninth digit, as old lists have it."""
WITHOUT_ACCENTS = str.maketrans("áâãàéêíóôõúçïÁÉÍÓÚ", "aaaaeeiooouciAEIOU")
REGION = "BR"


@dataclass(frozen=True, slots=True)
class StatedDetails:
    """What somebody said of themself in one event: its JSON as the script sends it, and what the collector reads."""

    json: bytes
    user: NormalizedUser | None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who becomes a lead; `number` makes e-mail address and external id theirs alone within a tenant."""

    number: int
    name: str
    email: str
    area: int
    first: str
    last: str
    company: str

    @property
    def external_id(self) -> str:
        """The person's number in the tenant's own system."""
        return f"C-{self.number:06d}"

    @property
    def phone(self) -> str:
        """The whole number, E.164."""
        return f"+55{self.area}9{self.first}{self.last}"

    def says(self, chance: Random, *, email: bool, phone: bool) -> StatedDetails:
        """The person typing some of it into a form or a chat, never quite in the same way."""
        typed = self.email.title() if chance.random() < 0.15 else self.email
        return _statement(
            name=self.name,
            email=typed if email else "",
            phone=PHONE_FORMS.draw(chance).format(area=self.area, first=self.first, last=self.last) if phone else "",
        )

    def known_to_a_server(self) -> StatedDetails:
        """The same person in the tenant's own system."""
        return _statement(email=self.email, phone=self.phone, external_id=self.external_id)


NOBODY = StatedDetails(b"{}", None)


def make_person(chance: Random, number: int) -> Person:
    """The person with this number, who has a mobile of an area of Brazil."""
    name, family = one_of(chance, FIRST_NAMES), one_of(chance, FAMILY_NAMES)
    local = f"{name}.{family}".translate(WITHOUT_ACCENTS).lower()
    return Person(
        number=number,
        name=f"{name} {family}",
        email=f"{local}{number}@{MAIL_HOSTS.draw(chance)}",
        area=AREA_CODES.draw(chance),
        first=f"{6 + int(chance.random() * 4)}{int(chance.random() * 1000):03d}",
        last=f"{int(chance.random() * 10_000):04d}",
        company=one_of(chance, COMPANIES),
    )


def _statement(*, email: str, phone: str, name: str = "", external_id: str = "") -> StatedDetails:
    stated = StatedUser(email=email, phone=phone, name=name, external_id=external_id)
    return StatedDetails(encode(stated), normalized(stated, REGION))
