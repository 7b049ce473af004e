"""Run time on memory that the machine at hand has not got: machine files, the simulator that feeds the model, and the model."""
