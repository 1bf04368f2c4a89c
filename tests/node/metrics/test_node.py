import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pushmesh_node.curation import DeliveryVerdict
from pushmesh_node.metrics import Metrics
from pushmesh_node.metrics.node import DELIVERY_VERDICTS, QUEUES, REASONS, SOURCES, TRANSPORTS
from pushmesh_protocol.reasons import Reason, Verdict


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(routes=("/v1/publish", "/v1/topics/{owner}/{name}"))


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_delivery_verdicts_are_those_of_curation() -> None:
    assert DELIVERY_VERDICTS == tuple(DeliveryVerdict)


def test_counts_come_in_bulk(metrics: Metrics) -> None:
    metrics.judged("gossiped", Verdict.IGNORE, Reason.DUPLICATE, 64)
    metrics.judged("gossiped", Verdict.IGNORE, Reason.DUPLICATE)
    labels = {"source": "gossiped", "verdict": "ignore", "reason": "duplicate"}
    assert value(metrics, "pushmesh_envelopes_judged_total", **labels) == 65


def test_each_method_moves_its_metric(metrics: Metrics) -> None:
    metrics.committed(100, 0.003)
    metrics.frame("in", Verdict.REJECT, Reason.MALFORMED)
    metrics.decided("request-inbox", Reason.NOT_SUBSCRIBED, 3)
    metrics.delivered("mqtt", 7)
    metrics.voucher(Reason.OK)
    metrics.log_in(Reason.RATE_LIMITED)
    metrics.dropped("relay", Reason.QUEUE_FULL, 5)
    metrics.published(0.02)
    metrics.verified(33)
    metrics.bridge("connection", Reason.NOT_READY)
    metrics.caught_up(12)
    metrics.sync_ended("timeout")
    metrics.sync_ended("stream-lost")
    metrics.gossip([("rpcs_in", "", 9)], [])
    metrics.gossip_lost("the process ended with signal 9 after 3 s")
    metrics.crashed()
    metrics.connections("sse", 4)
    metrics.peers(6)
    metrics.gauges(last_commit=1_000, epoch=42, parked=2)

    assert {
        "committed": value(metrics, "pushmesh_envelopes_committed_total"),
        "commits": value(metrics, "pushmesh_store_commit_envelopes_bucket", le="128.0"),
        "slow commits": value(metrics, "pushmesh_store_commit_seconds_bucket", le="0.0025"),
        "frames": value(metrics, "pushmesh_frames_total", direction="in", verdict="reject", reason="malformed"),
        "decisions": value(
            metrics, "pushmesh_curation_decisions_total", verdict="request-inbox", reason="not-subscribed"
        ),
        "deliveries": value(metrics, "pushmesh_deliveries_total", transport="mqtt"),
        "vouchers": value(metrics, "pushmesh_vouchers_total", reason="ok"),
        "log-ins": value(metrics, "pushmesh_log_ins_total", reason="rate-limited"),
        "drops": value(metrics, "pushmesh_queue_drops_total", queue="relay", reason="queue-full"),
        "publish": value(metrics, "pushmesh_publish_seconds_count"),
        "verify": value(metrics, "pushmesh_verify_batch_envelopes_sum"),
        "bridge": value(metrics, "pushmesh_bridge_events_total", what="connection", reason="not-ready"),
        "caught up": value(metrics, "pushmesh_sync_envelopes_total"),
        "timeouts": value(metrics, "pushmesh_sync_failures_total", reason="timeout"),
        "others": value(metrics, "pushmesh_sync_failures_total", reason="other"),
        "rpcs": value(metrics, "pushmesh_gossip_received_rpcs_total"),
        "restarts": value(metrics, "pushmesh_gossip_restarts_total"),
        "crashes": value(metrics, "pushmesh_crashes_total"),
        "connections": value(metrics, "pushmesh_connections", transport="sse"),
        "peers": value(metrics, "pushmesh_peers"),
        "last commit": value(metrics, "pushmesh_last_commit_number"),
        "epoch": value(metrics, "pushmesh_epoch_current"),
        "parked": value(metrics, "pushmesh_parked_envelopes"),
    } == {
        "committed": 100,
        "commits": 1,
        "slow commits": 0,
        "frames": 1,
        "decisions": 3,
        "deliveries": 7,
        "vouchers": 1,
        "log-ins": 1,
        "drops": 5,
        "publish": 1,
        "verify": 33,
        "bridge": 1,
        "caught up": 12,
        "timeouts": 1,
        "others": 1,
        "rpcs": 9,
        "restarts": 1,
        "crashes": 1,
        "connections": 4,
        "peers": 6,
        "last commit": 1_000,
        "epoch": 42,
        "parked": 2,
    }


