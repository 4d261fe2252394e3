package contest

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
)

// goPeer is one of the Go programs under bench/peers.
type goPeer struct{ bin, version string }

// buildGoPeer builds one; its version is that of a module that it is made of.
func buildGoPeer(name, module string) func(context.Context, *Kit) (Program, error) {
	return func(ctx context.Context, k *Kit) (Program, error) {
		bin, err := k.goProgram(ctx, filepath.Join(k.Root, "bench"), "./peers/"+name)
		if err != nil {
			return nil, err
		}
		return &goPeer{bin: bin, version: moduleVersion(bin, module)}, nil
	}
}

func (p *goPeer) Version() string { return p.version }

// Spec starts it. It has begun when it says so.
func (p *goPeer) Spec(r *Run) (*Spec, error) {
	return &Spec{Path: p.bin, Args: peerArgs(r), First: saysFirst}, nil
}

// peerArgs are the flags that all peers take, see bench/internal/peer.
func peerArgs(r *Run) []string {
	return []string{
		"-brokers", strings.Join(r.Brokers, ","), "-in", r.In, "-out", r.Out, "-dead", r.Dead, "-group", r.Group,
		"-compression", r.Compression, "-delivery", r.Delivery, "-table", r.Table,
	}
}

func saysFirst(line []byte) bool { return bytes.Equal(line, []byte("first")) }
