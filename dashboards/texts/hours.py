"""Texts of the page of business hours."""

TEXTS: dict[str, tuple[str, str]] = {
    "hours": ("Business hours", "Horário de atendimento"),
    "hours_caption": (
        "Waiting times and the targets of teams count only while the client is open. Times are on the client's clock.",
        "Tempos de espera e metas das equipes contam só com o cliente aberto. Horários no relógio do cliente.",
    ),
    "week": ("Week", "Semana"),
    "week_caption": (
        "Times as in 09:00-12:00, 13:00-18:00. An empty day is closed.",
        "Horários como em 09:00-12:00, 13:00-18:00. Um dia vazio fica fechado.",
    ),
    "no_times": (
        "{day}: “{typed}” cannot be read. Write it as in 09:00-12:00, 13:00-18:00, without overlaps.",
        "{day}: não foi possível ler “{typed}”. Escreva como em 09:00-12:00, 13:00-18:00, sem sobreposição.",
    ),
    "weekday": ("Day", "Dia"),
    "opening_times": ("Open", "Aberto"),
    "day_mon": ("Monday", "Segunda-feira"),
    "day_tue": ("Tuesday", "Terça-feira"),
    "day_wed": ("Wednesday", "Quarta-feira"),
    "day_thu": ("Thursday", "Quinta-feira"),
    "day_fri": ("Friday", "Sexta-feira"),
    "day_sat": ("Saturday", "Sábado"),
    "day_sun": ("Sunday", "Domingo"),
    "closed_day": ("closed", "fechado"),
    "opening_closed": ("closed", "fechado"),
    "public_holidays": ("Public holidays", "Feriados"),
    "holiday_country": ("Country (ISO 3166, as in BR; empty: none)", "País (ISO 3166, como BR; vazio: nenhum)"),
    "holiday_part": ("Part of the country, as in SP", "Parte do país, como SP"),
    "no_public_holidays": (
        "No public holiday closes the client: no country is chosen.",
        "Nenhum feriado fecha o cliente: nenhum país foi escolhido.",
    ),
    "own_days": ("Own days", "Dias próprios"),
    "own_days_caption": (
        "A day of its own goes before the week and the public holidays.",
        "Um dia próprio vale mais que a semana e os feriados.",
    ),
    "no_own_days": (
        "No day of its own yet: add the next one on which the client closes or opens at other times.",
        "Nenhum dia próprio ainda: inclua o próximo em que o cliente fecha ou abre em outro horário.",
    ),
    "own_day_name": ("What for", "Motivo"),
    "own_day_times": ("Open (empty: closed all day)", "Aberto (vazio: fechado o dia todo)"),
    "add_own_day": ("Set the day", "Definir o dia"),
    "remove_own_day": ("Remove {day}", "Remover {day}"),
    "hours_saved": (
        "The hours are saved. Waiting times follow with the next turn.",
        "O horário foi salvo. Os tempos de espera mudam na próxima rodada.",
    ),
}
