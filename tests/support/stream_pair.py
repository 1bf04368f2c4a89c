"""Both ends of a stream between two nodes, joined in memory: what one sends the other receives, with credit."""

from collections.abc import Callable, Sequence

from pushmesh_node import ipc
from pushmesh_node.app.gossip_streams import GossipStream

WINDOW_BYTES = 64 * 1024


def stream_pair(protocol: str, one_node: bytes, other_node: bytes) -> tuple[GossipStream, GossipStream]:
    """(the end at `one_node`, whose peer is the other; the end at `other_node`)."""
    ends: list[GossipStream] = []

    def to(place: int) -> Callable[[Sequence[ipc.Both]], None]:
        def send(messages: Sequence[ipc.Both]) -> None:
            end = ends[place]
            for message in messages:
                match message:
                    case ipc.StreamData(data=data):
                        end.receive(data)
                    case ipc.StreamCredit(bytes=size):
                        end.receive_credit(size)
                    case ipc.StreamClose(error=None):
                        end.receive_end()
                    case ipc.StreamClose(error=error):
                        end.lose(str(error))

        return send

    ends.append(GossipStream(2, other_node, protocol, WINDOW_BYTES, to(1)))
    ends.append(GossipStream(2, one_node, protocol, WINDOW_BYTES, to(0)))
    return ends[0], ends[1]
