"""The gossip router and its wire: pure, events in and effects out. It holds no socket, clock or randomness."""
