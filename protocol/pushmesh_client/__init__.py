"""The Python SDK for dapps and wallets: publish, subscribe, acknowledge. Knows the protocol, never a node's inside."""
