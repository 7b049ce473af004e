"""What all layers share: errors, units, the trace's table schemas, where native files lie. Imports nothing above it."""
