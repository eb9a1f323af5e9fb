"""Texts of the page of quarantine."""

TEXTS: dict[str, tuple[str, str]] = {
    "quarantine": ("Quarantine", "Quarentena"),
    "to_quarantine": ("Look at them and release them", "Ver e liberar"),
    "nothing_in_quarantine": (
        "No visitor is left out: every event that arrived is in the figures.",
        "Nenhum visitante ficou de fora: todo evento que chegou está nos números.",
    ),
    "choose_quarantined": (
        "Select a visitor to see why, and to release it.",
        "Selecione um visitante para ver o motivo e liberar.",
    ),
    "quarantine_why": ("Why {visitor} is left out", "Por que {visitor} ficou de fora"),
    "quarantine_where": (
        "{step} fails on event {event_id}, since {since}.",
        "{step} falha no evento {event_id}, desde {since}.",
    ),
    "quarantine_where_unknown": (
        "{step} fails on the rows, since {since}.",
        "{step} falha com as linhas, desde {since}.",
    ),
    "release_caption": (
        "The rows are computed again. Where the model fails on them still, they come back here.",
        "As linhas são recalculadas. Se o modelo ainda falhar com elas, voltam para cá.",
    ),
    "release": ("Release", "Liberar"),
    "released_now": (
        "{visitor} is released: the rows are computed again with the next turns.",
        "{visitor} foi liberado: as linhas são recalculadas nas próximas rodadas.",
    ),
}
