"""Starts the program, drains the streams, writes the trace, names sites, joins samples to objects, computes features."""
