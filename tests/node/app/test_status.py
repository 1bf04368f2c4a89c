from pushmesh_node.app.status import Status


def a_status() -> Status:
    return Status(b"\x01" * 32, "test", b"\x02" * 32, "1.2.3", facts=lambda: {"peers": []})


def test_it_is_ready_when_it_waits_for_nothing() -> None:
    status = a_status()
    status.waiting_for = {"store", "gossip"}
    assert (status.ready, status.reasons()) == (False, ["gossip", "store"])
    status.waiting_for.clear()
    assert (status.ready, status.reasons()) == (True, [])


def test_a_draining_node_gets_no_traffic() -> None:
    status = a_status()
    status.draining = True
    assert (status.ready, status.reasons()) == (False, ["draining"])


def test_the_report_names_the_node_and_carries_the_facts() -> None:
    status = a_status()
    status.mqtt_address, status.gossip_addresses = "mqtt://127.0.0.1:1883", ["/ip4/127.0.0.1/tcp/4001"]
    assert status.report() == {
        "node_id": "01" * 32,
        "network": {"name": "test", "id": "02" * 32},
        "version": "1.2.3",
        "ready": True,
        "not_ready": [],
        "gossip_addresses": ["/ip4/127.0.0.1/tcp/4001"],
        "mqtt_address": "mqtt://127.0.0.1:1883",
        "mqtts_address": "",
        "mqtt_websocket_address": "",
        "peers": [],
    }
