"""Texts of exporting and erasing a person."""

TEXTS = {
    "export_person": ("Export", "Exportar"),
    "export_caption": (
        "All that is held of this person as one JSON file, for a request of access. Who exports is in the audit log.",
        "Tudo o que se guarda desta pessoa em um JSON, para um pedido de acesso. A exportação fica na auditoria.",
    ),
    "export_make": ("Put the file together", "Montar o arquivo"),
    "export_save": ("Save the file", "Salvar o arquivo"),
    "erase": ("Erase", "Apagar"),
    "erase_caption": (
        "Everything received of this person until now is deleted in every store. It cannot be taken back. "
        "What the person sends later is new data.",
        "Tudo o que se recebeu desta pessoa até agora é apagado de todos os lugares. Não pode ser desfeito. "
        "O que a pessoa enviar depois são dados novos.",
    ),
    "erase_see": ("See what is held", "Ver o que se guarda"),
    "erase_held": (
        "Rows: {warehouse} in the warehouse, {postgresql} of deliveries, {lake} in the lake. "
        "Of destinations, and the records that stay there until you delete them:",
        "Linhas: {warehouse} no armazém, {postgresql} de entregas, {lake} no lake. "
        "Dos destinos, e os registros que ficam lá até que você os apague:",
    ),
    "erase_withdraws": (
        "{destination}: what EchoLead wrote is taken off there ({names}).",
        "{destination}: o que o EchoLead escreveu é retirado de lá ({names}).",
    ),
    "erase_keeps": (
        "{destination}: nothing can be taken off there by its API.",
        "{destination}: nada pode ser retirado de lá pela API.",
    ),
    "withdrawal_waiting": ("{destination}: waiting.", "{destination}: aguardando."),
    "withdrawal_withdrawn": (
        "{destination}: what EchoLead wrote was taken off.",
        "{destination}: o que o EchoLead escreveu foi retirado.",
    ),
    "withdrawal_told": (
        "{destination}: the receiver was asked to erase what it has.",
        "{destination}: o receptor foi avisado para apagar o que tem.",
    ),
    "withdrawal_impossible": ("{destination}: nothing was taken off.", "{destination}: nada foi retirado."),
    "withdrawal_given_up": ("{destination}: given up.", "{destination}: abandonado."),
    "give_up_destination": ("Destination to wait for no longer", "Destino a não aguardar mais"),
    "give_up": ("Give up", "Abandonar"),
    "give_up_done": (
        "The destination is waited for no longer. What it was sent stays there.",
        "O destino não é mais aguardado. O que ele recebeu fica lá.",
    ),
    "erase_shared": (
        "These leads share a device with this one, and lose what was done there: {leads}",
        "Estes leads usam um dispositivo deste e perdem o que foi feito nele: {leads}",
    ),
    "erase_others": (
        "Also what other leads did at the same devices",
        "Também o que outros leads fizeram nos mesmos dispositivos",
    ),
    "erase_sure": ("I know that this cannot be taken back", "Sei que isto não pode ser desfeito"),
    "erase_not_sure": (
        "Nothing was erased: confirm first that it cannot be taken back.",
        "Nada foi apagado: confirme antes que não pode ser desfeito.",
    ),
    "erase_asked": (
        "The erasure has begun. It is in the audit log when it is done.",
        "A exclusão começou. Quando terminar, estará na auditoria.",
    ),
    "erasure_waiting": ("Erasure of {lead}… waits. {reason}", "A exclusão de {lead}… aguarda. {reason}"),
    "erasure_running": (
        "Erasure of {lead}… goes on. {reason} {message}",
        "A exclusão de {lead}… está em andamento. {reason} {message}",
    ),
    "erasure_done": (
        "Erasure of {lead}… is done: {rows} rows. {reason}",
        "A exclusão de {lead}… terminou: {rows} linhas. {reason}",
    ),
}
