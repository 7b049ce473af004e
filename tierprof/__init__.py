"""tierprof: which objects of a program deserve fast memory, proof of it, and putting them there."""

__version__ = "0.1.0"
