package main

import (
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// tracer remembers what the router does not show, and tells of what comes in.
type tracer struct {
	mu        sync.Mutex
	meshes    map[string]map[peer.ID]bool
	protocols map[peer.ID]protocol.ID
	scores    map[peer.ID]float64
}

var _ pubsub.RawTracer = (*tracer)(nil)

func newTracer() *tracer {
	return &tracer{
		meshes: map[string]map[peer.ID]bool{}, protocols: map[peer.ID]protocol.ID{}, scores: map[peer.ID]float64{},
	}
}

func (t *tracer) meshOf(topic string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := []string{}
	for id := range t.meshes[topic] {
		found = append(found, nodeID(id))
	}
	return found
}

func (t *tracer) protocolOf(id peer.ID) protocol.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.protocols[id]
}

func (t *tracer) scoreOf(id peer.ID) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.scores[id]
}

func (t *tracer) scored(scores map[peer.ID]float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.scores = scores
}

func (t *tracer) AddPeer(id peer.ID, spoken protocol.ID) {
	t.mu.Lock()
	t.protocols[id] = spoken
	t.mu.Unlock()
	tell(object{"event": "connected", "peer": nodeID(id)})
}

func (t *tracer) RemovePeer(id peer.ID) {
	t.mu.Lock()
	delete(t.protocols, id)
	for _, members := range t.meshes {
		delete(members, id)
	}
	t.mu.Unlock()
	tell(object{"event": "disconnected", "peer": nodeID(id)})
}

func (t *tracer) Graft(id peer.ID, topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.meshes[topic] == nil {
		t.meshes[topic] = map[peer.ID]bool{}
	}
	t.meshes[topic][id] = true
}

func (t *tracer) Prune(id peer.ID, topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.meshes[topic], id)
}

// received sees each RPC before the router does.
func (t *tracer) received(from peer.ID, rpc *pubsub.RPC) error {
	tell(object{"event": "rpc", "from": nodeID(from), "rpc": plainRpc(&rpc.RPC)})
	return nil
}

func (t *tracer) RejectMessage(message *pubsub.Message, reason string) {
	tell(object{"event": "rejected", "from": nodeID(message.ReceivedFrom), "topic": message.GetTopic(), "reason": reason})
}

func (t *tracer) RecvRPC(*pubsub.RPC)                  {}
func (t *tracer) Join(string)                          {}
func (t *tracer) Leave(string)                         {}
func (t *tracer) ValidateMessage(*pubsub.Message)      {}
func (t *tracer) DeliverMessage(*pubsub.Message)       {}
func (t *tracer) DuplicateMessage(*pubsub.Message)     {}
func (t *tracer) ThrottlePeer(peer.ID)                 {}
func (t *tracer) SendRPC(*pubsub.RPC, peer.ID)         {}
func (t *tracer) DropRPC(*pubsub.RPC, peer.ID)         {}
func (t *tracer) UndeliverableMessage(*pubsub.Message) {}

// scoreParams count nothing but faults, so that a score below zero tells of one.
func scoreParams(topics []string) *pubsub.PeerScoreParams {
	each := map[string]*pubsub.TopicScoreParams{}
	for _, topic := range topics {
		each[topic] = &pubsub.TopicScoreParams{
			TopicWeight: 1, TimeInMeshQuantum: time.Second,
			InvalidMessageDeliveriesWeight: -1, InvalidMessageDeliveriesDecay: 0.9,
		}
	}
	return &pubsub.PeerScoreParams{
		AppSpecificScore:       func(peer.ID) float64 { return 0 },
		BehaviourPenaltyWeight: -10, BehaviourPenaltyThreshold: 0, BehaviourPenaltyDecay: 0.99,
		DecayInterval: time.Second, DecayToZero: 0.01, RetainScore: time.Minute,
		Topics: each,
	}
}

func scoreThresholds() *pubsub.PeerScoreThresholds {
	return &pubsub.PeerScoreThresholds{
		GossipThreshold: -100, PublishThreshold: -1000, GraylistThreshold: -10000, AcceptPXThreshold: 10,
	}
}
