"""Texts of the console in English and Brazilian Portuguese, by key; pages contain no other texts."""

import streamlit as st

LANGUAGES = {"en": "English", "pt-BR": "Português"}

# Each key has its English text, then the Portuguese one.
TEXTS: dict[str, tuple[str, str]] = {
    "overview": ("Overview", "Visão geral"),
    "leads": ("Leads", "Leads"),
    "health": ("Pipeline health", "Saúde do pipeline"),
    "tables": ("Tables", "Tabelas"),
    "table": ("Table", "Tabela"),
    "no_tables": (
        "No table has a page here yet. An analyst adds a page with `meta.console` in the table's model.",
        "Nenhuma tabela tem página aqui ainda. Um analista inclui uma com `meta.console` no modelo da tabela.",
    ),
    "no_rows": ("The table has no rows in this period.", "A tabela não tem linhas neste período."),
    "first_rows": ("The newest {n} rows.", "As {n} linhas mais recentes."),
    "language": ("Language", "Idioma"),
    "tenant": ("Client", "Cliente"),
    "sign_in": ("Sign in", "Entrar"),
    "sign_out": ("Sign out", "Sair"),
    "sign_in_first": (
        "This console shows people's data. Sign in to see your clients' leads.",
        "Este console mostra dados de pessoas. Entre para ver os leads dos seus clientes.",
    ),
    "session_ended": ("Your session has ended. Sign in again.", "Sua sessão terminou. Entre de novo."),
    "several_sessions": (
        "Your browser sent several sessions, and one of them may belong to another person. Remove the cookies of this "
        "site, then sign in again.",
        "Seu navegador enviou várias sessões, e uma delas pode ser de outra pessoa. Apague os cookies deste site e "
        "entre de novo.",
    ),
    "api_down": (
        "Signing in is not possible at the moment: EchoLead's API does not answer. Nothing is lost; reload the page in "
        "a moment. `echolead doctor` shows the cause.",
        "Não é possível entrar agora: a API do EchoLead não responde. Nada se perde; recarregue a página em instantes. "
        "`echolead doctor` mostra a causa.",
    ),
    "no_tenant": (
        "Your user has no client yet. An administrator can add one: echolead user grant EMAIL TENANT ROLE",
        "Seu usuário ainda não tem cliente. Um administrador pode incluir: echolead user grant EMAIL CLIENTE PAPEL",
    ),
    "foreign_tenant": (
        "This link belongs to a client that your user may not see.",
        "Este link é de um cliente que seu usuário não pode ver.",
    ),
    "warehouse_down": (
        "The warehouse does not answer. The data is safe; try again in a moment. `echolead doctor` shows the cause.",
        "O warehouse não responde. Os dados estão seguros; tente de novo em instantes. `echolead doctor` mostra a "
        "causa.",
    ),
    "not_built": (
        "The first tables are still being built. The data appears within a minute.",
        "As primeiras tabelas ainda estão sendo criadas. Esta página se preenche em até um minuto.",
    ),
    "refresh": ("Reload", "Recarregar"),
    "period": ("Period", "Período"),
    "days_7": ("7 days", "7 dias"),
    "days_30": ("30 days", "30 dias"),
    "days_90": ("90 days", "90 dias"),
    "channel": ("Channel", "Canal"),
    "funnel": ("Funnel", "Funil"),
    "visitors": ("Visitors", "Visitantes"),
    "sessions": ("Sessions", "Sessões"),
    "chats": ("Chats", "Conversas"),
    "qualified": ("Qualified", "Qualificados"),
    "won": ("Won", "Ganhos"),
    "spend_gaps": ("Ads outside of campaigns", "Anúncios fora das campanhas"),
    "spend_gaps_caption": (
        "Visits, leads and cost of the last 30 days that cannot be compared. `echolead spend alias set` joins a name.",
        "Visitas, leads e custos dos últimos 30 dias sem comparação possível. `echolead spend alias set` liga um nome.",
    ),
    "unreplaced": ("Macros that no ad platform replaced", "Macros que nenhuma plataforma substituiu"),
    "unreplaced_caption": (
        "Ads send these visits without a campaign, as the link still has the macro. Correct the ad's URL parameters.",
        "Os anúncios enviam estas visitas sem campanha, pois o link ainda tem a macro. Corrija os parâmetros de URL.",
    ),
    "platform": ("Platform", "Plataforma"),
    "cost": ("Cost", "Custo"),
    "gap_ambiguous": ("several campaigns fit", "várias campanhas servem"),
    "gap_unknown_on_that_day": ("unknown on that day", "desconhecido naquele dia"),
    "gap_unknown_name": ("unknown name", "nome desconhecido"),
    "gap_unknown_id": ("unknown id", "id desconhecido"),
    "gap_macro_not_replaced": ("macro not replaced", "macro não substituída"),
    "gap_no_value": ("no value", "sem valor"),
    "gap_no_campaign": ("no campaign in the link", "link sem campanha"),
    "gap_no_spend_of_the_platform": ("no spend of the platform", "sem custos da plataforma"),
    "gap_cost_without_a_rate": ("cost without a rate", "custo sem taxa de câmbio"),
    "gap_cost_without_a_visit": ("cost without a visit", "custo sem visita"),
    "unmapped_stages": ("Stages of deals that count as nothing yet", "Etapas de negócios ainda sem correspondência"),
    "unmapped_stages_caption": (
        "Deals in these stages are in no stage of the funnel. `echolead deal stages map` says what a stage counts as.",
        "Negócios nestas etapas não entram no funil. `echolead deal stages map` diz o que cada etapa vale.",
    ),
    "pipeline": ("Pipeline", "Funil de vendas"),
    "deals": ("Deals", "Negócios"),
    "conversion": ("Visitors who become leads", "Visitantes que viram leads"),
    "before": ("against the period before", "contra o período anterior"),
    "no_events": (
        "No visit in this period yet. Open the landing page with a campaign in its address and come back.",
        "Nenhuma visita neste período. Abra a landing page com uma campanha no endereço e volte aqui.",
    ),
    "leads_by_day": ("Leads by day and channel", "Leads por dia e canal"),
    "by_campaign": ("By campaign", "Por campanha"),
    "by_landing_page": ("By landing page", "Por landing page"),
    "campaign": ("Campaign", "Campanha"),
    "landing_page": ("Landing page", "Landing page"),
    "day": ("Day", "Dia"),
    "stage": ("Stage", "Etapa"),
    "funnel_caption": (
        "Visitors are counted per day and channel: a visitor on two days counts twice. Days are in the client's time "
        "zone ({timezone}).",
        "Visitantes são contados por dia e canal: quem vem em dois dias conta duas vezes. Dias no fuso do cliente "
        "({timezone}).",
    ),
    "search": ("Name, e-mail, phone or campaign", "Nome, e-mail, telefone ou campanha"),
    "no_leads": ("No lead yet.", "Nenhum lead ainda."),
    "no_match": ("No lead matches this search.", "Nenhum lead corresponde à busca."),
    "lead_not_found": (
        "This lead is not here. It may have been merged with another one: search for the e-mail or phone.",
        "Este lead não está aqui. Pode ter sido unido a outro: busque pelo e-mail ou telefone.",
    ),
    "back": ("All leads", "Todos os leads"),
    "times_caption": ("Times are in the tenant's zone ({timezone}).", "Horários no fuso do cliente ({timezone})."),
    "leads_caption": (
        "The {shown} newest of {total} leads. Select a row to open it.",
        "Os {shown} mais novos de {total} leads. Selecione uma linha para abrir.",
    ),
    "name": ("Name", "Nome"),
    "email": ("E-mail", "E-mail"),
    "phone": ("Phone", "Telefone"),
    "source": ("Source", "Origem"),
    "medium": ("Medium", "Mídia"),
    "created": ("Since", "Desde"),
    "unnamed": ("Lead without a name", "Lead sem nome"),
    "why": ("Why this source", "Por que esta origem"),
    "rule_utm": (
        "The address of their arrival has the source in utm parameters. The last visit that was not direct counts.",
        "O endereço de chegada trazia a origem em parâmetros utm. Vale a última visita que não foi direta.",
    ),
    "rule_click_id": (
        "The address of their arrival has an ad platform's click id, which identifies the platform and a paid click.",
        "O endereço de chegada trazia o id de clique de uma plataforma de anúncios: diz qual é e que foi pago.",
    ),
    "rule_referrer": (
        "They followed a link on another site, which is the source. The last visit that was not direct counts.",
        "Vieram por um link em outro site, que diz a origem. Vale a última visita que não foi direta.",
    ),
    "rule_excluded_referrer": (
        "They came back from a payment page or a sign-in provider, which does not count as a source.",
        "Voltaram de uma página de pagamento ou de login, que não é uma origem.",
    ),
    "rule_direct": (
        "No visit has a source: no campaign, no click id, no link from another site.",
        "Nenhuma visita tem origem: sem campanha, sem id de clique, sem link de outro site.",
    ),
    "why_points": ("Why {points} points", "Por que {points} pontos"),
    "segments": ("Segments", "Segmentos"),
    "priority": ("Priority", "Prioridade"),
    "owner": ("Owner", "Responsável"),
    "team": ("Team", "Equipe"),
    "points": ("Points", "Pontos"),
    "rule": ("Rule", "Regra"),
    "seen": ("What it saw", "O que viu"),
    "first_touch": ("First touch", "Primeiro toque"),
    "last_touch": ("Last touch", "Último toque"),
    "last_non_direct": ("Last non-direct touch", "Último toque não direto"),
    "referrer": ("Referrer", "Referência"),
    "click_ids": ("Click ids", "Ids de clique"),
    "direct": ("direct", "direto"),
    "timeline": ("Timeline", "Linha do tempo"),
    "pages_n": ("{n} pages", "{n} páginas"),
    "event": ("Event", "Evento"),
    "when": ("When", "Quando"),
    "page": ("Page", "Página"),
    "deliveries": ("Deliveries", "Entregas"),
    "no_deliveries": (
        "Nothing was sent for this lead yet. It leaves within seconds when the client has an enabled destination.",
        "Nada foi enviado para este lead ainda. Ele sai em segundos se o cliente tem um destino ativo.",
    ),
    "destination": ("Destination", "Destino"),
    "state": ("State", "Estado"),
    "attempts": ("Attempts", "Tentativas"),
    "operation": ("Operation", "Operação"),
    "status": ("Answer", "Resposta"),
    "latency": ("Latency (ms)", "Latência (ms)"),
    "outcome": ("Outcome", "Resultado"),
    "attempt_detail": ("Request and answer", "Requisição e resposta"),
    "consent": ("Marketing", "Marketing"),
    "granted": ("granted", "concedido"),
    "denied": ("denied", "negado"),
    "unknown": ("not asked", "não perguntado"),
    "devices": ("Devices", "Dispositivos"),
    "freshness": ("Newest event", "Último evento"),
    "lag": ("Lag, p95", "Atraso, p95"),
    "lag_caption": (
        "Lag: from the collector's receipt to the row in `raw.events`, of 95 % of the events of the newest hour.",
        "Atraso: do recebimento no coletor até a linha em `raw.events`, de 95 % dos eventos da hora mais recente.",
    ),
    "events_24h": ("Events, 24 h", "Eventos, 24 h"),
    "rejected_24h": ("Rejected, 24 h", "Rejeitados, 24 h"),
    "stuck": ("Deliveries waiting", "Entregas esperando"),
    "events_by_hour": ("Events by hour", "Eventos por hora"),
    "rejected_events": ("Rejected events", "Eventos rejeitados"),
    "reason": ("Reason", "Motivo"),
    "detail": ("Detail", "Detalhe"),
    "number": ("Count", "Quantidade"),
    "newest": ("Newest", "Mais recente"),
    "nothing_rejected": ("Nothing was rejected.", "Nada foi rejeitado."),
    "step_fails": (
        "{step} has been failing since {since}. It is tried again every few seconds; steps that do not depend on it "
        "go on.",
        "{step} falha desde {since}. Nova tentativa a cada poucos segundos; o que não depende disso continua.",
    ),
    "because_of_event": ("The cause is event {event_id}.", "A causa é o evento {event_id}."),
    "quarantine": ("Visitors in quarantine", "Visitantes em quarentena"),
    "quarantine_caption": (
        "A model fails on their rows, which wait until the model is corrected or an operator releases them. All "
        "others go on.",
        "Um modelo falha com as linhas deles, que esperam até o modelo ser corrigido ou um operador as liberar. Os "
        "demais continuam.",
    ),
    "all_visitors": ("all visitors", "todos os visitantes"),
    "visitor": ("Visitor", "Visitante"),
    "step": ("Step", "Etapa"),
    "since": ("Since", "Desde"),
    "waiting_events": ("Events that wait", "Eventos em espera"),
    "set_aside": ("Values set aside", "Valores separados"),
    "set_aside_caption": (
        "Values of the last 30 days that could not be used. The rest of their events is used.",
        "O que foi enviado nos últimos 30 dias e não pôde ser usado. O resto destes eventos é usado.",
    ),
    "nothing_set_aside": ("Everything that was sent could be used.", "Tudo o que foi enviado pôde ser usado."),
    "shared_values": ("Contacts that several people give", "Contatos que várias pessoas informam"),
    "shared_values_caption": (
        "Too many visitors: the contact joins none of them. Different people: the contact joins them into one lead, "
        "although they may be several. A lead of very many visitors: contacts that each few give join them in a chain.",
        "Visitantes demais: o contato não une nenhum deles. Pessoas diferentes: o contato une todas em um só "
        "lead, embora possam ser várias. Um lead de visitantes demais: contatos de poucos unem todos em cadeia.",
    ),
    "shared_too_many_visitors": ("too many visitors", "visitantes demais"),
    "shared_different_people": ("different people", "pessoas diferentes"),
    "shared_large_lead": ("a lead of very many visitors", "um lead de visitantes demais"),
    "identifier_lead": ("Lead", "Lead"),
    "identifier_email": ("E-mail", "E-mail"),
    "identifier_phone": ("Phone", "Telefone"),
    "identifier_external_id": ("External id", "Id externo"),
    "identifier_name": ("Name", "Nome"),
    "alternatives": ("Others say: {said}", "Outros informam: {said}"),
    "field": ("Field", "Campo"),
    "value": ("Value", "Valor"),
    "sent_by": ("Sent by", "Enviado por"),
    "aside_not_json": ("not JSON", "não é JSON"),
    "aside_not_utf8": ("not text", "não é texto"),
    "aside_invalid_text": ("invalid characters", "caracteres inválidos"),
    "aside_unreadable_escape": ("% escapes that are not text", "escapes % que não são texto"),
    "aside_too_long": ("too long, cut", "longo demais, cortado"),
    "aside_not_a_time": ("not a time", "não é data e hora"),
    "aside_out_of_range": ("out of range", "fora dos limites"),
    "aside_not_a_number": ("not a number", "não é um número"),
    "aside_not_a_currency": ("not a currency", "não é uma moeda"),
    "aside_unknown_time_zone": ("unknown time zone", "fuso horário desconhecido"),
    "deliveries_by_state": ("Deliveries by state", "Entregas por estado"),
    "ago_seconds": ("{n} s ago", "há {n} s"),
    "ago_minutes": ("{n} min ago", "há {n} min"),
    "ago_hours": ("{n} h ago", "há {n} h"),
    "ago_days": ("{n} days ago", "há {n} dias"),
    "waiting": ("Waiting", "Esperando"),
    "never": ("never", "nunca"),
    "state_pending": ("pending", "pendente"),
    "state_in_flight": ("on its way", "a caminho"),
    "state_delivered": ("delivered", "entregue"),
    "state_verified": ("verified", "verificado"),
    "state_retry": ("waiting to retry", "esperando nova tentativa"),
    "state_dead": ("given up", "desistida"),
    "state_withheld": ("not sent on purpose", "não enviada de propósito"),
    "state_superseded": ("replaced by a newer one", "substituída por outra mais nova"),
    "event_page_view": ("Page view", "Página vista"),
    "event_page_ping": ("Reading", "Leitura"),
    "event_click": ("Click", "Clique"),
    "event_form_start": ("Form begun", "Formulário iniciado"),
    "event_form_submit": ("Form sent", "Formulário enviado"),
    "event_identify": ("Identified", "Identificado"),
    "event_chat_open": ("Chat opened", "Chat aberto"),
    "event_chat_start": ("Conversation begun", "Conversa iniciada"),
    "event_consent": ("Consent", "Consentimento"),
    "event_conversion": ("Conversion", "Conversão"),
}


def language() -> str:
    """The language chosen on the page, else the browser's, else English."""
    chosen = st.session_state.get("language")
    if chosen in LANGUAGES:
        return str(chosen)
    return "pt-BR" if (st.context.locale or "").lower().startswith("pt") else "en"


def named(kind: str, name: str) -> str:
    """The text of a state or event by its name in the data; a tenant's own event keeps its name."""
    key = f"{kind}_{name}"
    return t(key) if key in TEXTS else name


def t(key: str, **values: object) -> str:
    """The text of `key` in the page's language, with `values` filled in. Raises `KeyError` for an unknown key."""
    english, portuguese = TEXTS[key]
    return (portuguese if language() == "pt-BR" else english).format(**values)
