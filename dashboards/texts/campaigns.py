"""Texts of the page of campaigns and attribution."""

TEXTS: dict[str, tuple[str, str]] = {
    "campaigns": ("Campaigns", "Campanhas"),
    "costs": ("Cost and what came of it", "Custo e o que trouxe"),
    "cost": ("Cost", "Custo"),
    "about_cost": (
        "What the ad accounts cost in the period's days, in the client's currency. Days are those of the ad account.",
        "Quanto as contas de anúncios custaram nos dias do período, na moeda do cliente. Dias da conta de anúncios.",
    ),
    "no_costs": (
        "No cost and no campaign of an ad account in this period. An administrator connects Google Ads or Meta Ads, or "
        "uploads a file: the guide on ad spend says how.",
        "Nenhum custo nem campanha de conta de anúncios neste período. Um administrador conecta Google Ads ou Meta "
        "Ads, ou envia um arquivo: o guia de investimento em anúncios diz como.",
    ),
    "cost_is_late": (
        "Costs are known up to {day} only, so the ratios of later days are too good.",
        "Os custos só são conhecidos até {day}; as relações de dias posteriores parecem melhores do que são.",
    ),
    "cost_without_rate": (
        "A part of the cost is in a currency without a rate, so it is in no sum and its ratios are not shown.",
        "Parte do custo está em moeda sem taxa: não entra em nenhuma soma, e suas relações não aparecem.",
    ),
    "costs_caption": (
        "Leads, won and revenue by share of credit ({model}); those of a day are the leads that came on it. Ratios are "
        "of the sums.",
        "Leads, ganhos e receita por fração de crédito ({model}); os de um dia são os leads que vieram nele. Relações "
        "das somas.",
    ),
    "platform": ("Platform", "Plataforma"),
    "platform_google_ads": ("Google Ads", "Google Ads"),
    "platform_meta_ads": ("Meta Ads", "Meta Ads"),
    "platform_microsoft_ads": ("Microsoft Ads", "Microsoft Ads"),
    "platform_linkedin_ads": ("LinkedIn Ads", "LinkedIn Ads"),
    "platform_tiktok_ads": ("TikTok Ads", "TikTok Ads"),
    "platform_kwai_ads": ("Kwai Ads", "Kwai Ads"),
    "platform_pinterest_ads": ("Pinterest Ads", "Pinterest Ads"),
    "platform_x_ads": ("X Ads", "X Ads"),
    "platform_reddit_ads": ("Reddit Ads", "Reddit Ads"),
    "platform_snapchat_ads": ("Snapchat Ads", "Snapchat Ads"),
    "platform_quora_ads": ("Quora Ads", "Quora Ads"),
    "platform_openai_ads": ("OpenAI Ads", "OpenAI Ads"),
    "platform_taboola": ("Taboola", "Taboola"),
    "platform_outbrain": ("Outbrain", "Outbrain"),
    "platform_criteo": ("Criteo", "Criteo"),
    "platform_spotify_ads": ("Spotify Ads", "Spotify Ads"),
    "clicks": ("Clicks", "Cliques"),
    "visits": ("Visits", "Visitas"),
    "cpl": ("Cost per lead", "Custo por lead"),
    "cac": ("Cost per customer", "Custo por cliente"),
    "roas": ("ROAS", "ROAS"),
    "last_day": ("Last day", "Último dia"),
    "credit": ("Attribution: what another model moves", "Atribuição: o que outro modelo muda"),
    "model": ("Model", "Modelo"),
    "beside_model": ("Set beside", "Comparado com"),
    "model_last_non_direct": ("last touch that was not direct", "último toque não direto"),
    "model_first_touch": ("first touch", "primeiro toque"),
    "model_last_touch": ("last touch", "último toque"),
    "model_linear": ("linear", "linear"),
    "lead_credit": ("Leads", "Leads"),
    "other_lead_credit": ("Leads, other model", "Leads, outro modelo"),
    "moved": ("Moved", "Mudança"),
    "converted_leads": ("Converted leads", "Leads convertidos"),
    "event_credit": ("Further conversions", "Outras conversões"),
    "conversion_revenue": ("Revenue of conversions", "Receita das conversões"),
    "other_revenue": ("Revenue, other model", "Receita, outro modelo"),
    "credit_caption": (
        "Credit of “{model}” beside “{other}”. A conversion's credit is shared among its touches and adds up to 1, so "
        "each column adds up to the conversions of the period. Select a row to filter.",
        "Crédito de “{model}” ao lado de “{other}”. O crédito de uma conversão é dividido entre seus toques e soma 1; "
        "cada coluna soma as conversões do período. Selecione uma linha para filtrar.",
    ),
    "nothing_moved": (
        "Both models give the same credit in this period.",
        "Os dois modelos dão o mesmo crédito neste período.",
    ),
    "no_conversions": (
        "No conversion in this period with these filters. Choose a longer period, or take a filter away.",
        "Nenhuma conversão neste período com estes filtros. Escolha um período maior ou retire um filtro.",
    ),
    "paths": ("Paths to a lead", "Caminhos até o lead"),
    "path": ("Channels, in their order", "Canais, na ordem"),
    "touches": ("Touches", "Toques"),
    "path_time": ("Half within", "Metade em até"),
    "paths_caption": (
        "Touches of the 90 days before the lead's first conversion; a channel that follows itself is named once.",
        "Toques dos 90 dias antes da primeira conversão do lead; um canal repetido em seguida aparece uma vez.",
    ),
}
