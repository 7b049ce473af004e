"""From a plan to the environment in which the shim follows it: checks the tiers, calibrates emulated ones, writes the binary files."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from tierprof.base.errors import PlanError, TierError, TraceError
from tierprof.placer.achieved import PLAN_TEXT
from tierprof.placer.binary import write_plan, write_recipes
from tierprof.placer.emulation import calibrate
from tierprof.placer.match import made_without_python
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec, check_tier, parse_tier
from tierprof.profiler.trace import Trace

PLAN_FILE = "plan.bin"
RECIPES_FILE = "recipes.bin"


def enforcement_env(plan: Plan, folder: Path, recipes: pa.Table | None) -> dict[str, str]:
    """Write what the shim needs into a folder.

    Parameters
    ----------
    plan
        The plan.
    folder
        Must live as long as the program.
    recipes
        The trace's recipes (`tierprof.base.schema.RECIPES`): an emulated tier delays no instruction without them.

    Returns
    -------
    dict
        Variables for the program's environment.

    Raises
    ------
    TierError
        If this machine has not got one of the tiers.
    PlanError
        If an emulated tier has no recipes, or the files cannot be written.
    """
    for tier in plan.tiers:
        check_tier(tier)
    emulated = [tier for tier in plan.tiers if tier.kind == "emulated"]
    if emulated and recipes is None:
        why = f"tier {emulated[0].name} is emulated, and nothing says what the program's instructions read"
        mend = "run the program once without a plan, and make the plan of that trace (its provenance names the trace)"
        raise PlanError(f"plan {plan.path or ''}".rstrip(), why, mend)
    calibrations = {tier.name: calibrate(tier.factor) for tier in emulated if tier.factor is not None}
    ratios = {name: calibration.delay_ratio for name, calibration in calibrations.items()}
    line_ns = max((calibration.line_ns for calibration in calibrations.values()), default=0.0)
    environment = {"TIERPROF_PLAN": str(folder / PLAN_FILE)}
    if made_without_python(plan):
        environment["TIERPROF_PYTHON"] = "0"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_plan(folder / PLAN_FILE, plan, ratios, line_ns)
        plan.save(folder / PLAN_TEXT)
        if emulated and recipes is not None:
            write_recipes(folder / RECIPES_FILE, recipes)
            environment["TIERPROF_RECIPES"] = str(folder / RECIPES_FILE)
    except OSError as error:
        raise PlanError(
            "the plan cannot be handed to the program", f"{folder}: {(error.strerror or str(error)).lower()}", "free space there"
        ) from error
    return environment


def plan_for_run(path: Path | None, tiers: Sequence[str]) -> Plan:
    """The plan of a run: a file's, with tiers replaced or added; or, without a file, everything in the first tier given.

    The others are there to be moved to while the program runs.

    Raises
    ------
    PlanError, TierError
        If the plan or a tier is wrong.
    """
    specs = [parse_tier(text) for text in tiers]
    if path is not None:
        return Plan.load(path).with_tiers(specs)
    if not specs:
        raise TierError("--tier", "there is neither a tier nor a plan", "give a tier for all objects, or a --plan")
    named = {spec.name for spec in specs}
    dram = () if any(spec.kind == "dram" for spec in specs) else (TierSpec("dram" if "dram" not in named else "system"),)
    return Plan((*dram, *specs), specs[0].name)


def recipes_of(plan: Plan) -> pa.Table | None:
    """Recipes of the trace that the plan was made of; None if it names none, or one without recipes.

    Raises
    ------
    TraceError
        If the trace is not there any more, and an emulated tier needs it.
    """
    path = _trace_path(plan)
    if path is None or all(tier.kind != "emulated" for tier in plan.tiers):
        return None
    trace = Trace.open(path)
    return trace.table("recipes") if trace.has("recipes") else None


def profiled_command(plan: Plan) -> list[str] | None:
    """The command of the run that the plan was made of; None if that is not known any more."""
    path = _trace_path(plan)
    try:
        command = Trace.open(path).meta.get("command") if path is not None else None
    except TraceError:
        return None
    return [str(word) for word in command] if isinstance(command, list) and command else None


def _trace_path(plan: Plan) -> Path | None:
    """Where the trace lies that the plan was made of: as it says, or so beside the plan; None if it names none."""
    name = plan.provenance.get("trace")
    if name is None:
        return None
    path = Path(str(name))
    beside = plan.path.parent / path if plan.path is not None else path
    return beside if beside.exists() else path
