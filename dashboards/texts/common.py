"""Texts of every page: access, navigation, states of the warehouse."""

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
    "no_such_page": (
        "There is no page {name}, or your role does not open it. The overview is shown.",
        "Não há página {name}, ou seu papel não a abre. A visão geral é mostrada.",
    ),
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
    "channel": ("Channel", "Canal"),
    "campaign": ("Campaign", "Campanha"),
    "landing_page": ("Landing page", "Landing page"),
    "day": ("Day", "Dia"),
    "download": ("Download CSV:", "Baixar CSV:"),
    "csv_excel": ("for Excel", "para Excel"),
    "csv_programs": ("for programs", "para programas"),
    "yes": ("yes", "sim"),
    "no": ("no", "não"),
    "dates": ("Dates", "Datas"),
    "compared_with": ("Compared with", "Comparar com"),
    "against_before": ("against the time before", "contra o período anterior"),
    "against_weekday": ("against the same weekdays", "contra os mesmos dias da semana"),
    "vs": ("Comparison", "Comparação"),
    "period_today": ("Today", "Hoje"),
    "period_yesterday": ("Yesterday", "Ontem"),
    "period_7d": ("7 days", "7 dias"),
    "period_30d": ("30 days", "30 dias"),
    "period_90d": ("90 days", "90 dias"),
    "period_month": ("This month", "Este mês"),
    "period_all": ("All", "Tudo"),
    "period_custom": ("Dates", "Datas"),
    "windows": ("{now} against {before}", "{now} contra {before}"),
    "zone_is": ("Time zone {zone}", "Fuso {zone}"),
    "data_as_of": ("Data as of {at} ({age})", "Dados até {at} (há {age})"),
    "data_as_of_never": ("No data yet", "Ainda sem dados"),
    "refresh_failed": (
        "The figures are not being refreshed: refresh failed at {since}. What is shown is as of the time above. The "
        "health page says what fails.",
        "Os números não estão sendo atualizados: a atualização falhou em {since}. O que se vê é do horário acima. A "
        "página de saúde diz o que falha.",
    ),
    "data_waits": (
        "Newer data has been waiting since {since} and is not in the figures yet.",
        "Dados mais novos esperam desde {since} e ainda não estão nos números.",
    ),
    "settings_wait": (
        "Settings were changed at {at} (rules version {version}) and are not in all figures yet.",
        "Configurações mudaram em {at} (versão {version} das regras) e ainda não estão em todos os números.",
    ),
    "too_slow": (
        "{name}: the warehouse took too long. The rest of the page is complete; choose a shorter period or try again.",
        "{name}: o warehouse demorou demais. O resto da página está completo; escolha um período menor ou tente de "
        "novo.",
    ),
    "unknown_filter": (
        "{name} “{value}” does not exist here, so it is left out.",
        "{name} “{value}” não existe aqui e foi ignorado.",
    ),
    "device": ("Device", "Dispositivo"),
    "country": ("Country", "País"),
    "rules_version": ("Version of the rules", "Versão das regras"),
    "rules_version_n": ("version {n}", "versão {n}"),
    "default_rules": ("default rules", "regras padrão"),
    "none_channel": ("no channel", "sem canal"),
    "none_source": ("no source", "sem origem"),
    "none_campaign": ("no campaign", "sem campanha"),
    "none_landing_page": ("no page", "sem página"),
    "device_mobile": ("phone", "celular"),
    "device_tablet": ("tablet", "tablet"),
    "device_desktop": ("computer", "computador"),
    "device_tv": ("TV", "TV"),
    "device_console": ("game console", "console de jogos"),
    "none_device": ("unknown device", "dispositivo desconhecido"),
    "none_country": ("unknown country", "país desconhecido"),
    "none_rules_version": ("no rules", "sem regras"),
}
