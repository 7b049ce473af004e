"""What the owner of a GNN or embedding program can do with a trace of it: the report's section on tensors, each line with its figure."""
