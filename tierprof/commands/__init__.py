"""One file a verb: its docstring is its help; parsing, calling and printing, nothing else."""
