"""What tensors are called: through the tree of modules, from the variable that holds its root, down to `weight`."""

from collections.abc import Iterable

from tierprof.profiler.tensors.files import TensorDefinition, TensorFile


def module_names(file: TensorFile) -> dict[int, str]:
    """The name of each module of a process: `model.layers.0`; a root that no variable held goes by its class."""
    names: dict[int, str] = {}
    for module in file.modules:
        steps: list[str] = []
        seen: set[int] = set()
        at = module
        while at not in seen and at not in file.variables and at in file.parents:
            seen.add(at)
            at, step = file.parents[at]
            steps.append(step)
        root = file.variables.get(at) or file.modules.get(at, "?")
        names[module] = ".".join([root, *reversed(steps)])
    return names


def tensor_names(file: TensorFile) -> dict[int, str]:
    """The name of each tensor of a process: `model.user_embedding.weight.grad`."""
    modules = module_names(file)
    return {number: _name(file, tensor, modules) for number, tensor in file.tensors.items()}


def _name(file: TensorFile, tensor: TensorDefinition, modules: dict[int, str]) -> str:
    parameter = file.tensors.get(tensor.of) if tensor.of is not None else None
    if parameter is not None:
        return f"{_name(file, parameter, modules) if parameter.of is None else parameter.name}.{tensor.name}"
    return tensor.name if tensor.owner is None else f"{modules.get(tensor.owner, '?')}.{tensor.name}"


def owner_class(file: TensorFile, tensor: TensorDefinition) -> str:
    """The class of the module that owns the tensor, or its parameter; empty where none does."""
    parameter = file.tensors.get(tensor.of) if tensor.of is not None else None
    owner = (parameter or tensor).owner
    return file.modules.get(owner, "") if owner is not None else ""


def common_name(names: Iterable[str]) -> str | None:
    """One name for several: parts in which they differ become `*`. None where nothing would be left but that.

    Examples
    --------
    >>> common_name(["model.layers.0.weight", "model.layers.1.weight"])
    'model.layers.*.weight'
    >>> common_name(["model.users.weight", "model.layers.1.weight"])
    'model.*.weight'
    """
    parts = [name.split(".") for name in dict.fromkeys(names)]
    if not parts:
        return None
    shortest, longest = min(map(len, parts)), max(map(len, parts))
    if shortest == longest:
        joined = [column[0] if len(set(column)) == 1 else "*" for column in zip(*parts, strict=True)]
    else:
        head = _agreeing(parts, shortest)
        tail = _agreeing([list(reversed(part)) for part in parts], shortest - len(head))
        joined = [*head, "*", *reversed(tail)]
    return ".".join(joined) if any(part != "*" for part in joined) else None


def _agreeing(parts: list[list[str]], most: int) -> list[str]:
    """The leading parts that all share, `most` at most."""
    agreed: list[str] = []
    for column in list(zip(*parts, strict=False))[:most]:
        if len(set(column)) > 1:
            break
        agreed.append(column[0])
    return agreed
