from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.timestamps import timestamp_of
from support.bodies import a_network
from support.envelopes import an_envelope

NETWORK = a_network()


def test_a_grant_matters_as_long_as_what_it_lets_sign_and_all_else_until_it_ends() -> None:
    for kind in (Kind.NOTIFICATION, Kind.SUBSCRIPTION, Kind.REVOCATION, Kind.TOPIC):
        envelope = an_envelope(NETWORK, kind)
        assert timestamp_of(NETWORK, envelope) == envelope.body.expires_at
    grant = an_envelope(NETWORK, Kind.GRANT, scopes=[4, 5, 128])
    assert timestamp_of(NETWORK, grant) == grant.body.expires_at + NETWORK.lives_ms[Kind.SUBSCRIPTION]
    login = an_envelope(NETWORK, Kind.GRANT, scopes=[128])
    assert timestamp_of(NETWORK, login) == login.body.expires_at
