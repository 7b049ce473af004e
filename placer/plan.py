"""Plans: which object goes to which tier. A TOML file that a person can read and edit; here it is read, checked and written."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tierprof.base.errors import PlanError, TierprofError
from tierprof.base.units import parse_size_bytes
from tierprof.placer.plan_toml import check_known, did_you_mean, exact_size, lines, quoted, read_flag, typed
from tierprof.placer.planned_moves import MAX_MOVES, PlannedMove, format_duration, parse_duration_ns
from tierprof.placer.planned_parts import MAX_PARTS, PlannedPart, check_parts, read_parts
from tierprof.placer.tiers import TierSpec, parse_tier

FORMAT = 1
MAX_TIERS = 8  # the shim's limit, DRAM included

_KEY = re.compile(r"[0-9a-f]{32}")
_TOP = ("format", "default", "provenance", "tiers", "object", "move")
_TIER = ("spec", "capacity", "spill")
_OBJECT = ("site", "name", "tier", "reason", "bytes", "predicted_effect_s", "frames", "small")
_MOVE = ("site", "tier", "after", "at_allocation", "of")
_HEADER = "# A tierprof plan: which object goes to which tier. Edit it freely; `tierprof run --plan` follows it.\n"

Provenance = Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class PlannedObject:
    """Where an object goes, and why.

    Attributes
    ----------
    site : str
        Key of its allocation site: 32 hex digits.
    predicted_effect_s : float or None
        Extra seconds of CPU time with it in the slow tier, wherever the plan puts it; None: not predicted.
    frames : tuple of str
        The site's call stack, innermost first, as match.py writes and reads it: by it the site is found in another build.
    small : bool
        Its small allocations are placed, too: they get memory of their own.
    parts : tuple of PlannedPart
        Ranges of each of its allocations that go elsewhere; what no part covers goes to `tier`.
    stem : tuple of int
        How its call stack begins, as `site_key.site_stem` has it; empty: not known. Reckoned for a run, and no part of the plan's text.
    """

    site: str
    tier: str
    name: str = ""
    reason: str = ""
    bytes: int = 0
    predicted_effect_s: float | None = None
    frames: tuple[str, ...] = ()
    small: bool = False
    parts: tuple[PlannedPart, ...] = ()
    stem: tuple[int, ...] = field(default=(), compare=False)

    def effect_outside_s(self, tier: str) -> float:
        """Of its predicted effect, what its ranges outside a tier have; 0 if it is not predicted."""
        inside = sum(part.predicted_effect_s or 0.0 for part in self.parts if part.tier == tier)
        outside = sum(part.predicted_effect_s or 0.0 for part in self.parts if part.tier != tier)
        return outside if self.tier == tier else (self.predicted_effect_s or 0.0) - inside


@dataclass(frozen=True)
class Plan:
    """Objects and their tiers.

    Attributes
    ----------
    tiers : tuple of TierSpec
        Fastest first.
    default : str
        The tier of sites that the plan does not name.
    objects : tuple of PlannedObject
    provenance : mapping
        What it was made of: ``trace``, ``model`` and the like. An emulated tier takes its recipes from ``trace``.
    moves : tuple of PlannedMove
        Objects that change their tier during the run.

    Raises
    ------
    PlanError
        If its parts contradict each other.
    """

    tiers: tuple[TierSpec, ...]
    default: str
    objects: tuple[PlannedObject, ...] = ()
    provenance: Provenance = field(default_factory=dict)
    moves: tuple[PlannedMove, ...] = ()
    path: Path | None = field(default=None, compare=False, kw_only=True)  # where it was read from

    def __post_init__(self) -> None:
        """Take any sequences, and check the whole."""
        object.__setattr__(self, "tiers", tuple(self.tiers))
        object.__setattr__(self, "objects", tuple(self.objects))
        object.__setattr__(self, "moves", tuple(self.moves))
        _check_tiers(self)
        _check_objects(self)
        _check_moves(self)

    @property
    def fast(self) -> str:
        """Name of the fastest tier."""
        return self.tiers[0].name

    @property
    def slow(self) -> TierSpec | None:
        """The slowest tier; None if there is only one."""
        return self.tiers[-1] if len(self.tiers) > 1 else None

    def tier(self, name: str) -> TierSpec:
        """The tier of that name."""
        return next(tier for tier in self.tiers if tier.name == name)

    def with_tiers(self, tiers: Iterable[TierSpec]) -> "Plan":
        """The plan with these tiers in the place of those that have their names; others are added as the slowest."""
        new = {tier.name: tier for tier in tiers}
        kept = [_with_limits(new.pop(old.name), old) if old.name in new else old for old in self.tiers]
        return replace(self, tiers=(*kept, *new.values()))

    @classmethod
    def load(cls, path: Path | str) -> "Plan":
        """Read a plan.

        Raises
        ------
        PlanError
            If it cannot be read, is no TOML, is of another version, or makes no sense; the error names the place.
        """
        what = f"plan {path}"
        try:
            text = Path(path).read_bytes().decode("utf-8")
        except OSError as error:
            raise PlanError(what, (error.strerror or str(error)).lower(), "give the file that `tierprof place -o` made") from error
        except UnicodeDecodeError as error:
            raise PlanError(what, "it is not text", "give the file that `tierprof place -o` made") from error
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise PlanError(what, f"it is no TOML: {error}", "mend that line, or make the plan again") from error
        return _read(what, data, Path(path))

    def save(self, path: Path | str) -> None:
        """Write the plan, replacing an older one at once or not at all.

        Raises
        ------
        PlanError
            If the file cannot be written.
        """
        target = Path(path)
        part = target.with_name(target.name + ".part")
        try:
            part.write_text(self.text(), encoding="utf-8", errors="replace")
            part.replace(target)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise PlanError(f"plan {target} cannot be written", (error.strerror or str(error)).lower(), "give -o another place") from error

    def text(self) -> str:
        """The plan as TOML."""
        blocks = [_HEADER + lines({"format": FORMAT, "default": self.default})]
        if self.provenance:
            blocks.append("[provenance]\n" + lines(self.provenance))
        for tier in self.tiers:
            limits = {
                "capacity": tier.capacity_bytes if tier.capacity_bytes is None else exact_size(tier.capacity_bytes),
                "spill": tier.spill,
            }
            blocks.append(f"[tiers.{quoted(tier.name)}]\n" + lines({"spec": tier.spec, **limits}))
        for own in self.objects:
            entries = {key: getattr(own, key) or None if key == "small" else getattr(own, key) for key in _OBJECT}
            blocks += ["[[object]]\n" + lines(entries), *(part.text() for part in own.parts)]
        blocks += ["[[move]]\n" + lines(_move_entries(move)) for move in self.moves]
        return "\n".join(blocks)


def _with_limits(new: TierSpec, old: TierSpec) -> TierSpec:
    return replace(new, capacity_bytes=old.capacity_bytes, spill=old.spill)


def _check_tiers(plan: Plan) -> None:
    names = [tier.name for tier in plan.tiers]
    if not names:
        raise PlanError("plan", "it has no tiers", 'give at least [tiers.dram] with spec = "dram"')
    if len(set(names)) < len(names):
        raise PlanError("plan", "two of its tiers have the same name", "rename one")
    systems = [tier.name for tier in plan.tiers if tier.kind == "dram"]
    if len(systems) > 1:
        raise PlanError("plan", f"tiers {' and '.join(systems)} are both dram", "the machine has only one; join them")
    if len(names) + (not systems) > MAX_TIERS:
        raise PlanError("plan", f"it has {len(names)} tiers", f"the shim knows up to {MAX_TIERS}, DRAM included")
    if plan.default not in names:
        raise PlanError("plan", f"its default tier '{plan.default}' is not among its tiers", did_you_mean(plan.default, names))
    for tier in plan.tiers:
        if tier.spill is not None and tier.spill not in names:
            raise PlanError(
                f"plan, tier {tier.name}", f"it spills into '{tier.spill}', which is not a tier", did_you_mean(tier.spill, names)
            )
        _check_spill_ends(plan, tier)


def _check_spill_ends(plan: Plan, tier: TierSpec) -> None:
    seen = [tier.name]
    while tier.spill is not None:
        if tier.spill in seen:
            raise PlanError("plan", f"its tiers spill in a circle: {' -> '.join([*seen, tier.spill])}", "take one of these spills away")
        seen.append(tier.spill)
        tier = plan.tier(tier.spill)


def _check_objects(plan: Plan) -> None:
    names = {tier.name for tier in plan.tiers}
    seen: set[str] = set()
    for own in plan.objects:
        what = f"plan, object {own.name or own.site}"
        if not _KEY.fullmatch(own.site):
            raise PlanError(what, f"'{own.site}' is no site key", "a key is 32 hex digits; `tierprof objects TRACE --json` prints them")
        if own.site in seen:
            raise PlanError(what, f"site {own.site} is in the plan twice", "keep one of the two")
        if own.tier not in names:
            raise PlanError(what, f"there is no tier '{own.tier}'", did_you_mean(own.tier, sorted(names)))
        if own.bytes < 0:
            raise PlanError(what, f"{own.bytes} is no size", "give the bytes, or leave them out")
        if own.parts and own.small:
            raise PlanError(what, "it has parts, and its small objects are placed, which have none", "leave out its parts, or `small`")
        check_parts(what, own.parts, sorted(names))
        seen.add(own.site)
    if sum(len(own.parts) for own in plan.objects) > MAX_PARTS:
        raise PlanError("plan", f"it has more than {MAX_PARTS} parts", "the shim knows no more; join some")


def _check_moves(plan: Plan) -> None:
    names = sorted(tier.name for tier in plan.tiers)
    if len(plan.moves) > MAX_MOVES:
        raise PlanError("plan", f"it has {len(plan.moves)} moves", f"the shim knows up to {MAX_MOVES}")
    for number, move in enumerate(plan.moves, 1):
        what = f"plan, move {number}"
        for key in (move.site, *([move.of] if move.of is not None else [])):
            if not _KEY.fullmatch(key):
                raise PlanError(what, f"'{key}' is no site key", "a key is 32 hex digits; `tierprof objects TRACE --json` prints them")
        if move.tier not in names:
            raise PlanError(what, f"there is no tier '{move.tier}'", did_you_mean(move.tier, names))
        problem = move.problem()
        if problem is not None:
            raise PlanError(what, *problem)


def _move_entries(move: PlannedMove) -> dict[str, object]:
    after = None if move.after_ns is None else format_duration(move.after_ns)
    return {"site": move.site, "tier": move.tier, "after": after, "at_allocation": move.at_allocation, "of": move.of}


def _read(what: str, data: dict[str, Any], path: Path) -> Plan:
    version = data.get("format")
    if version != FORMAT:
        found = "no format number" if version is None else f"format {version!r}"
        raise PlanError(what, f"it has {found}, and this tierprof reads format {FORMAT}", "make the plan again with `tierprof place`")
    check_known(what, data, _TOP)
    tiers = typed(what, data, "tiers", dict, {})
    objects = typed(what, data, "object", list, [])
    moves = typed(what, data, "move", list, [])
    provenance = typed(what, data, "provenance", dict, {})
    default = typed(what, data, "default", str, next(iter(tiers), ""))
    try:
        return Plan(
            tuple(_read_tier(what, name, entry) for name, entry in tiers.items()),
            default,
            tuple(_read_object(f"{what}, object {number}", entry) for number, entry in enumerate(objects, 1)),
            provenance,
            tuple(_read_move(f"{what}, move {number}", entry) for number, entry in enumerate(moves, 1)),
            path=path,
        )
    except PlanError as error:
        raise error if error.what.startswith(what) else PlanError(error.what.replace("plan", what, 1), error.why, error.mend) from None


def _read_tier(what: str, name: str, entry: Any) -> TierSpec:
    where = f"{what}, tier {name}"
    check_known(where, entry, _TIER)
    spec = typed(where, entry, "spec", str)
    if spec is None:
        raise PlanError(where, "spec is missing", 'say what it is, like spec = "emulated:2.5"')
    capacity = typed(where, entry, "capacity", (str, int))
    try:
        tier = parse_tier(f"{name}={spec}")
        capacity_bytes = parse_size_bytes(capacity) if isinstance(capacity, str) else capacity
    except TierprofError as error:
        raise PlanError(f"{where}: {error.what}", error.why, error.mend) from error
    if capacity_bytes is not None and capacity_bytes < 0:
        raise PlanError(where, f"a capacity of {capacity_bytes} is no size", "write it like 8GiB")
    return replace(tier, capacity_bytes=capacity_bytes, spill=typed(where, entry, "spill", str))


def _read_object(where: str, entry: Any) -> PlannedObject:
    check_known(where, entry, (*_OBJECT, "part"))
    site, tier = typed(where, entry, "site", str), typed(where, entry, "tier", str)
    if site is None or tier is None:
        raise PlanError(where, f"{'site' if site is None else 'tier'} is missing", "an object has at least site and tier")
    effect = typed(where, entry, "predicted_effect_s", (int, float))
    return PlannedObject(
        site,
        tier,
        typed(where, entry, "name", str, ""),
        typed(where, entry, "reason", str, ""),
        typed(where, entry, "bytes", int, 0),
        None if effect is None else float(effect),
        _read_frames(where, entry),
        read_flag(where, entry, "small"),
        read_parts(where, entry),
    )


def _read_move(where: str, entry: Any) -> PlannedMove:
    check_known(where, entry, _MOVE)
    site, tier, after = (typed(where, entry, key, str) for key in ("site", "tier", "after"))
    if site is None or tier is None:
        raise PlanError(where, f"{'site' if site is None else 'tier'} is missing", "a move has site, tier and a moment")
    after_ns = None if after is None else parse_duration_ns(after)
    if after is not None and after_ns is None:
        raise PlanError(where, f"'{after}' is no time", 'write it like after = "30s"')
    return PlannedMove(site, tier, after_ns, typed(where, entry, "at_allocation", int), typed(where, entry, "of", str))


def _read_frames(where: str, entry: dict[str, Any]) -> tuple[str, ...]:
    frames = typed(where, entry, "frames", list, [])
    if not all(isinstance(frame, str) for frame in frames):
        raise PlanError(where, "frames holds something other than text", "leave frames out, or make the plan again")
    return tuple(frames)
