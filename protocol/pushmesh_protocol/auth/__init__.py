"""Signatures: who may sign what and how, what each scheme signs, and the one verifier (SPEC section 5)."""
