package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

// gossipsubOption is what a test may change, in the names of js-libp2p.
type gossipsubOption struct {
	D                 *int `json:"D"`
	Dlo               *int `json:"Dlo"`
	Dhi               *int `json:"Dhi"`
	Dout              *int `json:"Dout"`
	Dscore            *int `json:"Dscore"`
	DoPX              bool `json:"doPX"`
	HeartbeatInterval int  `json:"heartbeatInterval"`
}

func (o gossipsubOption) params() pubsub.GossipSubParams {
	params := pubsub.DefaultGossipSubParams()
	for _, each := range []struct {
		from *int
		to   *int
	}{{o.D, &params.D}, {o.Dlo, &params.Dlo}, {o.Dhi, &params.Dhi}, {o.Dout, &params.Dout}, {o.Dscore, &params.Dscore}} {
		if each.from != nil {
			*each.to = *each.from
		}
	}
	if o.HeartbeatInterval > 0 {
		params.HeartbeatInterval = time.Duration(o.HeartbeatInterval) * time.Millisecond
	}
	return params
}

type meshNode struct {
	ctx    context.Context
	host   host.Host
	pubsub *pubsub.PubSub
	tracer *tracer

	mu     sync.Mutex
	topics map[string]*pubsub.Topic
	subs   map[string]*pubsub.Subscription
}

func startNode(ctx context.Context, seed []byte, asked *request) (*meshNode, error) {
	protocols, option := asked.Protocols, asked.Gossipsub
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return nil, err
	}
	host, identity, err := newHost(key)
	if err != nil {
		return nil, err
	}
	node := &meshNode{
		ctx: ctx, host: host, tracer: newTracer(),
		topics: map[string]*pubsub.Topic{}, subs: map[string]*pubsub.Subscription{},
	}
	spoken := make([]protocol.ID, len(protocols))
	for i, name := range protocols {
		spoken[i] = protocol.ID(name)
	}
	node.pubsub, err = pubsub.NewGossipSub(ctx, host,
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithMaxMessageSize(1<<20),
		pubsub.WithGossipSubProtocols(spoken, pubsub.GossipSubDefaultFeatures),
		pubsub.WithGossipSubParams(option.params()),
		pubsub.WithFloodPublish(true),
		pubsub.WithPeerExchange(option.DoPX),
		pubsub.WithRawTracer(node.tracer),
		pubsub.WithAppSpecificRpcInspector(node.tracer.received),
		pubsub.WithPeerScore(scoreParams(asked.Topics), scoreThresholds()),
		pubsub.WithPeerScoreInspect(node.tracer.scored, 200*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	identity.Start()
	return node, nil
}

// messageID is the first 20 bytes of SHA-256(0x00000000 | u64_le(length of the topic) | topic | data): SPEC 8.7.
func messageID(message *pb.Message) string {
	hash := sha256.New()
	hash.Write(make([]byte, 4))
	hash.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(message.GetTopic()))))
	hash.Write([]byte(message.GetTopic()))
	hash.Write(message.GetData())
	return string(hash.Sum(nil)[:20])
}

// nodeID is the peer's Ed25519 key in hex: pushmesh's name for it.
func nodeID(id peer.ID) string {
	key, err := id.ExtractPublicKey()
	if err != nil {
		return id.String()
	}
	raw, err := key.Raw()
	if err != nil {
		return id.String()
	}
	return hex.EncodeToString(raw)
}

func (n *meshNode) addresses() []string {
	var found []string
	for _, address := range n.host.Addrs() {
		found = append(found, fmt.Sprintf("%s/p2p/%s", address, n.host.ID()))
	}
	return found
}

func (n *meshNode) dial(address string) error {
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return err
	}
	return n.host.Connect(n.ctx, *info)
}

func (n *meshNode) ping(address string) (object, error) {
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(n.ctx, 10*time.Second)
	defer cancel()
	result := <-ping.Ping(ctx, n.host, info.ID)
	return object{"ms": float64(result.RTT.Microseconds()) / 1000}, result.Error
}

func (n *meshNode) subscribe(topics []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range topics {
		topic := n.topics[name]
		if topic == nil {
			var err error
			if topic, err = n.pubsub.Join(name); err != nil {
				return err
			}
			n.topics[name] = topic
		}
		sub, err := topic.Subscribe(pubsub.WithBufferSize(4096))
		if err != nil {
			return err
		}
		n.subs[name] = sub
		go n.report(sub)
	}
	return nil
}

func (n *meshNode) unsubscribe(topics []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range topics {
		if sub := n.subs[name]; sub != nil {
			sub.Cancel()
			delete(n.subs, name)
		}
	}
	return nil
}

func (n *meshNode) report(sub *pubsub.Subscription) {
	for {
		message, err := sub.Next(n.ctx)
		if err != nil {
			return
		}
		if message.ReceivedFrom == n.host.ID() {
			continue
		}
		tell(object{
			"event": "message", "from": nodeID(message.ReceivedFrom),
			"topic": message.GetTopic(), "data": hex.EncodeToString(message.GetData()),
		})
	}
}

func (n *meshNode) publish(name, text string) error {
	data, err := hex.DecodeString(text)
	if err != nil {
		return err
	}
	n.mu.Lock()
	topic := n.topics[name]
	n.mu.Unlock()
	if topic == nil {
		return fmt.Errorf("not subscribed to %s", name)
	}
	return topic.Publish(n.ctx, data)
}

func (n *meshNode) mesh(topic string) []string {
	return n.tracer.meshOf(topic)
}

func (n *meshNode) peers() []object {
	found := []object{}
	n.mu.Lock()
	names := make([]string, 0, len(n.topics))
	for name := range n.topics {
		names = append(names, name)
	}
	n.mu.Unlock()
	slices.Sort(names)
	joined := map[peer.ID][]string{}
	for _, name := range names {
		for _, id := range n.pubsub.ListPeers(name) {
			joined[id] = append(joined[id], name)
		}
	}
	for id, topics := range joined {
		found = append(found, object{
			"node_id": nodeID(id), "opened": n.tracer.protocolOf(id), "accepted": n.acceptedBy(id),
			"score": n.tracer.scoreOf(id), "topics": topics,
		})
	}
	return found
}

// acceptedBy is the protocol of the gossip stream that the peer opened.
func (n *meshNode) acceptedBy(id peer.ID) any {
	for _, connection := range n.host.Network().ConnsToPeer(id) {
		for _, stream := range connection.GetStreams() {
			if stream.Stat().Direction == network.DirInbound && strings.HasPrefix(string(stream.Protocol()), "/meshsub/") {
				return stream.Protocol()
			}
		}
	}
	return nil
}

func (n *meshNode) stop() {
	_ = n.host.Close()
}
