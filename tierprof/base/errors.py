"""The one family of errors: what, why, the mend. Raised anywhere, printed only by the command line."""


class TierprofError(Exception):
    """Something tierprof could not do, told in one line.

    Parameters
    ----------
    what
        What failed, naming the thing: ``trace pr.trace cannot be read``.
    why
        The cause: ``meta.json is missing``.
    mend
        What the user can do about it: ``run `tierprof run` again``.
    """

    def __init__(self, what: str, why: str, mend: str) -> None:
        super().__init__(f"{what}: {why}; {mend}")
        self.what = what
        self.why = why
        self.mend = mend


class CommandError(TierprofError):
    """The program to be wrapped cannot be started or observed."""


class TraceError(TierprofError):
    """A trace is missing, cut short, empty, or of another version."""


class PlanError(TierprofError):
    """A plan is malformed, or asks for what this machine has not got."""


class TierError(TierprofError):
    """A tier's specification is wrong, or the tier cannot be opened."""


class ModelError(TierprofError):
    """A model cannot be trained, read or applied."""


class MachineError(TierprofError):
    """A machine file is missing, malformed, or asks for what cannot be."""


class EmbeddingError(TierprofError):
    """An embedding table is asked for what it cannot do."""
