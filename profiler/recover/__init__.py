"""Data addresses from instruction pointers and registers: code around samples is decoded into recipes, and those are evaluated."""
