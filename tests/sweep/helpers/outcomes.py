"""Prints each test of a JUnit file that `python3 -m test --junit-xml` wrote, and what came of it; no times."""

import sys
import xml.etree.ElementTree as ET


def outcome(case: ET.Element) -> str:
    """``passed``, or the name of what the test case says instead."""
    said = [child.tag for child in case if child.tag not in ("system-out", "system-err")]
    return said[0] if said else case.get("result", "passed")


if __name__ == "__main__":
    print("\n".join(sorted(f"{case.get('name')} {outcome(case)}" for case in ET.parse(sys.argv[1]).iter("testcase"))))
