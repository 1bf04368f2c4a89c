"""`python -m pushmesh_node.lab.leash MODULE ARGUMENT...` runs a module as `python -m` does, in a process that ends as
soon as whoever started it is gone, however that ended: its standard input is a pipe whose other end only the starter
has. The module finds its own standard input empty."""

import os
import runpy
import sys
import threading

MODULE = "pushmesh_node.lab.leash"


def main() -> None:
    """Never returns before the module does."""
    threading.Thread(target=_wait, args=(_taken_input(),), name="leash", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _taken_input() -> int:
    """The pipe under a number that no further process inherits: it must not keep the next ones from their ends."""
    pipe = os.dup(sys.stdin.fileno())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    return pipe


def _wait(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
