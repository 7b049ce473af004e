"""Names that torch modules give to memory: recorded in the program's own process, resolved and joined with allocations afterwards.

`hook`, `recorder`, `variables` and `output` run inside the profiled program and need nothing but torch; the rest runs after it.
"""
