"""The pure centre: `handle(event, now) -> effects`. Owns all volatile state, decides, and never touches the world."""
