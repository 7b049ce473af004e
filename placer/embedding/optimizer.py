"""The optimizer of a tiered table: its state lies in the same tiers, moves with the rows, and is told in the caller's order."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tierprof.base.errors import EmbeddingError
from tierprof.placer.embedding.memory import is_tiered
from tierprof.placer.embedding.table import TieredTable

State = dict[str, Any]


def attach_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module) -> int:
    """Tell the tiered tables of a model which optimizer trains them. Call it once, before the first step.

    From then on the optimizer's state_dict has the rows of its states in the caller's order, as with torch's own embedding, and takes
    such a one; states that are as large as the table lie in the table's tiers; and `rerank` and `LookAhead` move them with the rows.

    Parameters
    ----------
    optimizer
        Any that keeps its state row by row, or keeps none.
    model
        A module; its tables, however deep, are looked for in the optimizer.

    Returns
    -------
    int
        How many tables were found.

    Raises
    ------
    EmbeddingError
        If the optimizer trains none of the model's tables.
    """
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    tables = [module for module in model.modules() if isinstance(module, TieredTable) and id(module.weight) in trained]
    if not tables:
        why = f"{type(optimizer).__name__} trains no tiered table of the model"
        raise EmbeddingError("attach_optimizer", why, "make the optimizer from the parameters of the model that has the tables")
    for table in tables:
        table.know_optimizer(optimizer)
    # The optimizer lives on with its hooks; it shall not keep the tables alive beyond its own parameters.
    known = [weakref.ref(table) for table in tables]
    _bring_home(optimizer, known)
    # SGD adds a sparse gradient's entries one by one, as they came; the others add up those of a row first.
    coalesce = not isinstance(optimizer, torch.optim.SGD)
    optimizer.register_step_pre_hook(lambda _, args, kwargs: _before_step(known, coalesce, args, kwargs))
    optimizer.register_step_post_hook(lambda done, *_: _after_step(done, known))
    optimizer.register_state_dict_post_hook(lambda told, state: _converted(told, known, state, TieredTable.in_caller_order))
    optimizer.register_load_state_dict_pre_hook(lambda taken, state: _converted(taken, known, state, TieredTable.in_table_order))
    optimizer.register_load_state_dict_post_hook(lambda taken: _bring_home(taken, known))
    return len(tables)


def _alive(known: list[weakref.ref[TieredTable]]) -> list[TieredTable]:
    return [table for table in (reference() for reference in known) if table is not None]


def _has_rows(value: Any, table: TieredTable) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() > 0 and value.shape[0] == table.num_embeddings


def _before_step(
    known: list[weakref.ref[TieredTable]], coalesce: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Place the sparse gradients; those that a closure will make, when it has made them."""

    def place() -> None:
        for table in _alive(known):
            table.place_gradient(coalesce)

    place()
    # The optimizer itself stands first.
    closure = args[1] if len(args) > 1 else kwargs.get("closure")
    if closure is None:
        return None

    def placing_closure() -> Any:
        for table in _alive(known):
            table.restore_gradient()
        loss = closure()
        place()
        return loss

    return args[:1], {**kwargs, "closure": placing_closure}


def _after_step(optimizer: torch.optim.Optimizer, known: list[weakref.ref[TieredTable]]) -> None:
    for table in _alive(known):
        table.restore_gradient()
    _bring_home(optimizer, known)


@torch.no_grad()
def _bring_home(optimizer: torch.optim.Optimizer, known: list[weakref.ref[TieredTable]]) -> None:
    """States that torch made elsewhere go to the table's tiers: SGD's momentum is a copy of the first gradient."""
    for table in _alive(known):
        state = optimizer.state.get(table.weight, {})
        for name, value in state.items():
            if _has_rows(value, table) and not is_tiered(value):
                state[name] = table.tiers.empty(value.shape, value.dtype).copy_(value)


def _converted(
    optimizer: torch.optim.Optimizer,
    known: list[weakref.ref[TieredTable]],
    state_dict: State,
    convert: Callable[[TieredTable, torch.Tensor], torch.Tensor],
) -> State:
    """The state dict with the rows of the tables' states in the other order."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = [number for group in state_dict["param_groups"] for number in group["params"]]
    by_number = dict(state_dict["state"])
    for table in _alive(known):
        for parameter, number in zip(parameters, numbers, strict=False):
            if parameter is table.weight and number in by_number:
                state = by_number[number]
                by_number[number] = {name: convert(table, value) if _has_rows(value, table) else value for name, value in state.items()}
    return {**state_dict, "state": by_number}
