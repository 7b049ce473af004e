"""What a library was asked to do when it took memory: torch's operations, by the frames of a site."""

import re
from collections.abc import Iterable

_BACKWARD = re.compile(r"generated::(\w+Backward\d*)::apply")
_OPERATION = re.compile(r"at::_ops::(\w+)::")


def operation_of(frames: Iterable[str] | None) -> str:
    """What torch was asked to do when it took this memory: ``index_Tensor``, or ``mm in SparseAddmmBackward0``; empty where not known.

    Parameters
    ----------
    frames
        Of the site, innermost first.
    """
    operation = ""
    for frame in frames if frames is not None else ():
        backward = _BACKWARD.search(frame)
        if backward is not None:
            return f"{operation} in {backward[1]}" if operation else backward[1]
        found = _OPERATION.search(frame)
        operation = found[1] if found is not None else operation
    return operation
