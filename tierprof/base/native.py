"""Where the native files lie: `tierprof/_native`, found by walking the package's path (editable installs have two)."""

from pathlib import Path

import tierprof
from tierprof.base.errors import TierprofError


def native_path(name: str) -> Path:
    """The path of a native file such as ``libtierprof.so``.

    Raises
    ------
    TierprofError
        If it is in none of the package's folders; the error lists them.
    """
    places = [Path(folder) / "_native" / name for folder in tierprof.__path__]
    for place in places:
        if place.exists():
            return place
    looked = ", ".join(str(place) for place in places)
    raise TierprofError(
        f"native file {name} is missing", f"looked for {looked}", "install tierprof again (its build needs cmake and a C compiler)"
    )
