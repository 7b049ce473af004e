"""Address recovery, one program a kind: what a sample on a marked instruction must give stands beside the mark in its source."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from tierprof.profiler.image import Image
from tierprof.profiler.recover import registers as reg
from tierprof.profiler.recover.evaluate import evaluate, match
from tierprof.profiler.recover.recipes import build_recipes, is_runtime

PROGRAMS = Path(__file__).parent.parent / "programs"
KINDS = sorted(path.stem for path in PROGRAMS.glob("recover_*.c") if "expect " in path.read_text())
BIAS = 0x555555554000
ACCESS = ("none", "load", "store", "update")
CONFIDENCE = ("none", "chase", "base", "exact")

EXPECT = re.compile(r"/\* expect (?P<mark>\w+): (?P<regs>.*) -> (?P<address>\S+) (?P<confidence>\w+) (?P<access>\w+) ?(?P<hint>\w*) \*/")


class Expected(NamedTuple):
    mark: str
    regs: dict[int, int]
    address: str
    confidence: str
    access: str
    hint: str


def expectations(kind: str) -> list[Expected]:
    found = []
    for line in EXPECT.finditer((PROGRAMS / f"{kind}.c").read_text()):
        pairs = [pair.split("=") for pair in line["regs"].split()]
        regs = {reg.GENERAL[name]: int(value, 0) for name, value in pairs}
        found.append(Expected(line["mark"], regs, line["address"], line["confidence"], line["access"], line["hint"]))
    return found


def symbols(image: Image) -> dict[str, int]:
    return {image.statics.name(row): int(image.statics.value[row]) for row in range(len(image.statics.value))}


def address_of(text: str, known: dict[str, int]) -> int:
    if text == "none":
        return 0
    name, _, more = text.partition("+")
    return known[name] + int(more) + BIAS if name in known else int(text, 0)


def recover(image: Image, offset: int, regs: dict[int, int]) -> tuple[int, pd.Series]:
    """The address and the recipe for one sample, by the same steps as for millions."""
    recipes = build_recipes({image.path: image}, {image.path: np.array([offset], np.uint64)}, budget_s=0)
    row = match(recipes, np.array([image.path], object), np.array([offset], np.uint64))
    sampled = np.array([[regs.get(number, 0xDEAD0000 + number) for number in reg.SAMPLED]], np.uint64)
    address = evaluate(recipes, row, sampled, np.array([BIAS], np.uint64))
    return int(address[0]), recipes.iloc[int(row[0])]


def open_image(path: Path) -> Image:
    image = Image.open(str(path))
    assert image is not None
    return image


def test_every_expectation_is_read() -> None:
    texts = [(PROGRAMS / f"{kind}.c").read_text() for kind in KINDS]
    assert sum(len(expectations(kind)) for kind in KINDS) == sum(text.count("/* expect ") for text in texts)
    assert len(KINDS) >= 11


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_gives_the_address_that_was_accessed(kind: str, compile_program) -> None:  # type: ignore[no-untyped-def]
    # GIVEN a program whose marked instructions are known
    image = open_image(compile_program(kind))
    known = symbols(image)
    for expected in expectations(kind):
        # WHEN a sample with these registers falls on the mark
        address, recipe = recover(image, known[expected.mark], expected.regs)
        # THEN the address, what was done to it, and how sure that is, are as the source says
        got = (address, CONFIDENCE[recipe["confidence"]], ACCESS[recipe["access"]], recipe["hint"])
        assert got == (address_of(expected.address, known), expected.confidence, expected.access, expected.hint), expected.mark


@pytest.mark.parametrize("kind", ["recover_exact", "recover_stack"])
def test_a_stripped_program_gives_the_same(kind: str, compile_program) -> None:  # type: ignore[no-untyped-def]
    # GIVEN the same program with its symbols, to know where the marks are, and without
    known = symbols(open_image(compile_program(kind)))
    image = open_image(compile_program(kind, "-s"))
    assert not set(known) & set(symbols(image))
    for expected in expectations(kind):
        # THEN function starts come from the unwind table, and all is as before
        address, recipe = recover(image, known[expected.mark], expected.regs)
        assert (address, CONFIDENCE[recipe["confidence"]]) == (address_of(expected.address, known), expected.confidence), expected.mark


def test_neighbours_of_a_sampled_instruction_have_recipes_too(compile_program) -> None:  # type: ignore[no-untyped-def]
    image = open_image(compile_program("recover_exact"))
    known = symbols(image)
    recipes = build_recipes({image.path: image}, {image.path: np.array([known["full"]], np.uint64)}, budget_s=10)
    assert {known[mark] for mark in ("stored", "updated", "locked", "vector")} <= set(recipes["offset"])
    assert recipes["offset"].is_monotonic_increasing
    assert recipes["offset"].is_unique


def test_an_instruction_pointer_outside_any_code_has_no_recipe(compile_program) -> None:  # type: ignore[no-untyped-def]
    image = open_image(compile_program("recover_exact"))
    assert len(build_recipes({image.path: image}, {image.path: np.array([0x10, 2**40], np.uint64)})) == 0


def test_what_has_no_recipe_has_no_address() -> None:
    recipes = build_recipes({}, {})
    rows = match(recipes, np.array(["/bin/x"], object), np.array([64], np.uint64))
    assert rows.tolist() == [-1]
    assert evaluate(recipes, rows, np.zeros((1, 18), np.uint64), np.zeros(1, np.uint64)).tolist() == [0]


def test_threading_runtimes_are_known_by_their_file() -> None:
    assert is_runtime("/usr/lib/libgomp.so.1.0.0")
    assert is_runtime("/venv/igraph.libs/libgomp-e985bcbb.so.1.0.0")
    assert is_runtime("/usr/lib/python3/tierprof/_native/libtierprof.so")
    assert not is_runtime("/usr/lib/libgompertz/libm.so.6")
    assert not is_runtime("/usr/lib/libgompertz.so.1")
