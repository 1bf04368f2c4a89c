"""`python -m pushmesh_node` is the `pushmesh` command."""

from .cli import main

if __name__ == "__main__":
    main()
