"""The parameter of a tiered table: what torch makes like it (an optimizer's state) lies in the same two tiers."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tierprof.placer.embedding.memory import Layout

# The value that each fills its result with; None: an argument of that name, or nothing.
_LIKE = {torch.empty_like: None, torch.zeros_like: 0, torch.ones_like: 1, torch.full_like: None}


class TieredParameter(nn.Parameter):
    """A parameter over tiered memory.

    Parameters
    ----------
    data
        A tensor that `layout` made.
    requires_grad
        As of any parameter.
    layout
        Of the memory.
    """

    tiers: Layout

    def __new__(cls, data: torch.Tensor, requires_grad: bool, layout: Layout) -> "TieredParameter":  # noqa: D102
        made: TieredParameter = super().__new__(cls, data, requires_grad)
        made.tiers = layout
        return made

    @classmethod
    def __torch_function__(cls, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Adam's `exp_avg` and its kin are made by `torch.zeros_like(parameter)`, and are as large as the table."""
        kwargs = dict(kwargs or {})
        if func in _LIKE and args and isinstance(args[0], TieredParameter):
            made = _like(func, args[0], args[1:], kwargs)
            if made is not None:
                return made
        return nn.Parameter.__torch_function__(func, tuple(types), tuple(args), kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "TieredParameter":
        """A copy in tiers of its own, without the gradient, as of torch's own."""
        if id(self) not in memo:
            with torch.no_grad():
                data = self.tiers.empty(self.shape, self.dtype).copy_(self.detach())
            memo[id(self)] = TieredParameter(data, self.requires_grad, self.tiers)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Rows and layout; tiered memory is made where it is loaded."""
        return _rebuild, (self.data, self.requires_grad, self.tiers)


def _rebuild(data: torch.Tensor, requires_grad: bool, layout: Layout) -> TieredParameter:
    return TieredParameter(layout.empty(data.shape, data.dtype).copy_(data), requires_grad, layout)


def _like(func: Any, parameter: TieredParameter, rest: Sequence[Any], kwargs: dict[str, Any]) -> torch.Tensor | None:
    """The tiered tensor; None: something else than a plain tensor in this machine's memory is asked for."""
    value = _LIKE[func]
    if func is torch.full_like:
        value = rest[0] if rest else kwargs.get("fill_value")
        rest = rest[1:]
    elsewhere = torch.device(kwargs.get("device") or "cpu").type != "cpu" or kwargs.get("layout") not in (None, torch.strided)
    if rest or elsewhere or kwargs.get("pin_memory"):
        return None
    made = parameter.tiers.empty(parameter.shape, kwargs.get("dtype") or parameter.dtype)
    if value is not None and (value or func is torch.full_like):  # the memory is zero already
        made.fill_(value)
    return made.requires_grad_(kwargs.get("requires_grad", False))
