"""The gossip process's own counts: it names them in its `Stats`, this table gives each its metric."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

OTHER: Final = "other"
GOSSIP_COUNTERS: Final = {
    "bytes_in": ("received_bytes", "", "Bytes that peers sent over gossip streams."),
    "bytes_out": ("sent_bytes", "", "Bytes that were sent to peers over gossip streams."),
    "connections_closed": ("connections_closed", "reason", "Connections to peers that ended."),
    "connections_opened": ("connections_opened", "direction", "Connections to peers that stood."),
    "connections_refused": ("connections_refused", "reason", "Connections of peers that were not let in."),
    "dht_knocks": ("dht_knocks", "result", "Looks whether somebody listens where a node is said to be."),
    "dht_questions": ("dht_questions", "result", "Questions to nodes of the DHT."),
    "dht_requests": ("dht_requests", "result", "Questions of nodes of the DHT."),
    "dht_walks": ("dht_walks", "result", "Lookups in the DHT; nothing brought no peer that was not known."),
    "dials": ("dials", "result", "Attempts to reach a peer."),
    "exchanges_dropped": ("exchange_drops", "reason", "Recommended peers that were not followed."),
    "frames_accepted": ("frames_accepted", "", "Frames that were judged ACCEPT."),
    "frames_asked": ("frames_asked", "", "Frames that peers were asked for, as they announced them."),
    "frames_ignored": ("frames_ignored", "reason", "Frames that went no further, at no fault of a peer."),
    "frames_published": ("frames_published", "result", "Own frames; no-peer was sent to nobody."),
    "frames_rejected": ("frames_rejected", "reason", "Frames that broke a rule."),
    "grafts_refused": ("grafts_refused", "reason", "Peers that were not let into a mesh."),
    "idontwants_dropped": ("idontwant_drops", "reason", "IDONTWANTs of peers beyond the bound."),
    "ihaves_dropped": ("ihave_drops", "reason", "Announcements of peers that were not followed."),
    "introductions": ("introductions", "result", "Signed records of recommended peers, by what became of them."),
    "iwants_dropped": ("iwant_drops", "reason", "Requests of peers that were not answered."),
    "judgements_dropped": ("judgements_dropped", "reason", "Verdicts of the main process that came too late."),
    "mesh_joins": ("mesh_joins", "by", "Peers that came into a mesh."),
    "mesh_leaves": ("mesh_leaves", "reason", "Peers that left a mesh."),
    "outbox_dropped": ("outbox_drops", "reason", "RPCs that a full or ended queue to a peer lost."),
    "peers_banned": ("banned_peers", "", "Peers that were refused for a while after what they did."),
    "peers_heard": ("heard_peers", "source", "Peers that others told of, and that were news."),
    "peers_unheard": ("unheard_peers", "source", "Peers that others told of, and that found no room."),
    "promises_broken": ("promises_broken", "", "Announced frames that a peer did not give when asked."),
    "publishes_dropped": ("publish_drops", "reason", "Own frames that were not sent."),
    "rpcs_dropped": ("rpc_drops", "reason", "RPCs of peers that were not used."),
    "rpcs_in": ("received_rpcs", "", "RPCs that peers sent."),
    "rpcs_out": ("sent_rpcs", "", "RPCs that were sent to peers."),
    "rpcs_unsent": ("unsent_rpcs", "", "Messages that were not sent because the peer had them meanwhile."),
    "seeks": ("seeks", "result", "Nodes that were sought by their id alone, and what came of it."),
    "source_failures": ("source_failures", "source", "Sources of peers that did not answer and are tried again."),
    "stream_faults": ("stream_faults", "what", "Streams on which a peer sent what no honest peer sends."),
    "streams_refused": ("streams_refused", "reason", "Streams of peers that were not let in."),
    "subscriptions_dropped": ("subscription_drops", "reason", "Subscriptions of peers beyond the bound."),
}
"""What the gossip process counts: its name for it, the metric's name after `pushmesh_gossip_`, its label, its help."""

GOSSIP_GAUGES: Final = {
    "dht_nodes": ("dht_nodes", "Nodes in the DHT's routing table."),
    "frame_credit_bytes": ("frame_credit_bytes", "Bytes of frames that the main process would still take."),
    "hearsay_peers": ("hearsay_peers", "Peers that others told of and this node never reached."),
    "judging_frames": ("judging_frames", "Frames that wait for the main process."),
    "outbox_rpcs": ("outbox_rpcs", "RPCs that wait for a peer to read."),
    "peers": ("connected_peers", "Connections to peers, as the gossip process sees them."),
    "router_backoffs": ("backoffs", "Peers and topics whose graft must wait."),
    "router_history_bytes": ("history_bytes", "Bytes of frames that are kept for peers who ask."),
    "router_mesh_peers": ("mesh_peers", "Places in the meshes of all topics that are taken."),
    "router_peers": ("router_peers", "Peers that speak gossip."),
    "router_pending_bytes": ("pending_bytes", "Bytes of frames without a verdict."),
    "router_pending_frames": ("pending_frames", "Frames without a verdict."),
    "router_seen_ids": ("seen_ids", "Message ids in the seen cache."),
    "router_wanted_ids": ("wanted_ids", "Announced frames that are still wanted."),
    "wanted_peers": ("wanted_peers", "Connections below which known peers are dialled."),
}

_LABEL: Final = re.compile(r"[a-z0-9-]{1,40}\Z")
_MAX_GOSSIP_LABELS: Final = 64


class GossipStats(Collector):
    """It is another process that counts, so unknown names and odd labels are kept out and not raised."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counts: dict[str, dict[str, int]] = {name: {} for name in GOSSIP_COUNTERS}
        self._gauges = dict.fromkeys(GOSSIP_GAUGES, 0)
        self._unknown = 0
        registry.register(self)

    def take(self, counters: Iterable[tuple[str, str, int]], gauges: Iterable[tuple[str, str, int]]) -> None:
        """Increments and present values as (name, label, value)."""
        for name, label, count in counters:
            counts = self._counts.get(name)
            if counts is None:
                self._unknown += count
                continue
            known = label in counts or (len(counts) < _MAX_GOSSIP_LABELS and _LABEL.match(label) is not None)
            key = label if known or not label else OTHER
            counts[key] = counts.get(key, 0) + count
        for name, _label, value in gauges:
            if name in self._gauges:
                self._gauges[name] = value

    def describe(self) -> Iterator[Metric]:
        """Called at registration, so that no name is declared twice."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """Called by the exposition."""
        for name, (suffix, label, text) in GOSSIP_COUNTERS.items():
            family = CounterMetricFamily(f"pushmesh_gossip_{suffix}", text, labels=[label] if label else [])
            counts = self._counts[name]
            if label:
                for value, count in counts.items():
                    family.add_metric([value or "ok"], count)
            else:
                family.add_metric([], sum(counts.values()))
            yield family
        yield CounterMetricFamily("pushmesh_gossip_undeclared", "Counts without a metric.", value=self._unknown)
        for name, (suffix, text) in GOSSIP_GAUGES.items():
            yield GaugeMetricFamily(f"pushmesh_gossip_{suffix}", text, value=self._gauges[name])
