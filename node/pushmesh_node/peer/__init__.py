"""The gossip process: a hardened libp2p host on trio that drives the pure router and speaks `ipc` with main.

It keeps no state but bounded caches, knows neither engine nor storage, and survives whatever a peer sends.
"""
