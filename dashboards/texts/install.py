"""Texts of the pages for setting up and of the design page."""

TEXTS: dict[str, tuple[str, str]] = {
    "install": ("Install", "Instalação"),
    "snippet": ("The tag for the landing page", "O código para a landing page"),
    "host": ("Host that serves the script", "Host que serve o script"),
    "no_hosts": (
        "This client has no host yet. An administrator adds one: `echolead tenant add-host TENANT HOST`.",
        "Este cliente ainda não tem host. Um administrador inclui um: `echolead tenant add-host CLIENTE HOST`.",
    ),
    "consent_before": ("Until the visitor decides about cookies", "Até o visitante decidir sobre cookies"),
    "consent_tenant": ("as set for the client", "como definido para o cliente"),
    "consent_granted": ("granted", "concedido"),
    "consent_wait": ("wait for the answer", "esperar a resposta"),
    "consent_denied": ("denied", "negado"),
    "counts_pages": ("Count page views", "Contar páginas vistas"),
    "has_chat": ("Connect to Chatwoot's widget", "Ligar ao widget do Chatwoot"),
    "is_async": ("Load in the background (async)", "Carregar em segundo plano (async)"),
    "snippet_caption": (
        "Put it first in the page's `<head>`. A page with a content security policy lists the host in `script-src` and "
        "`connect-src`.",
        "Coloque-o primeiro no `<head>` da página. Uma página com content security policy lista o host em `script-src` "
        "e `connect-src`.",
    ),
    "newest_events": ("Events of the last hour", "Eventos da última hora"),
    "waiting_for_event": (
        "Waiting for the first event … Open the landing page in another tab, with a campaign in its address, for "
        "example ?utm_source=teste&utm_medium=cpc&utm_campaign=teste.",
        "Esperando o primeiro evento … Abra a landing page em outra aba, com uma campanha no endereço, por exemplo "
        "?utm_source=teste&utm_medium=cpc&utm_campaign=teste.",
    ),
    "event_seen": (
        "Seen: {event} at {at}, from {page}, with {parameters}.",
        "Visto: {event} em {at}, de {page}, com {parameters}.",
    ),
    "no_parameters": ("no parameters", "nenhum parâmetro"),
    "newest_caption": (
        "Asked again every few seconds. An event that does not appear within half a minute was refused, or comes from "
        "another host: see the page on health.",
        "Atualizado a cada poucos segundos. Um evento que não aparece em meio minuto foi recusado ou vem de outro "
        "host: veja a página de saúde.",
    ),
    "received": ("Received", "Recebido"),
    "browser": ("Browser", "Navegador"),
    "is_bot": ("Robot", "Robô"),
    "design": ("Design", "Design"),
    "colours": ("Colours", "Cores"),
    "type_and_space": ("Type and spacing", "Tipografia e espaços"),
    "numbers_and_dates": ("Numbers and dates", "Números e datas"),
    "charts": ("Charts", "Gráficos"),
}
