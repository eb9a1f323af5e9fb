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
        "These records stay in other products until you delete them there:",
        "Linhas: {warehouse} no armazém, {postgresql} de entregas, {lake} no lake. "
        "Estes registros ficam em outros produtos até que você os apague lá:",
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
