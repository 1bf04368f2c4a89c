import subprocess
import sys

from pushmesh_node.lab.environment import child_environment


def test_without_a_socket_it_says_how_it_is_started() -> None:
    command = (sys.executable, "-m", "pushmesh_node.lab.bare_peer")
    ran = subprocess.run(command, capture_output=True, env=child_environment(), timeout=60)
    assert (ran.returncode, b"usage" in ran.stderr) == (2, True)
