from pathlib import Path

from pushmesh_node.app.assurance import PROTOCOLS
from pushmesh_node.app.hold_wire import MAX_MESSAGE_BYTES, PROTOCOL, AskHolds, TellHold, answers
from pushmesh_node.app.outcome_wire import PROTOCOL as OUTCOME_PROTOCOL, Taken, Tell, answers as outcome_answers
from pushmesh_node.app.peer_messages import PeerMessages
from support.app_world import NETWORK
from support.origin import PEER, a_notification, an_origin, delivered, stated
from support.stream_pair import stream_pair

WAIT_S = 20.0


async def test_each_protocol_leads_to_who_speaks_it_and_both_end_with_the_node(tmp_path: Path) -> None:
    assert set(PROTOCOLS) == {PROTOCOL, OUTCOME_PROTOCOL}
    async with an_origin(tmp_path) as node:
        note = await a_notification(node)
        mine, theirs = stream_pair(PROTOCOL, PEER, node.node_id)
        node.mesh.stream_came(theirs)
        messages = PeerMessages(mine, MAX_MESSAGE_BYTES, WAIT_S)
        await messages.write(AskHolds(NETWORK.id, [(note.id, note.body.issued_at)]))
        data = await messages.read(WAIT_S)
        assert data is not None
        said = answers.decode(data)
        assert isinstance(said, TellHold) and (said.ids, said.hold.node_id) == ([note.id], node.node_id)

        other, theirs = stream_pair(OUTCOME_PROTOCOL, PEER, node.node_id)
        node.mesh.stream_came(theirs)
        messages = PeerMessages(other, MAX_MESSAGE_BYTES, WAIT_S)
        await messages.write(Tell(NETWORK.id, stated(node, delivered(note, 1))))
        data = await messages.read(WAIT_S)
        assert data is not None and outcome_answers.decode(data) == Taken(0)
        assert len(node.assurance._tasks) == 2
    assert not node.assurance._tasks
