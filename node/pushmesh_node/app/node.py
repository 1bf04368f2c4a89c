"""The node without its transports: store, engine, the way in, the mesh, and the hands that carry out what the
engine orders."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from pushmesh_protocol.accounts import parse_account, parse_topic
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, NodeId

from ..admission import Admission, Bounds
from ..config import Config
from ..delivery.consumers import Consumers
from ..engine.answers import Outcome, Principal
from ..engine.core import Engine
from ..engine.effects import Answer, Deliver, Judge, Tally
from ..engine.events import CaughtUp, Ticked
from ..engine.records import PrivateTopicRecord, Record, Write
from ..engine.state import State
from ..gossip.frames.packer import Packer
from ..ledger import VoucherBook
from ..metrics import Metrics
from ..storage.quarantine import Aside
from ..storage.store import Store
from ..sync.node_sets import NodeSets
from .access import Access
from .acknowledging import WaitLimits
from .assurance import PROTOCOLS as ASSURANCE_PROTOCOLS, Assurance, Surroundings
from .attempts import Attempts
from .broadcasts import Broadcasts
from .clock import now_ms
from .devices import Devices
from .doorkeeper import Doorkeeper
from .driver import Driver
from .gossip_link import GossipLink
from .gossip_process import COMMAND, GossipProcess, Owner
from .gossip_start import start_message
from .in_sync import InSync
from .inboxes import Inboxes
from .ingest import Ingest
from .joined_shards import JoinedShards
from .mesh_side import MeshSide
from .offers import entry_of
from .opened import Opener
from .own_subscriptions import OwnSubscriptions
from .own_topics import OwnTopics
from .patient_clock import PatientClock
from .policy import operator_policy
from .publishing import Publishing
from .read_marks import ReadMarks
from .relaying import Relaying
from .reloading import Reloading
from .restore import restore_engine
from .scheduled import show_due
from .status import Status
from .store_keeping import StoreKeeping
from .sync import PROTOCOL as SYNC_PROTOCOL, Sync
from .sync_feed import SyncFeed
from .sync_readiness import CLOCK, SyncReadiness
from .tokens import Tokens
from .unread import Unread
from .verify import VerifyPool
from .version import VERSION
from .voucher_desk import VoucherDesk
from .wallet_states import WalletStates

TICK_S = 1.0

FOR_EVER_MS = 2**62

VOUCHERS_KEPT_MS = 180 * 86_400_000
"""So long points can be shown, and paid for, after their epoch."""

log = structlog.get_logger()


class Node:
    """Obeys `Hands`. Then `restore`, `run`, and at the end `close`. `connections` tells open ones by transport,
    `bridges` the state of each bridge."""

    def __init__(
        self,
        config: Config,
        network: Network,
        seed: bytes,
        store: Store,
        metrics: Metrics,
        gossip_command: Sequence[str] = COMMAND,
    ) -> None:
        self.config = config
        self.network = network
        self._seed = seed
        self._gossip_command = gossip_command
        self.node_id = NodeId(public_key(seed))
        self.store = store
        self.metrics = metrics
        self.opener = Opener(network)
        self.policy = operator_policy(config)
        processes = config.verify.processes or max(1, (os.cpu_count() or 2) - 1)
        self.verify = VerifyPool(network, processes, metrics.verified)
        self.status = Status(self.node_id, network.name, network.id, VERSION)
        self.shards = JoinedShards(
            network,
            config.gossip.shards,
            lambda account, at_ms: self._state().subscriptions.topics_on(account, at_ms),
            lambda account: account in self.driver.engine.listeners,
            [parse_topic(topic) for bridge in config.bridge for topic in bridge.topics],
            now_ms,
        )
        self.status.waiting_for = {"store"} | ({"gossip"} if config.gossip.enabled else set())
        self.status.facts = self._facts
        self.consumers = Consumers(config.delivery.max_consumers_per_account, lambda who: self.access.check(who))
        self.connections: Callable[[], dict[str, int]] = dict
        self.bridges: Callable[[], list[dict[str, Any]]] = list
        self.mesh = MeshSide(
            self._gossip_process if config.gossip.enabled else None,
            store,
            self.status,
            metrics,
            lambda: self.readiness.begin(),
        )
        self.status.peers = lambda: self.mesh.rows(self.sync.peers)
        self.patience = PatientClock(now_ms, time.monotonic)
        self.keeping = StoreKeeping(
            store,
            metrics,
            self.status.waiting_for,
            self._lost,
            self.patience.now_ms,
            scrub_rows=config.store.scrub_rows_per_s,
            open_since_ms=self._open_since_ms,
            first_voucher_epoch=self._first_voucher_epoch,
        )
        self.door = self._door()
        named = config.gossip.bootstrap or config.gossip.direct
        self.readiness = SyncReadiness(self.status, lambda: self.mesh.expects_peers(named), now_ms)
        self.reloading = Reloading(lambda: self.ingest.paused(), self._replay_store, self.crashed)

    async def restore(self) -> None:
        """Replay the store into a new engine, and build everything that stands on it."""
        self.in_sync = InSync(self.store, lambda event: self.driver.handle(event))
        self.driver = Driver(await self._restored(), self.store, self, now_ms, time.monotonic)
        self.ingest = Ingest(
            self.network,
            self.store,
            self.verify,
            self.driver.handle,
            now_ms,
            max_envelopes=self.config.verify.queue_envelopes,
            admission=self.keeping,
        )
        self.publishing = Publishing(
            self.network, self.ingest, self.driver, self.verify, self.door, now_ms, time.monotonic, self.metrics
        )
        gossip = self.config.gossip
        packer = Packer(self.network, short_wait_ms=gossip.pack_delay_ms, long_wait_ms=gossip.pack_delay_under_load_ms)
        self.relaying = Relaying(packer, self.mesh.send, self.metrics, now_ms)
        self.own_topics = OwnTopics(lambda account: self._state().subscriptions.topics_on(account, now_ms()), now_ms)
        sets = NodeSets(self.network.shard_count)
        self.feed = SyncFeed(self.network, self.store, sets, self._state, self.opener)
        self.sync = Sync(
            self.network,
            self.store,
            self.feed,
            self.ingest,
            self.opener,
            self.own_topics,
            self.metrics,
            self.mesh.open_stream,
            self.crashed,
            now_ms,
        )
        self.status.sync = self.sync.rows
        self.mesh.link = GossipLink(
            self.network,
            self.ingest,
            self.metrics,
            self.mesh.tell,
            self.mesh.peer_came,
            self.mesh.peer_left,
            self._is_authorised,
            lambda: self.shards.joined,
        )
        await self.mesh.kept_peers.restore()
        book = VoucherBook(self.node_id)
        epoch = self.network.epoch(now_ms())
        book.restore([*await self.store.vouchers(epoch - 1), *await self.store.vouchers(epoch)])
        self.desk = VoucherDesk(self.network, book, self._state, self.store, self.metrics, now_ms)
        self.assurance = self._assurance()
        self.mesh.followers = {SYNC_PROTOCOL: self.sync} | dict.fromkeys(ASSURANCE_PROTOCOLS, self.assurance)
        self.devices = Devices(
            self.store,
            lambda: self.driver.engine.last_commit,
            lambda number: self.driver.settled(number),
            now_ms,
            self.crashed,
        )
        self.inboxes = Inboxes(
            self.driver,
            self.store,
            self.desk,
            self.devices,
            self.opener,
            self.metrics,
            now_ms,
            self.crashed,
            self.assurance.delivered,
        )
        marks = ReadMarks(self.store, lambda: self.driver.engine.last_commit, now_ms, self.crashed)
        self.wallets = WalletStates(
            self.devices, marks, Unread(self.inboxes.read, now_ms), self.inboxes.listeners, self.store.incarnation
        )
        self.own_subscriptions = OwnSubscriptions(self._state, now_ms)
        self.broadcasts = Broadcasts(self.inboxes, self.driver, self.store, self.opener, now_ms)
        self.hosts = set(self.config.api.public_hosts)
        self.tokens = Tokens(self.store, self._is_revoked, self.consumers.end)
        self.tokens.restore(await self.store.tokens())
        self.access = Access(
            self.network,
            self.node_id,
            self.hosts,
            self._state,
            self.tokens,
            self.verify,
            now_ms,
            Attempts(self.config.access.log_ins_per_minute),
            exempt_loopback=self.config.access.exempt_loopback,
            observe=self.metrics.log_in,
            welcome=self.welcome,
        )
        await self._find_wallets()
        self.status.waiting_for.discard("store")

    def _state(self) -> State:
        return self.driver.engine.state

    async def _restored(self) -> Engine:
        engine = await restore_engine(self.network, self.store, self.policy, self.opener, now_ms())
        engine.left_shards = self.shards.left
        return engine

    async def _replay_store(self) -> None:
        await self.driver.settle()
        engine = await self._restored()
        # Numbers that were given and lost are never given again: readers may have passed them.
        engine.last_commit = max(engine.last_commit, self.driver.engine.last_commit)
        self.driver.engine = engine
        self.inboxes.recount()

    def _gossip_process(self, owner: Owner) -> GossipProcess:
        start = start_message(self.config, self.network, self._seed)
        delay_s = self.config.gossip.restart_delay_s
        return GossipProcess(start, owner, command=self._gossip_command, restart_delay_s=delay_s)

    def _door(self) -> Doorkeeper:
        publish = self.config.publish
        admission = Admission(Bounds(publish.wait_ms / 1_000, publish.least_units, publish.most_units))
        return Doorkeeper(
            admission, self.metrics, time.monotonic, random.random, exempt_loopback=publish.exempt_loopback
        )

    def _assurance(self) -> Assurance:
        receipts = self.config.receipts
        around = Surroundings(
            network=self.network,
            seed=self._seed,
            node_id=self.node_id,
            store=self.store,
            state=self._state,
            opener=Opener(self.network),
            publishing=self.publishing,
            open_stream=self.mesh.open_stream,
            is_peer=lambda node_id: node_id in self.mesh.link.peers,
            reach=self.mesh.reach,
            metrics=self.metrics,
            crashed=self.crashed,
            clock=now_ms,
        )
        waits = WaitLimits(receipts.max_waits, receipts.longest_wait_s)
        return Assurance(around, waits, receipts.max_outcomes)

    async def _find_wallets(self) -> None:
        """Who is of this node, as far as the store knows: their shards are joined from the start."""
        for account, seen_ms in await self.store.wallets():
            self.welcome(Account(account), seen_ms)
        for token in await self.store.tokens():
            self.welcome(token.account, token.first_seen)
        for bridge in self.config.bridge:
            for text in bridge.accounts:
                self.welcome(parse_account(text), FOR_EVER_MS)
        self._follow_shards()

    def welcome(self, account: Account, seen_ms: int | None = None) -> None:
        """A wallet is of this node: its shards are joined, its topics come first in sync."""
        self.shards.came(account, seen_ms)
        self.own_topics.came(account)

    async def run(self) -> None:
        """Everything that goes on by itself, until cancelled."""
        self.verify.start()
        await self.mesh.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.ingest.run(), name="ingest")
            group.create_task(self.relaying.run(), name="relaying")
            group.create_task(self.mesh.kept_peers.run(), name="peer-book")
            group.create_task(self.assurance.run(), name="outcomes")
            group.create_task(self._tick(), name="tick")
            group.create_task(self.feed.run(), name="sync-feed")
            group.create_task(show_due(self.driver, self.store, self.opener, now_ms), name="scheduled")

    async def close(self) -> None:
        """Finish what was taken, tell peers good-bye, close the store. Idempotent; also where `restore` failed."""
        if "store" not in self.status.waiting_for:
            self.publishing.draining = True
            await self.assurance.close()
            await self.sync.close()
            await self.driver.settle()
            await self.devices.close()
            await self.wallets.close()
        await self.reloading.close()
        await self.mesh.stop()
        await self.verify.close()
        await self.store.close()

    # Hands

    def judge(self, effect: Judge) -> None:
        """Tell the mesh."""
        self.mesh.link.judge(effect)

    def answer(self, request: int, outcomes: Sequence[Outcome]) -> None:
        """Answer a publisher, or (below 0) what sync handed in."""
        if request < 0:
            self.sync.answer(request, outcomes)
        else:
            self.publishing.answer(request, outcomes)

    def decided(self, answers: Sequence[Answer]) -> None:
        """Tell publishers who want to know before it is durable."""
        self.publishing.decided([answer for answer in answers if answer.request > 0])

    def relay(self, parts: Sequence[Part], grants: Sequence[Envelope]) -> None:
        """Send in own frames."""
        self.shards.relayed(parts)
        if self.mesh.link.peers:  # without any, the next one that connects finds it by sync
            self.relaying.relay(parts, grants)

    def deliver(self, orders: Sequence[Deliver]) -> None:
        """Hand to connected wallets."""
        self.inboxes.deliver(orders)

    def end_access(self, grant_ids: Sequence[bytes]) -> None:
        """End connections of these grants (SPEC 11.4); their tokens fail at the next use."""
        ended = set(grant_ids)
        self.consumers.end(lambda who: who.grant_id in ended, Reason.GRANT_REVOKED, "the session key was revoked")

    def reoffer(self, parts: Sequence[tuple[bytes, Part]]) -> None:
        """Send parked parts the common way in again."""
        for peer, part in parts:
            self.ingest.take(entry_of(CaughtUp(peer), [part]))

    def tally(self, effect: Tally) -> None:
        """Count answers."""
        self.metrics.judged(effect.source, effect.verdict, effect.reason, effect.count)

    def committed(self, records: Sequence[Record], seconds: float) -> None:
        """Count what became durable."""
        self.metrics.committed(sum([record.count for record in records]), seconds)
        self.assurance.committed(records)
        self.broadcasts.committed()

    def stored(self, writes: Sequence[Write]) -> None:
        """Keep the sets of sync in step, and what they are asked for first."""
        self.feed.stored(writes)
        self.own_topics.stored(writes)
        self.own_subscriptions.stored(writes)
        let_go = [write for write in writes if isinstance(write, PrivateTopicRecord) and not write.expires_at]
        if let_go:
            self.metrics.dropped("private", Reason.STORE_FULL, len(let_go))

    def reload(self) -> None:
        """Restore the engine from the store; nothing is decided meanwhile."""
        self.reloading.begin()

    def crashed(self, error: BaseException) -> None:
        """A fault of ours: logged once, here, with its traceback."""
        log.error("a task failed", error=repr(error), exc_info=error)
        self.metrics.crashed()

    # The mesh

    def _follow_shards(self) -> None:
        if self.shards.tick():
            self.driver.engine.left_shards = self.shards.left
            self.mesh.link.subscribe()
            log.info("shards joined", shards=sorted(self.shards.joined))

    def _is_revoked(self, grant_id: bytes) -> bool:
        return self._state().authority.is_revoked(grant_id)

    def _is_authorised(self, envelope: Envelope) -> bool:
        try:
            self._state().authority.check(envelope)
        except Refusal:
            return False
        return True

    # Time

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.driver.handle(Ticked())
            self.access.sweep()
            self._end_expired()
            self.own_subscriptions.tick()
            self._follow_shards()
            self._follow_sync()
            await self.in_sync.tick(self.sync.peers.values(), now_ms())
            self.metrics.gauges(
                last_commit=self.store.last_commit,
                epoch=self.network.epoch(now_ms()),
                parked=len(self.driver.engine.parking),
            )
            self.metrics.admission(self.door.admission.held_units, self.door.admission.limit_units)
            for transport, count in self.connections().items():
                self.metrics.connections(transport, count)
            await self.keeping.tick()

    def _open_since_ms(self) -> int:
        """Vouchers are taken for this epoch and the one before (SPEC 10.5)."""
        network = self.network
        return network.epoch_start(network.epoch(self.patience.now_ms()) - 1)

    def _lost(self, rows: Sequence[Aside]) -> None:
        """What stood in these rows is not held any more, so that it may come again."""
        if any(row.table in ("items", "slots", "runs") for row in rows):
            self.feed.lost([id_ for row in rows for id_ in row.ids])
            self.reload()

    def _follow_sync(self) -> None:
        self.feed.let_go(self.patience.now_ms())
        self.feed.raise_floors(self.store.floors)
        self.readiness.tick(self.mesh.link.peers, self.sync.peers)
        if self.store.receipt_chain is not None:  # receipts carry it (SPEC 12.2)
            self.store.receipt_chain.clock_is_off = CLOCK in self.status.waiting_for
        self.metrics.sync_peers(self.sync.peers, now_ms())

    def _first_voucher_epoch(self) -> int:
        return self.network.epoch(self.patience.now_ms()) - VOUCHERS_KEPT_MS // self.network.epoch_length_ms

    def _end_expired(self) -> None:
        time_ms = now_ms()

        def is_over(who: Principal) -> bool:
            return who.expires_at is not None and who.expires_at <= time_ms

        self.consumers.end(is_over, Reason.EXPIRED, "the log-in expired")

    def _facts(self) -> dict[str, Any]:
        return {
            "last_commit": self.store.last_commit,
            "incarnation": self.store.incarnation.hex(),
            "bridges": self.bridges(),
            "shards": sorted(self.shards.joined),
            "peers": [
                {
                    "node_id": node_id.hex(),
                    "addresses": list(addresses),
                    "caught_up": (sync := self.sync.peers.get(node_id)) is not None and sync.complete,
                }
                for node_id, addresses in self.mesh.link.peers.items()
            ],
        }
