"""The frame of the command line: verbs are found, errors are one line, exit statuses are kept."""

import subprocess
import sys

import pytest

from tierprof import cli


def tierprof(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", "-m", "tierprof", *args], capture_output=True, text=True, check=False)


def test_an_unknown_command_is_told_in_one_line_with_the_nearest_verb() -> None:
    # GIVEN a verb that does not exist but resembles one
    done = tierprof("objcts")
    # THEN one line on stderr, nothing on stdout, and a usage status
    assert done.returncode == cli.USAGE_STATUS
    assert done.stdout == ""
    assert done.stderr.splitlines() == ["tierprof: unknown command 'objcts'; did you mean `tierprof objects`?"]


def test_a_wrong_option_names_the_verb_that_refused_it() -> None:
    done = tierprof("compare", "--no-such-option", "a", "b")
    assert done.returncode == cli.USAGE_STATUS
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("tierprof compare:")


def test_help_lists_every_verb_with_its_summary() -> None:
    done = tierprof("--help")
    assert done.returncode == 0
    for verb in cli.VERBS:
        assert f"  {verb} " in done.stdout
        assert cli._summary(verb) != ""


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    done = tierprof(verb, "--help")
    assert done.returncode == 0
    assert f"tierprof {verb}" in done.stdout
