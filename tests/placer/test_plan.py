"""Plans are read, checked and written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.errors import PlanError
from tierprof.placer.plan import MAX_TIERS, Plan, PlannedObject
from tierprof.placer.tiers import TierSpec

KEY = "0123456789abcdef" * 2
OTHER_KEY = "f" * 32

GOOD = f"""
# A comment is allowed anywhere.
format = 1
default = "slow"
[tiers.dram]
spec = "dram"      # here, too
capacity = "1.5GiB"
spill = "slow"
[tiers.slow]
spec = "emulated:2.5"
[[object]]
site = "{KEY}"
tier = "dram"
"""


def load(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "pr.plan"
    path.write_text(text, encoding="utf-8")
    return Plan.load(path)


def test_a_plan_written_by_hand_is_read(tmp_path: Path) -> None:
    plan = load(tmp_path, GOOD)
    assert plan.tiers == (TierSpec("dram", capacity_bytes=3 << 29, spill="slow"), TierSpec("slow", "emulated", factor=2.5))
    assert plan.objects == (PlannedObject(KEY, "dram"),)
    assert (plan.default, plan.fast, plan.slow) == ("slow", "dram", plan.tiers[1])
    assert plan.path == tmp_path / "pr.plan"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("format = 1", "format = 2"), "it has format 2, and this tierprof reads format 1"),
        (("format = 1", ""), "it has no format number"),
        (("format = 1", "format = ["), "it is no TOML"),
        (('default = "slow"', 'default = "slwo"'), "did you mean 'slow'?"),
        (('tier = "dram"', 'tier = "drma"'), "there is no tier 'drma'; did you mean 'dram'?"),
        (('tier = "dram"', ""), "object 1: tier is missing"),
        (('tier = "dram"', "tier = 3"), "tier = 3 should be text in quotes"),
        (('tier = "dram"', 'teir = "dram"'), "unknown key 'teir'; did you mean 'tier'?"),
        (('tier = "dram"', 'tier = "dram"\nbytes = -1'), "-1 is no size"),
        (('tier = "dram"', 'tier = "dram"\nbytes = true'), "bytes = True should be a whole number"),
        ((KEY, KEY[:-1]), "is no site key"),
        ((KEY, KEY.upper()), "is no site key"),
        (("1.5GiB", "1.5 fortnights"), "is no size"),
        (("emulated:2.5", "emulated:9"), "outside 1 to 3"),
        (('spec = "emulated:2.5"', ""), "tier slow: spec is missing"),
        (('spill = "slow"', 'spill = "tape"'), "spills into 'tape', which is not a tier"),
        (('spec = "emulated:2.5"', 'spec = "emulated:2.5"\nspill = "dram"'), "spill in a circle: dram -> slow -> dram"),
        (('spec = "emulated:2.5"', 'spec = "dram"'), "tiers dram and slow are both dram"),
        (("[[object]]", "[[objects]]"), "unknown key 'objects'; did you mean 'object'?"),
    ],
)
def test_a_bad_plan_is_refused_in_one_line_that_names_the_place(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    with pytest.raises(PlanError) as caught:
        load(tmp_path, GOOD.replace(*change))
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"plan {tmp_path / 'pr.plan'}")
    assert "\n" not in str(caught.value)


def test_a_site_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="in the plan twice"):
        load(tmp_path, GOOD + f'[[object]]\nsite = "{KEY}"\ntier = "slow"\n')


def test_too_many_tiers_are_refused() -> None:
    tiers = [TierSpec(f"n{number}", "node", node=number) for number in range(MAX_TIERS)]
    Plan(tuple(tiers[1:]), "n1")  # with DRAM, which need not be named, as many as there may be
    with pytest.raises(PlanError, match="it has 8 tiers"):
        Plan(tuple(tiers), "n0")


def test_what_is_no_file_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no such file"):
        Plan.load(tmp_path / "missing.plan")
    with pytest.raises(PlanError, match="is a directory"):
        Plan.load(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match="it is not text"):
        Plan.load(tmp_path / "binary")


def test_a_plan_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    plan = Plan((TierSpec("dram"),), "dram")
    with pytest.raises(PlanError, match="cannot be written"):
        plan.save(tmp_path / "missing" / "pr.plan")


def test_tiers_can_be_replaced_and_added(tmp_path: Path) -> None:
    # GIVEN a plan whose DRAM has a capacity
    plan = load(tmp_path, GOOD)
    # WHEN its slow tier is replaced, its DRAM is given again, and another tier is added
    changed = plan.with_tiers([TierSpec("slow", "node", node=1), TierSpec("dram"), TierSpec("far", "node", node=2)])
    # THEN each keeps its place and limits, and the new one is the slowest
    assert [tier.spec for tier in changed.tiers] == ["dram", "node:1", "node:2"]
    assert changed.tiers[0].capacity_bytes == 3 << 29
    assert changed.slow == TierSpec("far", "node", node=2)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
keys = st.integers(0, 2**128 - 1).map("{:032x}".format)
sizes = st.integers(0, 2**63 - 1)
effects = st.none() | st.floats(allow_nan=False)
tier_sets = st.tuples(st.none() | sizes, st.none() | sizes, st.booleans()).map(
    lambda given: (
        TierSpec("dram", capacity_bytes=given[0], spill="far.away" if given[2] else None),
        TierSpec("far.away", "pmem", folder=Path('/mnt/a "quoted" \\ place'), capacity_bytes=given[1]),
        TierSpec("slow", "emulated", factor=2.5),
    )
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    tiers = draw(tier_sets)
    names = st.sampled_from([tier.name for tier in tiers])
    sites = draw(st.lists(keys, unique=True, max_size=6))
    objects = [PlannedObject(site, draw(names), draw(text), draw(text), draw(sizes), draw(effects)) for site in sites]
    provenance = draw(st.dictionaries(text, text | sizes | st.booleans() | st.floats(allow_nan=False), max_size=4))
    return Plan(tiers, draw(names), tuple(objects), provenance)


@given(plan=plans())
def test_a_plan_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.plan"
    plan.save(path)
    assert Plan.load(path) == plan


@given(st.text(max_size=200))
def test_no_text_does_anything_but_load_or_be_refused(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    path = tmp_path_factory.getbasetemp() / "random.plan"
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(PlanError):
        Plan.load(path)
