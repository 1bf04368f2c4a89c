"""Range-based set reconciliation: which records one node has and another lacks. Pure: no I/O, clock or randomness."""
