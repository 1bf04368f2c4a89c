"""The laboratory: networks of real nodes on this machine, the demonstration and the measurements. No node needs it."""
