"""What every node, dapp and wallet must agree on: given bytes, a clock value and a memory of ids, it says what a
message is, who signed it and whether it may spread. Pure: no clock, no randomness, no input or output."""
