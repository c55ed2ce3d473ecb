package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	lin "parley/linearizability"
	"parley/realnet/recording"
)

// The demo: three replicas, two people, a murder, and the proof that nothing was lost. Each step
// prints one line with what it measured; the first that does not hold ends the demo.

func demoCommand(a *app) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use: "demo", Short: "Three servers, two people, kill -9, and a check of what they saw", Args: args(cobra.NoArgs),
		Long: `Start three server processes in a temporary directory, let ada write to bob, kill the leader with
SIGKILL halfway, stop and start all, and have the recorded history judged. Exit code 0 if everything
held, else 1: then the line that broke is named, and directory and history stay.`,
		Annotations: map[string]string{offline: "records by itself"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.messages < 2 {
				return usage("--messages %d: the demo needs at least 2", o.messages)
			}
			return a.demo(cmd.Context(), o)
		},
	}
	cmd.Flags().IntVar(&o.messages, "messages", 200, "how many messages ada writes: `N`")
	cmd.Flags().BoolVar(&o.keep, "keep", false, "keep the directory, with data, logs and history")
	return cmd
}

type demoOptions struct {
	messages int
	keep     bool
}

// demo is one run.
type demo struct {
	*app
	demoOptions
	dir     string
	begun   time.Time
	cluster *demoCluster
	record  *recording.Recorder
	ada     *demoClient
	bob     *demoClient
}

// limit is how long one line may take: one that takes longer has failed.
func (o demoOptions) limit() time.Duration {
	return 30*time.Second + time.Duration(o.messages)*50*time.Millisecond
}

func (a *app) demo(ctx context.Context, o demoOptions) error {
	dir, err := os.MkdirTemp("", "parley-demo-")
	if err != nil {
		return err
	}
	d := &demo{app: a, demoOptions: o, dir: dir, begun: time.Now()}
	broken, err := d.steps(ctx)
	d.close()
	if errors.Is(err, context.Canceled) {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return &problem{exit: exitNo, text: fmt.Sprintf("the line %q broke: %s", broken, err), hint: "data, logs and history are in " + dir}
	}
	took := time.Since(d.begun)
	if err := d.say(demoLine{Line: "ok", Text: fmt.Sprintf("%.1f s", took.Seconds()), Ms: took.Milliseconds()}); err != nil || o.keep {
		if o.keep {
			a.note("data, logs and history are in %s", dir)
		}
		return err
	}
	return os.RemoveAll(dir)
}

// demoLine is one line of the demo's report.
type demoLine struct {
	V     int    `json:"v"`
	T     string `json:"t"` // demo
	Line  string `json:"line"`
	Text  string `json:"text"`
	Ms    int64  `json:"ms,omitempty"`    // leader, failover, ok
	Count int    `json:"count,omitempty"` // messages, delivery, history
}

func (d *demo) say(l demoLine) error {
	l.V, l.T = 1, "demo"
	return d.show(l, fmt.Sprintf("%-10s %s", l.Line, l.Text))
}

// steps are the lines of the report. It returns the name of the one that broke.
func (d *demo) steps(ctx context.Context) (broken string, err error) {
	for _, step := range []struct {
		name string
		run  func(context.Context) (demoLine, error)
	}{
		{"start", d.start}, {"leader", d.leader}, {"accounts", d.accounts}, {"messages", d.firstHalf},
		{"failover", d.failover}, {"delivery", d.delivery}, {"restart", d.restart}, {"history", d.history},
	} {
		if err := d.step(ctx, step.name, step.run); err != nil {
			return step.name, err
		}
	}
	return "", nil
}

func (d *demo) step(ctx context.Context, name string, run func(context.Context) (demoLine, error)) error {
	limited, cancel := context.WithTimeoutCause(ctx, d.limit(), fmt.Errorf("not done after %v", d.limit()))
	defer cancel()
	line, err := run(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", context.Cause(limited), err)
	}
	if err != nil {
		return err
	}
	line.Line = name
	return d.say(line)
}

func (d *demo) close() {
	for _, c := range []*demoClient{d.ada, d.bob} {
		if c != nil {
			c.close()
		}
	}
	if d.cluster != nil {
		d.cluster.close()
	}
	if d.record != nil {
		d.record.Close()
		d.record = nil
	}
}

func (d *demo) historyFile() string { return filepath.Join(d.dir, "history.jsonl") }

func (d *demo) start(ctx context.Context) (demoLine, error) {
	record, err := newRecorder(d.historyFile(), lin.LoginExclusive)
	if err != nil {
		return demoLine{}, err
	}
	d.record = record
	if d.cluster, err = newDemoCluster(d.dir); err != nil {
		return demoLine{}, err
	}
	return demoLine{Text: "3 replica processes on loopback, data in a temporary directory"}, d.cluster.startAll()
}

