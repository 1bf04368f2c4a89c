// One side of Negentropy V1 as go-nostr speaks it, driven over JSON lines: {"records": [[timestamp, id hex]...]} fills its
// set, {"start": true} makes it the one that asks, {"message": hex} hands it what the other side said. Each line is
// answered with one: {"message": hex, "" at the end, "haves": [hex...], "havenots": [hex...]} or {"error": text}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy/storage/vector"
)

type request struct {
	Records [][2]any `json:"records"`
	Start   bool     `json:"start"`
	Message string   `json:"message"`
}

type answer struct {
	Message  string   `json:"message"`
	Haves    []string `json:"haves"`
	Havenots []string `json:"havenots"`
	Error    string   `json:"error,omitempty"`
}

func main() {
	var side *negentropy.Negentropy
	encoder := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var asked request
		told := answer{}
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			told.Error = err.Error()
		} else if asked.Records != nil {
			side, err = fill(asked.Records)
			if err != nil {
				told.Error = err.Error()
			}
		} else if asked.Start {
			told.Message = side.Start()
		} else {
			told = hear(side, asked.Message)
		}
		if err := encoder.Encode(told); err != nil {
			os.Exit(1) // nobody listens any more
		}
	}
}

func fill(records [][2]any) (*negentropy.Negentropy, error) {
	set := vector.New()
	for _, record := range records {
		timestamp, isNumber := record[0].(float64)
		id, isText := record[1].(string)
		if !isNumber || !isText {
			return nil, fmt.Errorf("not a record: %v", record)
		}
		set.Insert(nostr.Timestamp(timestamp), id)
	}
	set.Seal()
	return negentropy.New(set, 0), nil
}

// hear collects what the message told: go-nostr sends ids through channels while it reads, and closes them at the end.
func hear(side *negentropy.Negentropy, message string) answer {
	type result struct {
		message string
		err     error
	}
	done := make(chan result)
	go func() {
		message, err := side.Reconcile(message)
		done <- result{message, err}
	}()
	told := answer{}
	haves, havenots := side.Haves, side.HaveNots
	for {
		select {
		case id, open := <-haves:
			if !open {
				haves = nil
				continue
			}
			told.Haves = append(told.Haves, id)
		case id, open := <-havenots:
			if !open {
				havenots = nil
				continue
			}
			told.Havenots = append(told.Havenots, id)
		case ended := <-done:
			told.Message = ended.message
			if ended.err != nil {
				told.Error = ended.err.Error()
			}
			drain(haves, &told.Haves)
			drain(havenots, &told.Havenots)
			return told
		}
	}
}

// drain takes what is still in a channel that nobody writes to any more.
func drain(ids chan string, into *[]string) {
	for ids != nil {
		select {
		case id, open := <-ids:
			if !open {
				return
			}
			*into = append(*into, id)
		default:
			return
		}
	}
}
