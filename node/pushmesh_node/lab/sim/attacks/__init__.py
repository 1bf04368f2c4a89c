"""Adversaries, one file a family. Importing a module of this package registers its attacks."""
