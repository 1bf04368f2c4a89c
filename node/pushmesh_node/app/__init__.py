"""Composes the node: builds every object, drives the engine's effects, and supervises what runs beside it."""
