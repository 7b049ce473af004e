"""Prints the requirements that pyproject.toml lists: the project's own and those of the extras named on the command line."""

import sys
import tomllib
from pathlib import Path


def requirements(project: dict, extras: list[str]) -> list[str]:
    """The project's dependencies and the extras'; the name ``build-system`` stands for what the build needs."""
    listed = list(project["project"]["dependencies"])
    for extra in extras:
        listed += project["build-system"]["requires"] if extra == "build-system" else project["project"]["optional-dependencies"][extra]
    return listed


if __name__ == "__main__":
    text = Path(__file__).parent.parent.joinpath("pyproject.toml").read_text(encoding="utf-8")
    print("\n".join(requirements(tomllib.loads(text), sys.argv[1:])))
