"""One line of `tierprof doctor`."""

from dataclasses import dataclass

OK = "ok"
ABSENT = "absent"  # the machine has not got it; everything else works
BROKEN = "broken"  # a part that every run needs


@dataclass(frozen=True)
class Check:
    """What was looked for, whether it is there, what was found, and the mend."""

    part: str  # source | tier | move | shim
    name: str
    state: str
    found: str
    mend: str = ""
