"""What an exact run measures, as its users say it, checked; and the same in the engine's words."""

from dataclasses import dataclass
from pathlib import Path

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_count

#: The name of the region that lies between the two calls of tierprof_region.h.
MARKS = "marks"


@dataclass(frozen=True)
class ExactOptions:
    """What of the run is measured, and on which machine.

    Attributes
    ----------
    config_text
        The simulated machine, one ``name value`` a line (native/model/config.h). Its last mention of a name holds.
    machine
        What the machine is called: a name of models/machines, or a file.
    region
        A function, from its entry to its return; or `MARKS`. None: the whole run.
    start_after, stop_after
        Instructions of the process, all threads together.
    warm_up
        Instructions before a measured part during which caches learn and nothing is counted.
    interval
        (measured, every): of every so many instructions, so many are measured.
    timing
        Whether the core is simulated too; without it accesses and misses are counted, and no time can be told.
    """

    config_text: str
    machine: str
    region: str | None = None
    start_after: int | None = None
    stop_after: int | None = None
    warm_up: int = 0
    interval: tuple[int, int] | None = None
    timing: bool = True

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises
        ------
        TierprofError
            In one line.
        """
        if self.region is not None and (self.start_after is not None or self.stop_after is not None):
            why = "a region begins and ends by itself"
            raise TierprofError("--region cannot be used with --start-after or --stop-after", why, "give one or the other")
        if self.stop_after is not None and self.stop_after <= (self.start_after or 0):
            what = f"--stop-after {format_count(self.stop_after)} measures nothing"
            raise TierprofError(what, f"measuring starts after {format_count(self.start_after or 0)} instructions", "let it stop later")
        if self.interval is not None and not 0 < self.interval[0] < self.interval[1]:
            measured, every = (format_count(count) for count in self.interval)
            why = "of EVERY instructions fewer than all are measured, and more than none"
            raise TierprofError(f"--interval {measured}:{every} cannot be used", why, "write it like 10M:200M")

    def config(self) -> str:
        """The configuration text that the engine gets."""
        return self.config_text.rstrip("\n") + ("\n" if self.timing else "\ntiming 0\n")

    def engine_arguments(self, raw: Path, config: Path) -> list[str]:
        """The options of native/exact that say the same.

        Parameters
        ----------
        raw
            The folder that the engine writes into.
        config
            The file that holds `config()`.
        """
        given: dict[str, object] = {
            "dir": raw,
            "config": config,
            "region": self.region,
            "start-after": self.start_after,
            "stop-after": self.stop_after,
            "warm-up": self.warm_up or None,
            "interval": None if self.interval is None else "{}:{}".format(*self.interval),
        }
        return [f"--tp-{name}={value}" for name, value in given.items() if value is not None]
