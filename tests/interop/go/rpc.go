package main

import (
	"encoding/hex"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
)

// plainRpc is a decoded RPC as JSON, in the words of tests/interop/js/mesh_node.mjs.
func plainRpc(rpc *pb.RPC) object {
	control := rpc.GetControl()
	subscriptions, messages, ihave, prune := [][]any{}, [][]any{}, [][]any{}, [][]any{}
	iwant, graft, idontwant := []string{}, []string{}, []string{}
	for _, each := range rpc.GetSubscriptions() {
		subscriptions = append(subscriptions, []any{each.GetSubscribe(), each.GetTopicid()})
	}
	for _, each := range rpc.GetPublish() {
		signed := each.From != nil || each.Seqno != nil || each.Signature != nil || each.Key != nil
		messages = append(messages, []any{each.GetTopic(), hex.EncodeToString(each.GetData()), signed})
	}
	for _, each := range control.GetIhave() {
		ihave = append(ihave, []any{each.GetTopicID(), hexes(each.GetMessageIDs())})
	}
	for _, each := range control.GetIwant() {
		iwant = append(iwant, hexes(each.GetMessageIDs())...)
	}
	for _, each := range control.GetGraft() {
		graft = append(graft, each.GetTopicID())
	}
	for _, each := range control.GetPrune() {
		peers := [][]any{}
		for _, one := range each.GetPeers() {
			peers = append(peers, []any{hex.EncodeToString(one.GetPeerID()), hex.EncodeToString(one.GetSignedPeerRecord())})
		}
		prune = append(prune, []any{each.GetTopicID(), peers, each.GetBackoff()})
	}
	for _, each := range control.GetIdontwant() {
		idontwant = append(idontwant, hexes(each.GetMessageIDs())...)
	}
	return object{
		"subscriptions": subscriptions, "messages": messages, "ihave": ihave, "iwant": iwant,
		"graft": graft, "prune": prune, "idontwant": idontwant,
	}
}

func hexes(ids []string) []string {
	found := []string{}
	for _, id := range ids {
		found = append(found, hex.EncodeToString([]byte(id)))
	}
	return found
}

func decodeRpcs(rpcs []string) (object, error) {
	found := []object{}
	for _, text := range rpcs {
		data, err := hex.DecodeString(text)
		if err != nil {
			return nil, err
		}
		var rpc pb.RPC
		if err := rpc.Unmarshal(data); err != nil {
			return nil, err
		}
		found = append(found, plainRpc(&rpc))
	}
	return object{"rpcs": found}, nil
}
