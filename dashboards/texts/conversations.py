"""Texts of the page of conversations."""

TEXTS: dict[str, tuple[str, str]] = {
    "within_target": ("Answered in time", "Respondidas no prazo"),
    "response_p50": ("First response, half within", "Primeira resposta, metade em até"),
    "response_p90": ("First response, 90 % within", "Primeira resposta, 90 % em até"),
    "response_minutes": ("First response, minutes", "Primeira resposta, minutos"),
    "answered": ("Answered", "Respondidas"),
    "breached": ("Late", "Fora do prazo"),
    "agent": ("Agent", "Atendente"),
    "no_agent": ("nobody yet", "ninguém ainda"),
    "no_team": ("no team", "sem time"),
    "hour_of_day": ("Hour of the day", "Hora do dia"),
    "by_hour": ("First responses by hour of the day", "Primeiras respostas por hora do dia"),
    "by_team": ("By team", "Por equipe"),
    "by_agent": ("By agent", "Por atendente"),
    "waiting_now": ("Waiting beyond the target now", "Esperando além do prazo agora"),
    "waiting_caption": (
        "Longest first. Select a row to open its lead; answer in Chatwoot.",
        "Mais antigas primeiro. Selecione uma linha para abrir o lead; responda no Chatwoot.",
    ),
    "nobody_waits": ("Nobody waits beyond the target.", "Ninguém espera além do prazo."),
    "asked_at": ("Asked", "Perguntou"),
    "due_at": ("Due", "Prazo"),
    "overdue": ("Late by", "Atraso"),
    "open_lead": ("Open the lead", "Abrir o lead"),
    "no_lead_known": (
        "No lead is known for this conversation: its contact was not delivered by EchoLead.",
        "Nenhum lead conhecido para esta conversa: o contato não foi entregue pelo EchoLead.",
    ),
    "no_conversations": (
        "No conversation in this period. They are read from Chatwoot: an administrator adds a Chatwoot destination "
        "(`echolead destination add`), and the first pull follows within five minutes.",
        "Nenhuma conversa neste período. Elas vêm do Chatwoot: um administrador inclui um destino Chatwoot (`echolead "
        "destination add`), e a primeira leitura ocorre em até cinco minutos.",
    ),
    "responses_caption": (
        "The first response is the first answer of a person; bots and automatic messages are none. Time counts within "
        "business hours.",
        "A primeira resposta é a primeira de uma pessoa; robôs e mensagens automáticas não contam. O tempo conta "
        "dentro do horário de atendimento.",
    ),
}
