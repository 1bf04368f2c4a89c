from pushmesh_node.gossip.effects import Count, Disconnect, Lane, SendRpc
from pushmesh_node.gossip.orders import Orders
from pushmesh_node.gossip.wire.rpc import Graft, IHave, Message, Prune, Rpc, Subscription


def test_all_control_for_a_peer_is_one_rpc() -> None:
    orders = Orders(10)
    orders.graft(b"a", "/t")
    orders.graft(b"b", "/t")
    orders.prune(b"a", Prune("/u"))
    orders.ihave(b"a", IHave("/v", (b"1",)))
    orders.iwant(b"a", [b"2"])
    orders.iwant(b"a", [b"3"])
    orders.tell_topics(b"a", [Subscription(True, "/t")])
    whole = Rpc(
        (Subscription(True, "/t"),), (), (IHave("/v", (b"1",)),), (b"2", b"3"), (Graft("/t"),), (Prune("/u"),), ()
    )
    assert orders.drain() == [
        SendRpc(b"a", whole, Lane.CONTROL),
        SendRpc(b"b", Rpc(graft=(Graft("/t"),)), Lane.CONTROL),
    ]


def test_effects_keep_their_order_and_are_drained_once() -> None:
    orders = Orders(10)
    orders.count("x", "y", 2)
    orders.do(Disconnect(b"a", "why"))
    assert orders.drain() == [Count("x", "y", 2), Disconnect(b"a", "why")]
    assert orders.drain() == []


def test_idontwants_are_cut_into_what_others_take() -> None:
    orders = Orders(2)
    for one in (b"1", b"2", b"3"):
        orders.idontwant(b"a", one)
    assert orders.drain() == [
        SendRpc(b"a", Rpc(idontwant=(b"1", b"2")), Lane.CONTROL),
        SendRpc(b"a", Rpc(idontwant=(b"3",)), Lane.CONTROL),
    ]
    assert orders.drain() == []


def test_the_same_idontwant_to_many_is_one_object() -> None:
    orders = Orders(2)
    for peer in (b"a", b"b"):
        orders.idontwant(peer, b"1")
    orders.idontwant(b"c", b"2")
    first, second, third = (effect.rpc for effect in orders.drain() if isinstance(effect, SendRpc))
    assert first is second and third == Rpc(idontwant=(b"2",))


def test_nothing_is_for_a_peer_that_is_gone() -> None:
    orders = Orders(2)
    orders.graft(b"a", "/t")
    orders.idontwant(b"a", b"1")
    orders.do(SendRpc(b"a", Rpc(messages=(Message("/t", b"x"),))))
    orders.graft(b"b", "/t")
    orders.count("x")
    orders.drop(b"a")
    assert orders.drain() == [Count("x"), SendRpc(b"b", Rpc(graft=(Graft("/t"),)), Lane.CONTROL)]
