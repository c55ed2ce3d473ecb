package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// report is what a run found. Times are in milliseconds.
type report struct {
	Servers     []string         `json:"servers"`
	Connections int              `json:"connections"`
	TCP         int              `json:"tcp"`
	Inflight    int              `json:"inflight"`
	Size        int              `json:"size"`
	What        string           `json:"what"`
	Seconds     float64          `json:"seconds"`
	Acked       int64            `json:"acked"`
	PerSecond   float64          `json:"per_second"`
	P50         float64          `json:"p50_ms"`
	P99         float64          `json:"p99_ms"`
	Max         float64          `json:"max_ms"`
	LongestGap  float64          `json:"longest_pause_ms"`
	Codes       map[string]int64 `json:"codes,omitempty"`
	Unknown     int64            `json:"unknown"`

	Pushed      int64   `json:"pushed,omitempty"`
	DeliveryP50 float64 `json:"delivery_p50_ms,omitempty"`
	DeliveryP99 float64 `json:"delivery_p99_ms,omitempty"`

	ClientCPU float64 `json:"client_cpu_s_per_1000"`
	ServerCPU float64 `json:"server_cpu_s_per_1000,omitempty"`
	ServerMB  float64 `json:"server_rss_mb,omitempty"` // the largest

	Kills []kill `json:"kills,omitempty"`
}

func inMs(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measure does a run.
func measure(ctx context.Context, o *options) (r *report, err error) {
	var own *cluster
	servers := o.servers
	if o.start > 0 {
		if own, err = startCluster(o); err != nil {
			return nil, err
		}
		defer own.stop()
		servers = own.addresses()
	}
	l := newLoad(o)
	defer l.close()
	if o.record != "" {
		if l.rec, err = newRecorder(o.record); err != nil {
			return nil, err
		}
	}
	if err := l.connect(ctx, servers); err != nil {
		return nil, err
	}
	if o.watch {
		if err := l.each(ctx, (*conn).watch); err != nil {
			return nil, err
		}
	}
	var over sync.WaitGroup
	for _, c := range l.conns {
		c.run(&over)
	}
	wait(ctx, o.warmup, nil)
	r = l.timed(ctx, own)
	l.stop(&over)
	r.fill(l, servers)
	if l.rec != nil {
		l.rec.Phase("healed")
		err = l.rec.Close()
	}
	return r, err
}

// timed is the part of the run that counts.
func (l *load) timed(ctx context.Context, own *cluster) *report {
	r := &report{}
	cpu, serverCPU := ownCPU(), own.cpu()
	begin := time.Now()
	l.pause.reset(begin)
	l.phase.Store(measuring)
	if l.o.kills > 0 {
		r.Kills = l.failovers(ctx, own)
	} else {
		wait(ctx, l.o.duration, l.ended)
	}
	r.LongestGap = inMs(l.pause.read(time.Now()))
	l.phase.Store(stopping)
	r.Seconds = time.Since(begin).Seconds()
	r.ClientCPU, r.ServerCPU = ownCPU()-cpu, own.cpu()-serverCPU
	r.ServerMB = own.memory()
	return r
}

// wait passes the time, or less if there is a reason.
func wait(ctx context.Context, d time.Duration, reason <-chan struct{}) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	case <-reason:
	}
}

// fill adds up what the connections counted, after the last of them has stopped.
func (r *report) fill(l *load, servers []string) {
	r.Servers, r.Connections, r.TCP = servers, len(l.conns), l.pool.Connections()
	r.Inflight, r.Size, r.What, r.Codes = l.o.inflight, l.o.size, l.o.what(), map[string]int64{}
	var latency, delivery histogram
	for _, c := range l.conns {
		_ = c.client.Close() // after this nothing of c changes any more
		latency.merge(&c.latency)
		delivery.merge(&c.delivery)
		r.Acked, r.Unknown, r.Pushed = r.Acked+c.acked, r.Unknown+c.unknown, r.Pushed+c.pushed
		for code, n := range c.codes {
			r.Codes[code] += n
		}
	}
	r.PerSecond = float64(r.Acked) / r.Seconds
	r.P50, r.P99, r.Max = inMs(latency.quantile(0.5)), inMs(latency.quantile(0.99)), inMs(latency.max)
	r.DeliveryP50, r.DeliveryP99 = inMs(delivery.quantile(0.5)), inMs(delivery.quantile(0.99))
	if r.Acked > 0 {
		r.ClientCPU *= 1000 / float64(r.Acked)
		r.ServerCPU *= 1000 / float64(r.Acked)
	}
}

func (o *options) what() string {
	switch {
	case o.read != "":
		return o.read
	case o.watch:
		return "send, watched"
	}
	return "send"
}

func (r *report) text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s "+format+"\n", append([]any{name}, args...)...)
	}
	line("cluster", "%s", strings.Join(r.Servers, ", "))
	line("load", "%s, %d bytes, %d connections (%d TCP), %d in flight each, %.1f s",
		r.What, r.Size, r.Connections, r.TCP, r.Inflight, r.Seconds)
	line("answered", "%d, %.0f/s", r.Acked, r.PerSecond)
	line("latency", "p50 %.2f ms, p99 %.2f ms, max %.1f ms; longest pause %.1f ms", r.P50, r.P99, r.Max, r.LongestGap)
	if r.Pushed > 0 {
		line("delivered", "%d, p50 %.2f ms, p99 %.2f ms", r.Pushed, r.DeliveryP50, r.DeliveryP99)
	}
	codes := make([]string, 0, len(r.Codes))
	for code, n := range r.Codes {
		codes = append(codes, fmt.Sprintf("%s %d", code, n))
	}
	slices.Sort(codes)
	if len(codes) > 0 {
		line("refused", "%s", strings.Join(codes, ", "))
	}
	if r.Codes["E_QUEUE_FULL"] > 0 {
		line("", "recipients' queues were full: use --watch, or a cluster with longer queues")
	}
	line("unknown", "%d", r.Unknown)
	line("cpu", "per 1000: client %.3f s, servers %.3f s; largest server %.0f MB", r.ClientCPU, r.ServerCPU, r.ServerMB)
	if len(r.Kills) > 0 {
		b.WriteString(killsText(r.Kills))
	}
	return b.String()
}

// ownCPU is the processor time of this process so far, in seconds.
func ownCPU() float64 { return processCPU(os.Getpid()) }
