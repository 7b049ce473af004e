"""Modules that are written to temporary files with random names and run: their files are called differently in every run."""

import importlib.util
import os
import tempfile

kept = []
for name, size in (("conv_LGConv_propagate", 300_000), ("conv_GATConv_edge_updater", 300_002)):
    with tempfile.NamedTemporaryFile("w", prefix=f"{name}_", suffix=".py", delete=False) as file:
        file.write(f"def propagate():\n    return bytearray({size})\n")
    spec = importlib.util.spec_from_file_location(name, file.name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    os.unlink(file.name)
    kept.append(module.propagate())
