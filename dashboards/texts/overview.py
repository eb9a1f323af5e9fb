"""Texts of the overview, and what its figures are."""

TEXTS: dict[str, tuple[str, str]] = {
    "visitors": ("Visitors", "Visitantes"),
    "engaged": ("Engaged", "Engajados"),
    "chats": ("Chats", "Conversas"),
    "qualified": ("Qualified", "Qualificados"),
    "won": ("Won", "Ganhos"),
    "conversion": ("Conversion", "Conversão"),
    "known_source": ("Known source", "Origem conhecida"),
    "speed_p50": ("Speed to lead", "Tempo até virar lead"),
    "speed_p90_note": ("90 % within {p90}", "90 % em até {p90}"),
    "verified_note": ("{share} verified", "{share} verificados"),
    "cost_until": ("known until {day}", "conhecido até {day}"),
    "synced": ("Synced", "Sincronizados"),
    "verified": ("Verified", "Verificados"),
    "revenue": ("Revenue", "Receita"),
    "about_visitors": (
        "People who came in the period, each once. Robots are left out unless they became leads.",
        "Pessoas que vieram no período, cada uma uma vez. Robôs ficam de fora, a não ser que tenham virado leads.",
    ),
    "about_leads": ("People who became a lead in the period.", "Pessoas que viraram lead no período."),
    "about_conversion": (
        "Leads per visitor. A lead counts as a visitor of the period, so it is never above 100 %.",
        "Leads por visitante. Um lead conta como visitante do período, então nunca passa de 100 %.",
    ),
    "about_known_source": (
        "Leads whose source is known: a campaign, a click id, or a link from another site.",
        "Leads com origem conhecida: campanha, id de clique ou link de outro site.",
    ),
    "about_speed_p50": (
        "From the first visit to becoming a lead: half are as fast.",
        "Da primeira visita até virar lead: metade é tão rápida.",
    ),
    "about_synced": (
        "Leads that arrived in a destination.",
        "Leads que chegaram a um destino.",
    ),
    "about_verified": (
        "Leads that were read back from a destination and found right.",
        "Leads lidos de volta em um destino e conferidos.",
    ),
    "about_revenue": (
        "Won deals of the leads of the period; of leads without deals, reported sales less refunds. Client's currency.",
        "Negócios ganhos dos leads do período; sem negócios, vendas informadas menos estornos. Na moeda do cliente.",
    ),
    "was": ("from {before}", "de {before}"),
    "points_change": ("{n} points", "{n} p.p."),
    "behind_leads": ("Show the leads", "Ver os leads"),
    "behind_campaigns": ("Show the campaigns", "Ver as campanhas"),
    "funnel": ("Funnel to the sale", "Funil até a venda"),
    "drop_off": ("↓ {share}", "↓ {share}"),
    "funnel_caption": (
        "Each step counts who reached it or a later one. ↓ is the share that was lost since the step before.",
        "Cada etapa conta quem chegou a ela ou a uma posterior. ↓ é a parte que se perdeu desde a etapa anterior.",
    ),
    "stage": ("Stage", "Etapa"),
    "leads_over_time": ("Leads over time", "Leads ao longo do tempo"),
    "before": ("The time before", "Período anterior"),
    "begins_at": ("From", "Início"),
    "visitors_before": ("Visitors before", "Visitantes antes"),
    "leads_before": ("Leads before", "Leads antes"),
    "what_changed": ("What changed most, and why", "O que mais mudou, e por quê"),
    "leads_unchanged": ("As many leads as before: {n}.", "Tantos leads quanto antes: {n}."),
    "more_leads": ("**{n} more leads** than before ({now} after {before}).",
                   "**{n} leads a mais** que antes ({now}; antes {before})."),
    "fewer_leads": ("**{n} fewer leads** than before ({now} after {before}).",
                    "**{n} leads a menos** que antes ({now}; antes {before})."),
    "split_title": ("By campaign, source, page and device", "Por campanha, origem, página e dispositivo"),
    "split_by": ("Split by", "Dividir por"),
    "split_value": ("Value", "Valor"),
    "dimension_channel": ("Channel", "Canal"),
    "dimension_source": ("Source", "Origem"),
    "dimension_campaign": ("Campaign", "Campanha"),
    "dimension_landing_page": ("Landing page", "Landing page"),
    "dimension_device": ("Device", "Dispositivo"),
    "dimension_country": ("Country", "País"),
    "dimension_rules_version": ("Version of the rules", "Versão das regras"),
    "people_caption": (
        "Each person counts once: a lead under its own source, others under their first visit of the period. Select a "
        "row to filter the page.",
        "Cada pessoa conta uma vez: o lead na sua própria origem, as demais na primeira visita do período. Selecione "
        "uma linha para filtrar a página.",
    ),
    "nobody_here": (
        "Nobody in this period with these filters.",
        "Ninguém neste período com estes filtros.",
    ),
    "without_filters": ("Take the filters away", "Remover os filtros"),
    "no_events": (
        "No visit in this period yet. Choose a longer period, or put the script on the landing page: the page Install "
        "has the snippet and waits for the first event.",
        "Nenhuma visita neste período. Escolha um período maior ou instale o script na landing page: a página "
        "Instalação tem o código e espera o primeiro evento.",
    ),
    "to_install": ("Install the script", "Instalar o script"),
}  # fmt: skip
