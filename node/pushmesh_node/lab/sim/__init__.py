"""Whole networks in one process on a virtual clock: the node's own router, engine and peer policy, seeded."""
