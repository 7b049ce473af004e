"""What a traced program would do on memory that this machine has not got: run time, DRAM budgets, money, watts, carbon."""
