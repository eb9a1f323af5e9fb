"""Texts of the page of replays."""

TEXTS: dict[str, tuple[str, str]] = {
    "replay": ("Replay", "Reprocessar"),
    "replay_caption": (
        "Computes leads again under present rules and settings. Times of events stay, no conversion is repeated, and "
        "new events go first.",
        "Recalcula leads com as regras e configurações de agora. Os horários dos eventos ficam, nenhuma conversão se "
        "repete, e eventos novos têm prioridade.",
    ),
    "replay_first_day": ("Received from", "Recebidos de"),
    "replay_last_day": ("to", "até"),
    "replay_leads": ("Lead ids, one a line (none: all leads of the days)", "Ids de leads, um por linha (vazio: todos)"),
    "replay_whole": ("All days", "Todos os dias"),
    "replay_try": ("See what would change", "Ver o que mudaria"),
    "replay_run": ("Run", "Executar"),
    "replay_asked": (
        "The replay is asked for. It goes on when this page is closed.",
        "O reprocessamento foi pedido. Continua mesmo com esta página fechada.",
    ),
    "replay_trial": ("What the replay would change", "O que o reprocessamento mudaria"),
    "replay_trial_other": (
        "The choice was changed after this trial: see again before running.",
        "A escolha mudou depois deste teste: veja de novo antes de executar.",
    ),
    "replay_no_changes": ("0 rows would change.", "0 linhas mudariam."),
    "replay_total": ("Rows", "Linhas"),
    "replay_history": ("History", "Histórico"),
    "no_replays": (
        "No replay yet. Choose days or leads above, and see what would change.",
        "Nenhum reprocessamento ainda. Escolha dias ou leads acima e veja o que mudaria.",
    ),
    "requested_by": ("By", "Por"),
    "pieces": ("Pieces", "Partes"),
    "ended_at": ("Ended", "Fim"),
    "kind": ("Kind", "Tipo"),
    "replay_kind_replay": ("replay", "reprocessamento"),
    "replay_kind_decision": ("decision about leads", "decisão sobre leads"),
    "replay_kind_settings": ("other settings", "outras configurações"),
    "replay_state_waiting": ("waiting", "esperando"),
    "replay_state_running": ("under way", "em andamento"),
    "replay_state_done": ("done", "concluído"),
    "replay_state_failed": ("failed", "falhou"),
    "replay_state_stopped": ("stopped", "parado"),
    "replay_progress": (
        "{state}: {pieces} pieces, {visitors} visitors, {events} events done.",
        "{state}: {pieces} partes, {visitors} visitantes, {events} eventos concluídos.",
    ),
    "replay_stop": ("Pause", "Pausar"),
    "replay_stopping": (
        "Stopping: the piece that is under way comes to its end, no other begins.",
        "Parando: a parte em curso termina, nenhuma outra começa.",
    ),
    "replay_resumed": ("It goes on behind its last piece.", "Continua depois da última parte concluída."),
    "replay_choose": ("Choose one in the table to see its progress.", "Escolha um na tabela para ver o andamento."),
    "change_made": ("Change", "Mudança"),
    "resync_caption": (
        "Sends the newest state of leads to a destination again: what did not arrive, or all of it.",
        "Envia de novo a um destino o estado mais novo dos leads: o que não chegou, ou tudo.",
    ),
    "every_destination": ("all destinations", "todos os destinos"),
    "every_error": ("any error", "qualquer erro"),
    "resync_title": ("Destinations", "Destinos"),
}
