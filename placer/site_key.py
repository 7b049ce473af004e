"""The key of a site, reckoned as the shim reckons it: native/common/hash.h, and native/shim/{sites,modules,python_code}.c that use it."""

from collections.abc import Iterable, Sequence
from itertools import groupby, takewhile
from pathlib import Path

from tierprof.profiler.python_frames import PythonFrame, stable_file

_WORD = 2**64 - 1
_SECRETS = 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3, 0x1D8E4E27C47D124F, 0xEB44ACCAB455D165

Identity = tuple[int, int]  # (hi, lo)
NOWHERE: Identity = 0, 0  # of code outside any module; its offset is 0
STEM_FRAMES = 4


def _mix(a: int, b: int) -> int:
    product = a * b
    return (product ^ product >> 64) & _WORD


def _add_word(state: Identity, word: int) -> Identity:
    high = _mix(state[0] ^ word ^ _SECRETS[0], state[1] ^ _SECRETS[1])
    return high, _mix(state[1] ^ word ^ _SECRETS[2], high ^ _SECRETS[3])


def _add_bytes(state: Identity, data: bytes) -> Identity:
    state = _add_word(state, len(data))
    for at in range(0, len(data), 8):
        state = _add_word(state, int.from_bytes(data[at : at + 8], "little"))
    return state


def module_identity(path: str, build_id: bytes) -> Identity:
    """The identity of a module: of its build-id, or else of its file's name and size (0 if it cannot be asked for)."""
    if build_id:
        return _add_bytes((0, 0), build_id[:32])
    try:
        size = Path(path).stat().st_size
    except OSError:
        size = 0
    return _add_word(_add_bytes((0, 0), Path(path).name.encode("utf-8", "surrogateescape")), size)


def _python_identity(frame: PythonFrame) -> Identity:
    """Of its file the name and that of its folder; how far into the function it is, and where that begins."""
    state: Identity = 0, 0
    for name in (stable_file(frame.file), frame.function):
        state = _add_bytes(state, name.encode("utf-8", "surrogateescape"))
    return _add_word(_add_word(state, (frame.line - frame.first_line) & _WORD), frame.first_line & _WORD)


def _distinct(frames: Iterable[tuple[Identity, int]]) -> list[tuple[Identity, int]]:
    """Without frames that are like the one before them."""
    return [frame for frame, _ in groupby(frames)]


def site_stem(frames: Iterable[tuple[Identity, int]]) -> tuple[int, ...]:
    """How a call stack begins, as the shim knows it again (struct tp_stem of native/common/planfile.h); `frames` as of `site_key`.

    Empty, which is to say not known, if the first frame is in no module.
    """
    state: Identity = 0, 0
    prefixes = []
    for (high, low), offset in takewhile(lambda frame: frame[0] != NOWHERE, _distinct(frames)[:STEM_FRAMES]):
        for word in (high, low, offset):
            state = _add_word(state, word)
        prefixes.append(state[0])
    return tuple(prefixes)


def site_key(frames: Iterable[tuple[Identity, int]], python: Sequence[PythonFrame] = ()) -> str:
    """The key of a call stack, 32 hexadecimal digits.

    Parameters
    ----------
    frames
        Identity of the module and return address minus bias of each frame, innermost first. A frame like the one before it counts once.
    python
        The Python frames beyond them, innermost first, as the shim writes them.
    """
    state: Identity = 0, 0
    distinct = _distinct(frames)
    for (high, low), offset in distinct:
        for word in (high, low, offset):
            state = _add_word(state, word)
    state = _add_word(state, len(distinct))
    for own in python:
        for word in _python_identity(own):
            state = _add_word(state, word)
    high, low = _add_word(state, len(python)) if python else state
    return f"{high:016x}{low:016x}"
