"""The pushmesh node daemon."""
