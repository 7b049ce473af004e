"""Guest tests. Those in inside/ run in a guest with real tiers, booted once a variant; out here each is shown with what it came to there.

All guests that are needed run at once: an emulated machine is busy with one program at a time, and leaves the other cores idle.

`make test-guest` sets TIERPROF_GUEST_IMAGE (the folder with the guest's kernel); without it inside/ is not collected. The guest's own
pytest gets the same tests, finds TIERPROF_GUEST_REPORTS set (a descriptor), and writes its reports there, one JSON object a line.
"""

import ctypes
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

IMAGE = os.environ.get("TIERPROF_GUEST_IMAGE")
REPORTS = os.environ.get("TIERPROF_GUEST_REPORTS")

HERE = Path(__file__).parent
BOOT = HERE.parents[1] / "scripts/guest/boot.py"
PROGRAM_SOURCES = (*sorted(HERE.glob("programs/*.c")), *sorted(HERE.parent.glob("programs/place_*.c")))

#: All variants together stay below ten minutes; on a busy machine they may take longer.
LIMIT_S = float(os.environ.get("TIERPROF_GUEST_LIMIT_S", "570"))

_LOG_READ_ALL = 3  # of syslog(2)
_LOG_BYTES, _LOG_LINES = 1 << 18, 30

#: The guest's pytest is quiet; what it has to say beside its reports matters only if it could not run the tests.
_INSIDE = 'exec 3>&1; "$@" > /tmp/pytest.txt 2>&1; status=$?; [ $status -lt 2 ] || cat /tmp/pytest.txt; exit $status'
_PYTEST = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider"]

collect_ignore = [] if IMAGE or REPORTS else ["inside"]


def console_tail() -> str:
    """The last lines of the log of the kernel that this runs on."""
    buffer = ctypes.create_string_buffer(_LOG_BYTES)
    size = ctypes.CDLL(None).klogctl(_LOG_READ_ALL, buffer, _LOG_BYTES)
    lines = buffer.raw[: max(0, size)].decode(errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:]) or "(the kernel shows no log)"


class GuestReports:
    """In the guest: tells the world outside of each report."""

    def __init__(self, config: pytest.Config, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._config, self._out = config, os.fdopen(descriptor, "w", encoding="utf-8")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            report.sections.append(("the last lines of the guest's console", console_tail()))
        self._tell(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._tell(report)

    def _tell(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._out.write(json.dumps(data) + "\n")
        self._out.flush()


class GuestSession:
    """Outside: one boot, and the reports that come of it, in the order of its tests."""

    def __init__(self, variant: str, items: list[pytest.Item], programs: Path) -> None:
        self._config = items[0].config
        self._noise: list[str] = []
        options = ["--image", str(IMAGE), "--limit", str(LIMIT_S)]
        for variable in ("TIERPROF_GUEST_REPORTS=3", f"TIERPROF_GUEST_PROGRAMS={programs}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1"):
            options += ["--env", variable]
        inside = ["bash", "-c", _INSIDE, "bash", *_PYTEST, *(item.nodeid for item in items)]
        command = [sys.executable, str(BOOT), *options, variant, "--", *inside]
        pipe = subprocess.PIPE  # a readable error is far smaller than the pipe that holds it
        self._boot = subprocess.Popen(command, cwd=self._config.rootpath, stdout=pipe, stderr=pipe, text=True, errors="replace")
        # Whoever is not read from stands still: the guest must not wait until its turn to be shown has come.
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def reports(self, item: pytest.Item) -> Iterator[pytest.TestReport]:
        """What the guest says of the test: as long as it lives, up to the report of the test's end."""
        for report in self._all_reports():
            if isinstance(report, pytest.TestReport) and report.nodeid == item.nodeid:
                yield report
                if report.when == "teardown":
                    return
            else:
                self._noise.append(report.longreprtext or report.nodeid)
        yield pytest.TestReport(item.nodeid, item.location, dict.fromkeys(item.keywords, 1), "failed", self._why(), "call")

    def _listen(self) -> None:
        assert self._boot.stdout is not None
        for line in self._boot.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _all_reports(self) -> Iterator[pytest.CollectReport | pytest.TestReport]:
        while (line := self._lines.get()) is not None:
            if line.startswith('{"'):
                yield self._config.hook.pytest_report_from_serializable(config=self._config, data=json.loads(line))
            else:
                self._noise.append(line.rstrip())
        self._lines.put(None)  # for the next test, which will not find more

    def _why(self) -> str:
        assert self._boot.stderr is not None
        if self._boot.stderr.closed:
            return "the guest had ended by then: an earlier test says why"
        with self._boot.stderr as errors:
            told = "\n".join([*self._noise[-60:], errors.read().rstrip()])
        return f"the guest ended (status {self._boot.wait()}) without a word on this test\n{told}"

    def stop(self) -> None:
        """The guest has done its work, or is not wanted any more."""
        self._boot.terminate()
        self._boot.wait()


GUESTS: pytest.StashKey[dict[str, GuestSession]] = pytest.StashKey()


def compile_programs() -> Path:
    """The folder with all programs that the guest's tests run: there is no compiler's time to spare in there."""
    folder = Path(str(IMAGE)).absolute() / "programs"
    folder.mkdir(exist_ok=True)
    for source in PROGRAM_SOURCES:
        command = ["cc", "-O2", "-g", "-pthread", "-D_GNU_SOURCE", "-o", str(folder / source.stem), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.exit(f"{' '.join(command)}\n{done.stderr}", returncode=1)
    return folder


def variant_of(item: pytest.Item) -> str | None:
    """The guest that the test needs; None: it does not need one."""
    marker = item.get_closest_marker("guest")
    return marker.args[0] if marker else None


def guest_for(item: pytest.Item, variant: str) -> GuestSession:
    """The guest of that variant; when the first test of any comes, all are booted."""
    guests = item.config.stash[GUESTS]
    if not guests:
        programs = compile_programs()
        items: dict[str, list[pytest.Item]] = {}
        for own in item.session.items:
            if (needed := variant_of(own)) is not None:
                items.setdefault(needed, []).append(own)
        guests.update({name: GuestSession(name, own, programs) for name, own in items.items()})
    return guests[variant]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "guest(variant): the test runs in such a guest (scripts/guest/boot.py)")
    config.stash[GUESTS] = {}
    if REPORTS:
        config.pluginmanager.register(GuestReports(config, int(REPORTS)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One guest after the other, whatever the order of the files."""
    items.sort(key=lambda item: variant_of(item) or "")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    variant = variant_of(item)
    if variant is None or REPORTS:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in guest_for(item, variant).reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_unconfigure(config: pytest.Config) -> None:
    for guest in config.stash.get(GUESTS, {}).values():
        guest.stop()
