"""The exact source: what it takes to run a program under the engine, and what the engine wrote, as tables. Timing is the models'."""
