"""Texts of all pages that act: refusals of the API, tasks, reasons."""

TEXTS: dict[str, tuple[str, str]] = {
    "api_no_answer": (
        "EchoLead's API does not answer. Look whether the change was made, then try again. `echolead doctor` shows the "
        "cause.",
        "A API do EchoLead não responde. Veja se a mudança foi feita e tente de novo. `echolead doctor` mostra a "
        "causa.",
    ),
    "problem_forbidden": ("Your role does not allow this.", "Seu papel não permite isso."),
    "problem_not_signed_in": ("Your session has ended. Sign in again.", "Sua sessão terminou. Entre de novo."),
    "problem_change_refused": (
        "This cannot be done as it is. Nothing was changed.",
        "Não é possível fazer assim. Nada foi alterado.",
    ),
    "problem_invalid_request": (
        "A value cannot be read. Nothing was changed; correct the named field.",
        "Um valor não pode ser lido. Nada foi alterado; corrija o campo indicado.",
    ),
    "problem_no_such_object": (
        "It is no longer there: it may have been removed meanwhile. Reload the page.",
        "Isto não existe mais: pode ter sido removido nesse meio-tempo. Recarregue a página.",
    ),
    "problem_already_there": ("There is one of this name already.", "Já existe um com este nome."),
    "problem_changed_meanwhile": (
        "Another person was first. Nothing was overwritten.",
        "Outra pessoa salvou antes. Nada foi sobrescrito.",
    ),
    "problem_other": ("The API refused this. Nothing was changed.", "A API recusou. Nada foi alterado."),
    "task_waiting": ("waiting", "esperando"),
    "task_running": ("under way", "em andamento"),
    "task_done": ("done", "concluída"),
    "task_failed": ("failed", "falhou"),
    "task_stopped": ("stopped", "parada"),
    "task_goes_on": (
        "{state}, asked for at {at}. It goes on when this page is closed.",
        "{state}, pedida em {at}. Continua mesmo com esta página fechada.",
    ),
    "task_failed_because": ("The task failed. Nothing was changed.", "A tarefa falhou. Nada foi alterado."),
    "task_was_stopped": ("The task was stopped.", "A tarefa foi parada."),
    "stop": ("Stop", "Parar"),
    "reason_lacking": ("Write why you do this.", "Escreva por que faz isto."),
    "reason_why": ("Why", "Por quê"),
    "reason_example": ("It is kept in the audit log.", "Fica no registro de auditoria."),
    "by_user": ("By", "Por"),
}
