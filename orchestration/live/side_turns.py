"""Turns beside those over events: each over what is new of one subject, by the statements that dbt compiled for it."""

from abc import ABC
from typing import ClassVar

from orchestration.dbt.runner import CompiledModel, failed
from orchestration.live.warehouse_turns import WarehouseTurn, WarehouseTurns, relation


class SideTurns(WarehouseTurns, ABC):
    """Runs turns of one subject over tables that `prepare` has built. Whoever runs them holds the lease of turns.

    `first_models` say what is new. `has_news` is the query that asks them, with their tables as `{<model>}`.
    """

    selection: ClassVar[str]
    subject: ClassVar[str]
    first_models: ClassVar[tuple[str, ...]]
    has_news: ClassVar[str]

    def run(self) -> WarehouseTurn:
        """One turn over what is new, if anything is. Raises `DbtFailed`, `WarehouseAway` for a model that fails.

        What a turn that fails had taken is taken again by the next one.
        """
        if not self._models:
            self._compile()
        turn = WarehouseTurn()
        first = {name: self._models[name] for name in self.first_models}
        self._run_models(first, turn)
        if not turn.failed:
            query = self.has_news.format(**{name: relation(model) for name, model in first.items()})
            if not self._client.query(query).result_rows[0][0]:
                return WarehouseTurn(is_done=True)
            self._run_models({name: model for name, model in self._models.items() if name not in first}, turn)
        if turn.failed:
            raise failed(f"turn of {self.subject}", turn.failed)
        turn.is_done = True
        return turn

    def _compiled(self) -> list[CompiledModel]:
        return self._dbt.compiled(self.selection)
