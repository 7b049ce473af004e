"""Which object the online policy moves where: a pure function of what was seen. Reading and moving are online.py's.

Objects are ranked by the seconds a second that the program waits for each byte of them, averaged with decay. A hot object in the slow tier
goes to the fast one if there is room; if there is none, colder objects make room, but only where it is hotter than they by a margin. What
moved stays where it is for a stated time, and no more bytes move a second than stated.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tierprof.base.units import format_bytes, format_share

#: An object's new share of the run's time counts for so much of its average.
NEWEST_WEIGHT = 0.5

#: An object must be waited for so many times longer, byte for byte, than what makes room for it.
MARGIN = 1.5

#: Below this share of the run's time an object is not worth moving.
LEAST_SHARE = 0.01

ObjectKey = tuple[int, str]  # process, site


@dataclass(frozen=True)
class Limits:
    """What the user permits."""

    fast: str  # names of the tiers
    slow: str
    fast_bytes: int | None  # that the fast tier may hold; None: no limit
    rate_bytes_per_s: float
    stay_s: float


class Held(NamedTuple):
    """What an object holds now, in bytes that can move."""

    key: ObjectKey
    fast_bytes: int
    slow_bytes: int


class Step(NamedTuple):
    """One decision: move at most so many bytes of an object to a tier."""

    key: ObjectKey
    tier: str
    max_bytes: int
    reason: str


@dataclass
class _Known:
    share: float = 0.0
    moved_s: float = float("-inf")
    to: str = ""


@dataclass
class Policy:
    """Decides, round after round.

    Parameters
    ----------
    limits
        What the user permits.
    """

    limits: Limits
    _known: dict[ObjectKey, _Known] = field(default_factory=dict)
    _allowance_bytes: float = 0.0

    def share(self, key: ObjectKey) -> float:
        """The averaged share of the run's time that was spent waiting for an object."""
        return self._known.setdefault(key, _Known()).share

    def observe(self, shares: dict[ObjectKey, float], elapsed_s: float) -> None:
        """Take in the shares of the last round, and the bytes that its time permits to move; what was not used before does not add up."""
        for key in {*self._known, *shares}:
            known = self._known.setdefault(key, _Known())
            known.share += NEWEST_WEIGHT * (shares.get(key, 0.0) - known.share)
        self._allowance_bytes = self.limits.rate_bytes_per_s * elapsed_s

    def moved(self, step: Step, moved_bytes: int, now_s: float) -> None:
        """Take in what became of a step."""
        self._allowance_bytes -= moved_bytes
        if moved_bytes > 0:
            known = self._known.setdefault(step.key, _Known())
            known.moved_s, known.to = now_s, step.tier

    def decide(self, held: Iterable[Held], now_s: float) -> list[Step]:
        """The steps of a round, in the order in which to take them.

        Parameters
        ----------
        held
            All objects that live.
        now_s
            On a clock that never goes back.
        """
        objects = list(held)
        steps: list[Step] = []
        processes = {own.key[0] for own in objects}
        for process in sorted(processes):
            steps += self._decide([own for own in objects if own.key[0] == process], now_s)
        return self._within_rate(steps)

    def _decide(self, objects: list[Held], now_s: float) -> list[Step]:
        """Of one process: each has a fast tier of its own."""
        limit = self.limits.fast_bytes
        room = None if limit is None else limit - sum(own.fast_bytes for own in objects)
        hot = [own for own in objects if own.slow_bytes > 0 and self.share(own.key) >= LEAST_SHARE]
        hot = [own for own in hot if self._may_go(own.key, self.limits.fast, now_s)]
        cold = sorted((own for own in objects if own.fast_bytes > 0), key=self._density)
        cold = [own for own in cold if self._may_go(own.key, self.limits.slow, now_s)]
        steps: list[Step] = []
        for own in sorted(hot, key=self._density, reverse=True):
            victims = self._victims(own, cold, room)
            if victims is None:
                continue
            steps += [self._demotion(victim, own) for victim in victims]
            steps.append(self._promotion(own, victims))
            cold = [other for other in cold if other not in victims and other.key != own.key]
            if room is not None:
                room += sum(victim.fast_bytes for victim in victims) - own.slow_bytes
        return steps

    def _victims(self, own: Held, cold: list[Held], room: int | None) -> list[Held] | None:
        """What makes room for an object, coldest first; None if that would take something that is not colder by the margin."""
        missing = 0 if room is None else own.slow_bytes - room
        victims: list[Held] = []
        for other in cold:
            if missing <= 0:
                break
            if other.key == own.key:
                continue
            if self._density(other) * MARGIN >= self._density(own):
                return None
            victims.append(other)
            missing -= other.fast_bytes
        return victims if missing <= 0 else None

    def _density(self, own: Held) -> float:
        return self.share(own.key) / max(own.fast_bytes + own.slow_bytes, 1)

    def _may_go(self, key: ObjectKey, tier: str, now_s: float) -> bool:
        """Whether an object may go to a tier: on the way there it may go on; back only after its time."""
        known = self._known.get(key, _Known())
        return known.to in ("", tier) or now_s - known.moved_s >= self.limits.stay_s

    def _promotion(self, own: Held, victims: list[Held]) -> Step:
        beside = f", and {len(victims)} colder objects make room" if victims else ", and there is room"
        reason = f"{format_share(self.share(own.key))} of the time is spent waiting for it{beside}"
        return Step(own.key, self.limits.fast, own.slow_bytes, reason)

    def _demotion(self, own: Held, hotter: Held) -> Step:
        own_share, other = format_share(self.share(own.key)), format_share(self.share(hotter.key))
        room = f"{format_bytes(hotter.slow_bytes)} of {hotter.key[1][:8]}, with {other}"
        reason = f"{own_share} of the time is spent waiting for it, and it makes room for {room}"
        return Step(own.key, self.limits.slow, own.fast_bytes, reason)

    def _within_rate(self, steps: list[Step]) -> list[Step]:
        """The first steps, as far as the bytes of this round go; what is cut short goes on in the next."""
        left = int(self._allowance_bytes)
        kept: list[Step] = []
        for step in steps:
            if left <= 0:
                break
            size = min(step.max_bytes, left)
            kept.append(step._replace(max_bytes=size))
            left -= size
        return kept
