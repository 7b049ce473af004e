"""Real programs to profile, on public libraries, each runnable alone."""
