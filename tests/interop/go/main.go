// One go-libp2p node, driven over JSON lines as tests/interop/js/node.mjs is.
//
// It joins the mesh as docs/interop.md says but for the frame validator, which exists in Python and JavaScript only: it
// accepts and forwards every message that gossipsub itself accepts. Never let it meet a bad frame and call it honest.
package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

type request struct {
	Do        string          `json:"do"`
	No        int             `json:"no"`
	Seed      string          `json:"seed"`
	Protocols []string        `json:"protocols"`
	Gossipsub gossipsubOption `json:"gossipsub"`
	Address   string          `json:"address"`
	Topics    []string        `json:"topics"`
	Topic     string          `json:"topic"`
	Data      string          `json:"data"`
	Rpcs      []string        `json:"rpcs"`
}

type object = map[string]any

var stdout struct {
	sync.Mutex
	encoder *json.Encoder
}

// tell writes one line; events come from many goroutines.
func tell(line object) {
	stdout.Lock()
	defer stdout.Unlock()
	if err := stdout.encoder.Encode(line); err != nil {
		os.Exit(1) // nobody listens any more
	}
}

func main() {
	stdout.encoder = json.NewEncoder(os.Stdout)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	driver := &driver{ctx: ctx}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			tell(object{"error": err.Error()})
			continue
		}
		answer, err := driver.do(&asked)
		if err != nil {
			answer = object{"error": err.Error()}
		} else if answer == nil {
			answer = object{}
		}
		answer["no"] = asked.No
		tell(answer)
	}
	if driver.node != nil {
		driver.node.stop()
	}
}

type driver struct {
	ctx  context.Context
	node *meshNode
}

func (d *driver) do(asked *request) (object, error) {
	if d.node == nil && asked.Do != "start" && asked.Do != "decode" {
		return nil, fmt.Errorf("%s before start", asked.Do)
	}
	switch asked.Do {
	case "start":
		seed, err := hex.DecodeString(asked.Seed)
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("the seed is not 32 bytes in hex")
		}
		d.node, err = startNode(d.ctx, seed, asked)
		if err != nil {
			return nil, err
		}
		return object{"node_id": nodeID(d.node.host.ID()), "addresses": d.node.addresses()}, nil
	case "dial":
		return nil, d.node.dial(asked.Address)
	case "ping":
		return d.node.ping(asked.Address)
	case "subscribe":
		return nil, d.node.subscribe(asked.Topics)
	case "unsubscribe":
		return nil, d.node.unsubscribe(asked.Topics)
	case "publish":
		return nil, d.node.publish(asked.Topic, asked.Data)
	case "mesh":
		return object{"peers": d.node.mesh(asked.Topic)}, nil
	case "peers":
		return object{"peers": d.node.peers()}, nil
	case "decode":
		return decodeRpcs(asked.Rpcs)
	}
	return nil, fmt.Errorf("no such request: %s", asked.Do)
}
