"""A whole run: check, launch, convert. What `tierprof run` does, for callers that are no command line."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from tierprof.base.errors import TierprofError
from tierprof.profiler import skid
from tierprof.profiler.command import CommandFacts, check_command
from tierprof.profiler.launch import LaunchOptions, LaunchResult, launch
from tierprof.profiler.trace import create_trace_folder

RAW = "raw"  # inside the trace until it is converted


@dataclass(frozen=True)
class RunResult:
    """What came of a run."""

    exit_status: int  # the program's own
    trace: Path | None  # None: the conversion failed, and `failure` says why and where the raw folder is
    launch: LaunchResult
    failure: str | None = None


def _silent(_line: str) -> None:
    """Nobody asked to be told."""


def _launch(command: Sequence[str], raw: Path, options: LaunchOptions, facts: CommandFacts) -> LaunchResult:
    """Launch, with what the calibration of this machine says about the samples beside the result."""
    calibration = skid.calibrate() if options.source not in ("none", "exact") else None
    result = launch(command, raw, options, facts=facts)
    if calibration is None or result.perf_error:
        return result
    return replace(result, skid=calibration.as_dict(), sample_cost_s=calibration.cost_s(result.counts, result.periods))


def _convert(raw: Path, trace: Path, result: LaunchResult, command: Sequence[str]) -> str | None:
    """Convert and remove the raw folder; or keep it and say in one line why. The program has run: nothing may be raised."""
    try:
        from tierprof.profiler.convert import convert  # not before: its imports take longer than many a program

        convert(raw, trace, result, command, plan=result.plan, tiers=result.tiers)
    except TierprofError as error:
        why = str(error)
    except OSError as error:
        why = f"{error.filename or trace}: {(error.strerror or str(error)).lower()}"
    except Exception as error:  # a defect of ours must not cost the user the run
        why = f"{type(error).__name__}: {error}"
    else:
        shutil.rmtree(raw, ignore_errors=True)
        return None
    return f"trace {trace} is not complete: {' '.join(why.split())}; what was recorded is kept in {raw}"


def run(
    command: Sequence[str],
    trace_path: Path | None = None,
    options: LaunchOptions | None = None,
    *,
    on_note: Callable[[str], None] = _silent,
    while_converting: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> RunResult:
    """Run a command and make a trace of it.

    Parameters
    ----------
    command
        Program and arguments.
    trace_path
        The folder to make; named after the program, in the working folder, by default. Never overwritten.
    options
        What to record.
    on_note
        Is told, line by line, what will be or was not observed, and why.
    while_converting
        Makes a context to convert in, as the program has ended and nothing seems to happen.

    Raises
    ------
    CommandError
        If the program cannot be started; nothing is left behind then.
    TierprofError
        If the source, rate or folder is not to be had.
    """
    options = options or LaunchOptions()
    facts = check_command(command)
    trace = create_trace_folder(trace_path, command)
    if options.preload and facts.warning:
        on_note(facts.warning)
    raw = trace / RAW
    try:
        result = _launch(command, raw, options, facts)
    except TierprofError:
        shutil.rmtree(trace, ignore_errors=True)
        raise
    if result.perf_error:
        on_note(result.perf_error)
    for note in result.notes:
        if note["text"] != facts.warning:
            on_note(note["text"])
    with while_converting():
        failure = _convert(raw, trace, result, command)
    return RunResult(result.exit_status, None if failure else trace, result, failure)
