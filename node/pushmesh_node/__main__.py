"""`python -m pushmesh_node`, which is the `pushmesh` command. Light, so that Ctrl-C is heeded before anything heavy is
imported."""

import sys

from .streams import flush_or_forget, open_closed_streams


def main() -> None:
    """Run the command line."""
    try:
        open_closed_streams()
        from .cli import app

        app(prog_name="pushmesh")
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:  # help that could not be written; the commands guard themselves
        flush_or_forget()
        sys.exit(f"pushmesh: the output cannot be written: {error.strerror}")


if __name__ == "__main__":
    main()
