"""Texts of the page of dead letters: reasons, what to do about each, and what became of an event sent again."""

TEXTS: dict[str, tuple[str, str]] = {
    "dead_letters": ("Rejected events", "Eventos rejeitados"),
    "dead_letter": ("Rejected event", "Evento rejeitado"),
    "to_dead_letters": ("Look at them and send them again", "Ver e reenviar"),
    "dead_letters_caption": (
        "Events and messages that could not be accepted, newest first. Sent again, an event keeps its id and its time: "
        "it counts once, on its day. What was rejected stays in this list, as it was sent.",
        "Eventos e mensagens que não puderam ser aceitos, os mais recentes primeiro. Reenviado, o evento mantém id e "
        "horário: conta uma vez, no seu dia. O que foi rejeitado continua nesta lista, como foi enviado.",
    ),
    "no_dead_letter": (
        "All is well: no event was rejected.",
        "Tudo certo: nenhum evento foi rejeitado.",
    ),
    "no_dead_letter_caption": (
        "If one is, it is shown here with the reason, what was sent and what to do, and can be corrected and resent.",
        "Se um for, ele aparece aqui com o motivo, o que foi enviado e o que fazer, e pode ser corrigido e reenviado.",
    ),
    "no_dead_letter_of_reason": (
        "No event was rejected for this reason.",
        "Nenhum evento foi rejeitado por este motivo.",
    ),
    "every_reason": ("every reason", "todos os motivos"),
    "choose_dead_letter": (
        "Select an event to see why it was rejected, and what was sent.",
        "Selecione um evento para ver por que foi rejeitado e o que foi enviado.",
    ),
    "choose_dead_letters": (
        "Select one event to see, correct and send it again, or several, at most {most}, to send them again together.",
        "Selecione um evento para ver, corrigir e reenviar, ou vários, no máximo {most}, para reenviar juntos.",
    ),
    "sent_again_queued": (
        "Sent again on {at} by {by}, and accepted: {why}",
        "Reenviado em {at} por {by} e aceito: {why}",
    ),
    "sent_again_refused": (
        "Sent again on {at} by {by}, and rejected again: {why}",
        "Reenviado em {at} por {by} e rejeitado de novo: {why}",
    ),
    "letters_newer": ("Newer", "Mais recentes"),
    "letters_older": ("Older", "Mais antigos"),
    "refused_by": ("Rejected by", "Rejeitado por"),
    "refuser_collector": ("collector", "coletor"),
    "refuser_loader": ("loader", "carregador"),
    "refused_invalid_event": ("invalid field", "campo inválido"),
    "refused_malformed_json": ("not JSON", "não é JSON"),
    "refused_invalid_unicode": ("invalid characters", "caracteres inválidos"),
    "refused_nul_character": ("text with U+0000", "texto com U+0000"),
    "refused_time_out_of_range": ("time out of range", "horário fora dos limites"),
    "refused_nesting_too_deep": ("nested too deep", "aninhamento profundo demais"),
    "refused_too_many_keys": ("too many keys", "chaves demais"),
    "refused_repeated_key": ("repeated key", "chave repetida"),
    "refused_event_too_large": ("too large", "grande demais"),
    "refused_unreadable_request": ("unreadable request", "requisição ilegível"),
    "refused_unreadable_event": ("unreadable event", "evento ilegível"),
    "refused_unreadable_webhook": ("unreadable webhook", "webhook ilegível"),
    "refused_unreadable_dead_letter": ("unreadable rejection", "rejeição ilegível"),
    "refused_not_a_row": ("does not fit the table", "não cabe na tabela"),
    "refused_delivered_too_often": ("could not be loaded", "não pôde ser carregado"),
    "letter_why": ("Why it was rejected: {reason}", "Por que foi rejeitado: {reason}"),
    "letter_refused_by": (
        "Rejected by the {by} ({reason}), received {at}.",
        "Rejeitado pelo {by} ({reason}), recebido em {at}.",
    ),
    "letter_sent": ("What was sent", "O que foi enviado"),
    "letter_is_base64": (
        "These bytes are no text: they are shown as base64.",
        "Estes bytes não são texto: aparecem em base64.",
    ),
    "letter_request": ("The request", "A requisição"),
    "letter_host": ("Host", "Host"),
    "letter_source": ("Sent by", "Enviado por"),
    "letter_sent_at": ("Sent at", "Enviado em"),
    "letter_ip": ("Address", "Endereço"),
    "letter_user_agent": ("Browser", "Navegador"),
    "letter_trace_id": ("Trace", "Rastreamento"),
    "remedy_invalid_event": (
        "Correct the field that the sentence names, here and in what sends it.",
        "Corrija o campo que a frase indica, aqui e em quem o envia.",
    ),
    "remedy_malformed_json": (
        "Make it one JSON object. What sends it should write JSON with a library, not by joining texts.",
        "Faça dele um objeto JSON. Quem envia deve gerar o JSON com uma biblioteca, sem juntar textos.",
    ),
    "remedy_invalid_unicode": (
        "Replace the characters that cannot be read (�). What sends it should write UTF-8.",
        "Troque os caracteres ilegíveis (�). Quem envia deve usar UTF-8.",
    ),
    "remedy_nul_character": (
        "Remove the character U+0000 (in JSON \\u0000) from the text.",
        "Remova o caractere U+0000 (em JSON \\u0000) do texto.",
    ),
    "remedy_time_out_of_range": (
        "Correct the time: it must be between 1970 and 2105. The clock of what sends it may be wrong.",
        "Corrija o horário: deve ficar entre 1970 e 2105. O relógio de quem envia pode estar errado.",
    ),
    "remedy_nesting_too_deep": (
        "Send fewer objects and lists within each other, 64 at most.",
        "Envie menos objetos e listas um dentro do outro, no máximo 64.",
    ),
    "remedy_too_many_keys": (
        "Leave out what is not needed: the objects of an event have 1,000 keys together at most. Keys that are values "
        "belong into a list.",
        "Retire o que não é necessário: os objetos de um evento têm no máximo 1.000 chaves. Chaves que são valores "
        "ficam melhor em uma lista.",
    ),
    "remedy_repeated_key": (
        "Keep one of the keys of the same name: parsers disagree on which value counts.",
        "Mantenha só uma das chaves de mesmo nome: cada leitor usa um valor diferente.",
    ),
    "remedy_event_too_large": (
        "Leave out what is not needed: an event has 64 KB at most.",
        "Retire o que não é necessário: um evento tem no máximo 64 KB.",
    ),
    "remedy_unreadable_request": (
        "The loader could not read the request. Send it again after an update of EchoLead, or write its event below.",
        "O carregador não conseguiu ler a requisição. Reenvie depois de atualizar o EchoLead, ou escreva o evento "
        "abaixo.",
    ),
    "remedy_unreadable_event": (
        "The loader could not read the event, which the collector accepted. Correct it as the sentence says, or send "
        "it again after an update of EchoLead.",
        "O carregador não conseguiu ler o evento, que o coletor aceitou. Corrija como diz a frase, ou reenvie depois "
        "de atualizar o EchoLead.",
    ),
    "remedy_unreadable_webhook": (
        "It holds no event. The product that sent the webhook can send it again.",
        "Não contém evento. O produto que enviou o webhook pode enviar de novo.",
    ),
    "remedy_unreadable_dead_letter": (
        "It holds no event: it is the record of a rejection, which could not be read.",
        "Não contém evento: é o registro de uma rejeição, que não pôde ser lido.",
    ),
    "remedy_not_a_row": (
        "A value does not fit the table. Correct it as the sentence says, or resend it after an update of EchoLead.",
        "Um valor não cabe na tabela. Corrija como diz a frase, ou reenvie depois de atualizar o EchoLead.",
    ),
    "remedy_delivered_too_often": (
        "Loading it failed again and again, and the loader went on without it. Send it again as it is when the cause "
        "is mended.",
        "O carregamento falhou repetidas vezes, e o carregador seguiu sem ele. Reenvie como está depois de corrigida a "
        "causa.",
    ),
    "correction": ("Corrected event (JSON)", "Evento corrigido (JSON)"),
    "about_correction": (
        "One event as a JSON object. It is checked as the collector checks every event, and takes the place of what "
        "was sent.",
        "Um evento como objeto JSON. Passa pelas mesmas verificações do coletor e substitui o que foi enviado.",
    ),
    "correction_not_json": (
        "Line {line}, column {column}: this is not JSON ({why}). Nothing was sent.",
        "Linha {line}, coluna {column}: não é JSON ({why}). Nada foi enviado.",
    ),
    "correction_unusable": (
        "This cannot be sent: {why} Nothing was sent.",
        "Não é possível enviar: {why} Nada foi enviado.",
    ),
    "correction_no_object": (
        "An event is a JSON object: it begins with {{ and ends with }}. Nothing was sent.",
        "Um evento é um objeto JSON: começa com {{ e termina com }}. Nada foi enviado.",
    ),
    "send_corrected": ("Send corrected", "Enviar corrigido"),
    "send_same": ("Send again as it was", "Reenviar como estava"),
    "letters_chosen": ("{count} events chosen", "{count} eventos selecionados"),
    "letters_chosen_caption": (
        "They are sent again as they were, and each is checked by itself.",
        "São reenviados como estavam, e cada um é verificado sozinho.",
    ),
    "send_several": ("Send {count} again", "Reenviar {count}"),
    "events_queued": (
        "Queued: {queued}. The next turns put them into the figures.",
        "Na fila: {queued}. Entram nos números nas próximas rodadas.",
    ),
    "events_refused": ("Rejected again: {refused}.", "Rejeitados de novo: {refused}."),
    "verdict": ("Outcome", "Resultado"),
    "verdict_queued": ("queued", "na fila"),
    "verdict_refused": ("rejected again", "rejeitado de novo"),
}