func (d *demo) leader(ctx context.Context) (demoLine, error) {
	lead, err := d.cluster.leader(ctx, 0)
	took := time.Since(d.cluster.started)
	return demoLine{
		Text: fmt.Sprintf("%s, term %d, after %d ms", lead.name, lead.term, took.Milliseconds()), Ms: took.Milliseconds(),
	}, err
}

func (d *demo) accounts(ctx context.Context) (demoLine, error) {
	var err error
	if d.ada, err = newDemoClient(ctx, d.cluster, d.record, "ada"); err != nil {
		return demoLine{}, err
	}
	if d.bob, err = newDemoClient(ctx, d.cluster, d.record, "bob"); err != nil {
		return demoLine{}, err
	}
	return demoLine{Text: "ada and bob signed up"}, d.bob.listen(ctx)
}

// firstHalf sends half of the messages one by one, and kills the leader with the next on its way.
func (d *demo) firstHalf(ctx context.Context) (demoLine, error) {
	half := d.messages / 2
	for i := range half {
		if err := d.ada.send(ctx, "bob", d.body(i)); err != nil {
			return demoLine{}, err
		}
	}
	lead, err := d.cluster.leader(ctx, 0)
	if err != nil {
		return demoLine{}, err
	}
	d.ada.startSend("bob", d.body(half))
	if err := d.cluster.kill(lead); err != nil {
		return demoLine{}, err
	}
	return demoLine{Text: fmt.Sprintf("%d of %d acknowledged; kill -9 %s", half, d.messages, lead.name), Count: half}, nil
}

func (d *demo) body(i int) string { return fmt.Sprintf("message %d of %d", i+1, d.messages) }

func (d *demo) failover(ctx context.Context) (demoLine, error) {
	if err := d.ada.finishSend(ctx); err != nil {
		return demoLine{}, err
	}
	took := time.Since(d.cluster.killed)
	lead, err := d.cluster.leader(ctx, d.cluster.killedTerm)
	if err != nil {
		return demoLine{}, err
	}
	for i := d.messages/2 + 1; i < d.messages; i++ {
		if err := d.ada.send(ctx, "bob", d.body(i)); err != nil {
			return demoLine{}, err
		}
	}
	return demoLine{Text: fmt.Sprintf("%s leads term %d; %d ms from the kill to the next acknowledgement",
		lead.name, lead.term, took.Milliseconds()), Ms: took.Milliseconds()}, nil
}

func (d *demo) delivery(ctx context.Context) (demoLine, error) {
	got, err := d.bob.received(ctx, d.messages)
	if err != nil {
		return demoLine{}, fmt.Errorf("%d of %d came: %w", len(got), d.messages, err)
	}
	for i, body := range got {
		if body != d.body(i) {
			return demoLine{}, fmt.Errorf("in place %d stands %q, want %q", i+1, body, d.body(i))
		}
	}
	return demoLine{Text: fmt.Sprintf("%d of %d, each once, in order", len(got), d.messages), Count: len(got)}, nil
}

// restart stops the servers when nothing is under way any more, and compares what they hold before
// and after.
func (d *demo) restart(ctx context.Context) (demoLine, error) {
	if err := d.bob.stopListening(ctx); err != nil {
		return demoLine{}, err
	}
	before, err := d.cluster.digest(ctx, 2)
	if err != nil {
		return demoLine{}, fmt.Errorf("before: %w", err)
	}
	if err := d.cluster.stopAll(ctx); err != nil {
		return demoLine{}, err
	}
	if err := d.cluster.startAll(); err != nil {
		return demoLine{}, err
	}
	if _, err := d.cluster.leader(ctx, 0); err != nil {
		return demoLine{}, err
	}
	after, err := d.cluster.digest(ctx, 3)
	switch {
	case err != nil:
		return demoLine{}, fmt.Errorf("after: %w", err)
	case before != after:
		return demoLine{}, fmt.Errorf("digest %s before, %s after", before, after)
	}
	return demoLine{Text: "all stopped, all started; digest " + after + " unchanged"}, nil
}

// history reads everything once more, and has all that was seen judged.
func (d *demo) history(ctx context.Context) (demoLine, error) {
	d.record.Phase(lin.PhaseHealed)
	if err := errors.Join(d.ada.readAll(ctx), d.bob.readAll(ctx)); err != nil {
		return demoLine{}, err
	}
	d.record.Phase(lin.PhaseDrained)
	d.ada.close()
	d.bob.close()
	err := d.record.Close()
	d.record = nil
	if err != nil {
		return demoLine{}, err
	}
	file, err := os.Open(d.historyFile())
	if err != nil {
		return demoLine{}, err
	}
	defer file.Close()
	h, err := lin.Read(file)
	if err != nil {
		return demoLine{}, fmt.Errorf("read the history: %w", err)
	}
	report := lin.Check(h, lin.Options{})
	if report.Verdict != lin.Pass {
		return demoLine{}, errors.New(strings.TrimSpace(report.String()))
	}
	return demoLine{Text: fmt.Sprintf("%d operations: linearizable", report.Stats.Operations), Count: report.Stats.Operations}, nil
}
