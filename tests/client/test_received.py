from pushmesh_client.compose import signed_envelope
from pushmesh_client.received import Received
from pushmesh_client.sealing import Sealedness
from pushmesh_client.verify import SignedBy
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.kinds import Kind, Retraction
from support.bodies import ISSUED_AT, a_network
from support.wallets import GENEROUS, LATER_MS, a_signed_note, a_wallet

NETWORK = a_network(parameters=GENEROUS)
OWNER = a_wallet()
PLAIN = (Sealedness.PLAIN, None)


def test_a_message_shows_what_it_says_and_a_retraction_says_nothing() -> None:
    note = a_signed_note(NETWORK, OWNER, ISSUED_AT)
    message = Received(note, SignedBy.WALLET, "now", "subscribed", "c", "http://n", ISSUED_AT, *PLAIN)
    assert (message.id, message.topic) == (note.id, f"{OWNER.display}/alerts")
    assert message.notification is note.body
    body = Retraction(ISSUED_AT, 9, ISSUED_AT + LATER_MS, Topic(OWNER.account, "alerts"), note.id, 1, None)
    back = signed_envelope(NETWORK, OWNER.key, OWNER.account, Kind.RETRACTION, body)
    assert Received(back, SignedBy.WALLET, "now", "", "c", "http://n", ISSUED_AT, *PLAIN).notification is None


def test_a_grant_that_nobody_checked_and_one_that_nobody_saw_leave_a_message_unchecked() -> None:
    note = a_signed_note(NETWORK, OWNER, ISSUED_AT)
    checked = {
        signed_by: Received(note, signed_by, "now", "", "c", "http://n", ISSUED_AT, *PLAIN).is_checked
        for signed_by in SignedBy
    }
    assert checked == {
        SignedBy.WALLET: True,
        SignedBy.SESSION: True,
        SignedBy.UNKNOWN_GRANT: False,
        SignedBy.UNCHECKED_GRANT: False,
    }
