"""Texts of the health page."""

TEXTS: dict[str, tuple[str, str]] = {
    "unmapped_stages": ("Stages of deals that count as nothing yet", "Etapas de negócios ainda sem correspondência"),
    "unmapped_stages_caption": (
        "Deals in these stages are in no stage of the funnel. `echolead deal stages map` says what a stage counts as.",
        "Negócios nestas etapas não entram no funil. `echolead deal stages map` diz o que cada etapa vale.",
    ),
    "left_out_fields": ("Fields that destinations do not take", "Campos que os destinos não aceitam"),
    "left_out_fields_caption": (
        "Leads arrive without these. Give the integration's user the right to write them, make them in the account, or "
        "map others; `echolead destination test` shows the present state.",
        "Os leads chegam sem eles. Dê ao usuário da integração o direito de escrita, crie-os na conta ou mapeie "
        "outros; `echolead destination test` mostra o estado atual.",
    ),
    "unknown_events": ("Conversions that may have arrived or not", "Conversões que podem ter chegado ou não"),
    "unknown_events_caption": (
        "The answer was lost, and sent again they would count twice. Look for them at the destination; "
        "`echolead resync --unknown` sends again what is not there.",
        "A resposta se perdeu, e um novo envio poderia contar em dobro. Procure-as no destino; o que não estiver lá, "
        "`echolead resync --unknown` envia de novo.",
    ),
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
    "pipeline": ("Pipeline", "Funil de vendas"),
    "deals": ("Deals", "Negócios"),
    "freshness": ("Newest event", "Último evento"),
    "lag": ("Lag, p95", "Atraso, p95"),
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
    "in_quarantine": ("Visitors in quarantine", "Visitantes em quarentena"),
    "in_quarantine_caption": (
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
    "field": ("Field", "Campo"),
    "value": ("Value", "Valor"),
    "sent_by": ("Sent by", "Enviado por"),
    "sender_script": ("the page's script", "script da página"),
    "sender_server": ("server", "servidor"),
    "sender_pixel": ("pixel without script", "pixel sem script"),
    "sender_tenant": ("settings of the client", "configurações do cliente"),
    "sender_destination": ("settings of the destination", "configurações do destino"),
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
    "waiting": ("Waiting", "Esperando"),
    "never": ("never", "nunca"),
    "ago": ("{age} ago", "há {age}"),
    "age": ("Age", "Idade"),
    "hour": ("Hour", "Hora"),
    "rows": ("Rows", "Linhas"),
    "events": ("Events", "Eventos"),
    "p50_seconds": ("Lag, median (s)", "Atraso, mediana (s)"),
    "p95_seconds": ("Lag, p95 (s)", "Atraso, p95 (s)"),
    "layer": ("Layer", "Camada"),
    "layer_raw": ("received", "recebido"),
    "layer_enriched": ("enriched", "enriquecido"),
    "layer_leads": ("leads", "leads"),
    "layer_deliveries": ("deliveries", "entregas"),
    "layers": ("How fresh each layer is", "Quão recente é cada camada"),
    "layers_caption": (
        "Each layer should be as fresh as the one before it. When one stays behind, `echolead doctor` shows why.",
        "Cada camada deve ser tão recente quanto a anterior. Se uma fica para trás, `echolead doctor` mostra por quê.",
    ),
    "deliveries_by_state_caption": (
        "Of all deliveries. `echolead resync` sends again what was given up.",
        "De todas as entregas. `echolead resync` reenvia as desistidas.",
    ),
    "about_freshness": (
        "When the newest event was received. Without new events on a busy site, check the script on the page Install.",
        "Quando chegou o evento mais novo. Sem eventos novos em um site movimentado, confira o script em Instalação.",
    ),
    "about_lag": (
        "From the collector's receipt to the row in `raw.events`, of 95 % of the events of the newest hour.",
        "Do recebimento no coletor até a linha em `raw.events`, de 95 % dos eventos da hora mais recente.",
    ),
    "about_events_24h": ("Events received in the last 24 hours.", "Eventos recebidos nas últimas 24 horas."),
    "about_rejected_24h": (
        "Events that were refused since yesterday. None is lost: each can be corrected and replayed.",
        "Eventos recusados desde ontem. Nenhum se perde: cada um pode ser corrigido e reprocessado.",
    ),
    "about_stuck": (
        "Deliveries that have not arrived 15 minutes after they were planned, wait until the destination's settings "
        "are corrected, or were given up.",
        "Entregas que não chegaram 15 minutos depois de planejadas, que aguardam a correção da configuração do "
        "destino, ou desistidas.",
    ),
    "stuck_caption": (
        "The reason says what to do: credentials and permissions are corrected at the destination, then `echolead "
        "resync` sends again. Others are tried again by themselves.",
        "O motivo diz o que fazer: credenciais e permissões se corrigem no destino, depois `echolead resync` reenvia. "
        "As outras são tentadas de novo sozinhas.",
    ),
    "delivers": ("Delivers", "Entrega"),
    "delivers_lead": ("lead", "lead"),
    "delivers_conversation": ("conversation", "conversa"),
    "delivers_withdrawal": ("withdrawal of an erased person", "retirada de pessoa excluída"),
    "nothing_stuck": ("No delivery is stuck.", "Nenhuma entrega está parada."),
    "rejected_events_caption": (
        "Since yesterday. Each is kept, and can be sent again when its cause is mended.",
        "Desde ontem. Cada um fica guardado e pode ser reenviado depois de corrigida a causa.",
    ),
    "no_events_today": (
        "No event in the last 24 hours. The page Install shows whether the script sends.",
        "Nenhum evento nas últimas 24 horas. A página Instalação mostra se o script envia.",
    ),
}