def test_what_clients_are_refused_is_counted_and_the_nodes_own_matters_are_not(metrics: Metrics) -> None:
    for reason in (Reason.FORBIDDEN, Reason.DRAINING, Reason.FORBIDDEN, Reason.OK):
        metrics.refused_access("sse", reason)
    metrics.refused_access("mqtt", Reason.BAD_LOGIN)
    name = "pushmesh_refused_access_total"
    assert value(metrics, name, transport="sse", reason="forbidden") == 2
    assert value(metrics, name, transport="mqtt", reason="bad-login") == 1
    assert value(metrics, name, transport="sse", reason="draining") is None


def test_a_request_counts_under_its_template_and_never_under_its_path(metrics: Metrics) -> None:
    metrics.answered("/v1/topics/{owner}/{name}", 200)
    metrics.answered("/etc/passwd", 404)
    metrics.answered("/" + "x" * 1_000, 404)
    assert value(metrics, "pushmesh_http_requests_total", route="/v1/topics/{owner}/{name}", status="200") == 1
    assert value(metrics, "pushmesh_http_requests_total", route="other", status="404") == 2


def test_undeclared_labels_are_our_fault(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="'carrier-pigeon' is no transport"):
        metrics.delivered("carrier-pigeon", 1)
    with pytest.raises(ValueError, match="'carrier-pigeon' is no transport"):
        metrics.connections("carrier-pigeon", 1)
    with pytest.raises(ValueError, match="'sofa' is no queue"):
        metrics.dropped("sofa", Reason.QUEUE_FULL)
    with pytest.raises(ValueError, match="'rumour' is no source"):
        metrics.judged("rumour", Verdict.ACCEPT, Reason.OK)


def test_two_nodes_in_one_process_do_not_meet(metrics: Metrics) -> None:
    other = Metrics()
    other.peers(5)
    assert (value(metrics, "pushmesh_peers"), value(other, "pushmesh_peers")) == (0, 5)


def test_the_exposition_is_prometheus_text_with_named_units(metrics: Metrics) -> None:
    for source in SOURCES:
        metrics.judged(source, Verdict.ACCEPT, Reason.OK)
    for transport in TRANSPORTS:
        metrics.delivered(transport, 1)
        metrics.connections(transport, 1)
    for queue in QUEUES:
        metrics.dropped(queue, Reason.QUEUE_FULL)
    for reason in Reason:
        metrics.voucher(reason)

    families = list(text_string_to_metric_families(metrics.exposition().decode()))

    own = [family for family in families if not family.name.startswith("process_")]
    assert len(own) > 40
    for family in own:
        assert re.fullmatch(r"pushmesh_[a-z_]+", family.name), family.name
        assert family.documentation.endswith("."), family.name
        assert not family.name.endswith(("_ms", "_time", "_latency")), family.name
        for sample in family.samples:
            allowed = {*REASONS, *SOURCES, *TRANSPORTS, *QUEUES, "accept"}
            assert set(sample.labels.values()) - {sample.labels.get("le")} <= allowed, sample


def test_the_process_itself_is_measured(metrics: Metrics) -> None:
    assert b"process_resident_memory_bytes" in metrics.exposition()
