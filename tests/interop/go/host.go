package main

import (
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	blank "github.com/libp2p/go-libp2p/p2p/host/blank"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
)

// newHost listens on a free port of loopback. It is put together by hand: the ready-made one brings QUIC and WebRTC
// along, which take minutes to compile and are not spoken here. The caller starts the identify service once every
// protocol has its handler: it tells of those that it finds then, and misses one that comes while it starts.
func newHost(key crypto.PrivKey) (host.Host, identify.IDService, error) {
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	store, err := pstoremem.NewPeerstore()
	if err != nil {
		return nil, nil, err
	}
	if err := store.AddPrivKey(id, key); err != nil {
		return nil, nil, err
	}
	if err := store.AddPubKey(id, key.GetPublic()); err != nil {
		return nil, nil, err
	}
	bus := eventbus.NewBus()
	net, err := swarm.NewSwarm(id, store, bus)
	if err != nil {
		return nil, nil, err
	}
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	secure, err := noise.New(noise.ID, key, muxers)
	if err != nil {
		return nil, nil, err
	}
	upgrade, err := upgrader.New([]sec.SecureTransport{secure}, muxers, nil, &network.NullResourceManager{}, nil)
	if err != nil {
		return nil, nil, err
	}
	transport, err := tcp.NewTCPTransport(upgrade, &network.NullResourceManager{}, nil)
	if err != nil {
		return nil, nil, err
	}
	if err := net.AddTransport(transport); err != nil {
		return nil, nil, err
	}
	if err := net.Listen(multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")); err != nil {
		return nil, nil, err
	}
	host := blank.NewBlankHost(net, blank.WithEventBus(bus))
	identity, err := identify.NewIDService(host)
	if err != nil {
		return nil, nil, err
	}
	ping.NewPingService(host)
	return host, identity, nil
}
