"""perf's binary records into arrays: the file format, the scanner, the fields of samples, mappings and tasks."""
