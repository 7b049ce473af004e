"""Data addresses from an instruction pointer and registers: code around sampled instructions is decoded into recipes, recipes are evaluated."""
