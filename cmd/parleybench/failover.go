package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/realnet"
)

// kill is one kill -9 of the leader under load.
type kill struct {
	Node  string  `json:"node"`
	Pause float64 `json:"pause_ms"` // the longest time around it in which nothing was acknowledged
	Lost  string  `json:"lost,omitempty"`
}

// killPatience is how long acknowledgements may stay away after a kill, and a restarted replica may
// take to catch up.
const killPatience = 20 * time.Second

// failovers kills leaders, one after the other, each when all is well.
func (l *load) failovers(ctx context.Context, own *cluster) (kills []kill) {
	status := l.conns[0].client.Status
	for range l.o.kills {
		wait(ctx, l.o.killWait, nil)
		p := own.leader(ctx, status)
		if p == nil {
			return kills
		}
		k := kill{Node: realnet.NodeName(p.id)}
		at := time.Now()
		l.pause.reset(at)
		p.kill()
		l.afterKill(ctx, at)
		k.Pause = inMs(l.pause.read(time.Now()))
		if err := p.start(); err != nil {
			k.Lost = err.Error()
			return append(kills, k)
		}
		kills = append(kills, k)
		if !caughtUp(ctx, status, len(own.replicas)) {
			return kills
		}
	}
	return kills
}

// afterKill waits until acknowledgements have come for a while again.
func (l *load) afterKill(ctx context.Context, at time.Time) {
	const steady = 300 * time.Millisecond
	for time.Since(at) < killPatience && ctx.Err() == nil {
		wait(ctx, steady, nil)
		if l.pause.since(time.Now()) < steady/3 {
			return
		}
	}
}

// caughtUp waits until all replicas answer and have applied about the same.
func caughtUp(ctx context.Context, status func(context.Context) []realnet.ServerStatus, n int) bool {
	ctx, cancel := context.WithTimeout(ctx, killPatience)
	defer cancel()
	for ctx.Err() == nil {
		up, low, high := 0, uint64(1<<63), uint64(0)
		for _, s := range status(ctx) {
			if s.Err == nil && s.Leader != 0 {
				up, low, high = up+1, min(low, s.Applied), max(high, s.Applied)
			}
		}
		if up >= n && high-low < 10_000 {
			return true
		}
		wait(ctx, 50*time.Millisecond, nil)
	}
	return false
}

func killsText(kills []kill) string {
	var b strings.Builder
	var all []float64
	for _, k := range kills {
		fmt.Fprintf(&b, "%-11s kill -9 %s: %.1f ms without an acknowledgement %s\n", "failover", k.Node, k.Pause, k.Lost)
		all = append(all, k.Pause)
	}
	slices.Sort(all)
	fmt.Fprintf(&b, "%-11s median %.1f ms, worst of %d: %.1f ms\n", "", all[len(all)/2], len(all), all[len(all)-1])
	return b.String()
}
