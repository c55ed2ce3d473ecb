package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"parley/core/chat"
	"parley/core/replica"
	"parley/realnet"
)

func sendCommand(a *app) *cobra.Command {
	var o sending
	cmd := &cobra.Command{
		Use: "send TO [TEXT|-]", Short: "Send a message", Args: args(cobra.RangeArgs(1, 2)),
		Long: `Send a message to alice or @alice: TEXT, or with - all of standard input. With --lines each line
of standard input is a message.

Exit code 75 means that the message may or may not have been sent: parley outbox retry settles it.
Running send again would be another message.`,
		RunE: func(cmd *cobra.Command, list []string) error {
			o.to = strings.TrimPrefix(list[0], "@")
			if err := o.check(list[1:]); err != nil {
				return err
			}
			s, err := a.sitLoggedIn(nil)
			if err != nil {
				return err
			}
			defer s.close()
			if o.lines {
				return s.sendLines(cmd.Context(), o)
			}
			body, err := o.body(a, list[1:])
			if err != nil {
				return err
			}
			return s.sendOne(cmd.Context(), o, body)
		},
	}
	cmd.Flags().BoolVar(&o.lines, "lines", false, "each line of standard input is a message")
	cmd.Flags().Uint64Var(&o.reply, "reply", 0, "answer message `SEQ` of the conversation")
	cmd.Flags().StringVar(&o.wait, "wait", "applied", "wait until the message is applied")
	return cmd
}

// sending is what the flags of send say.
type sending struct {
	to    string
	lines bool
	reply uint64
	wait  string
}

func (o *sending) check(rest []string) error {
	switch {
	case o.wait != "applied":
		return usage("--wait %s: a message can be waited for until it is applied", o.wait)
	case o.lines && len(rest) > 0:
		return usage("--lines takes its text from standard input")
	case !o.lines && len(rest) == 0:
		return &problem{exit: exitUsage, text: "no text", hint: "parley send TO TEXT, or - for standard input"}
	case !goodName(o.to):
		return refusal(0, "E_BAD_NAME", details{name: o.to}).local()
	}
	return nil
}

func (o *sending) body(a *app, rest []string) (string, error) {
	if rest[0] != "-" {
		return rest[0], nil
	}
	data, err := io.ReadAll(a.stdin)
	return strings.TrimSuffix(string(data), "\n"), err
}

func (o sending) command(body string) chat.Send {
	return chat.Send{To: o.to, Body: body, ReplyTo: o.reply}
}

func (s *seat) sendOne(ctx context.Context, o sending, body string) error {
	if err := checkBody(body); err != nil {
		return err
	}
	reply, err := s.decide(ctx, o.command(body), details{name: o.to})
	if err != nil {
		return err
	}
	return s.sent(o, body, reply)
}

// checkBody finds what no cluster takes, before anything is sent. The servers' own limit is lower.
func checkBody(body string) error {
	switch {
	case body == "":
		return refusal(0, "E_EMPTY", details{}).local()
	case len(body) > 64<<10:
		return refusal(0, "E_TOO_LARGE", details{}).local()
	}
	return nil
}

// sent keeps the receipt and tells.
func (s *seat) sent(o sending, body string, r replica.Reply) error {
	if err := s.profile.keepReceipt(r); err != nil {
		return err
	}
	line := "S[" + s.painter().name(o.to) + "] " + safe(body)
	if s.settings.quiet {
		line = ""
	}
	return s.show(sentShape(o.to, r), line)
}

func sentShape(to string, r replica.Reply) jsonReceipt {
	state := "queued"
	if r.Result.Sent {
		state = "sent"
	}
	return jsonReceipt{V: 1, T: "receipt", State: state, Pos: uint64(r.Pos.Index), Conv: "@" + to, Seq: r.Result.Seq,
		At: jsonTime(r.Result.Date), Chain: hex.EncodeToString(r.Result.Chain[:])}
}

// sendLines sends each line of standard input, many at once, in order. At the first that fails it
// stops reading; those that were under way are told about all the same.
func (s *seat) sendLines(ctx context.Context, o sending) error {
	lines := make(chan lineSent, 32)
	stop := make(chan struct{})
	var readErr error
	go func() {
		defer close(lines)
		readErr = s.startLines(o, lines, stop)
	}()
	for {
		select {
		case l, ok := <-lines:
			if !ok {
				return readErr
			}
			if err := s.finishLine(ctx, o, l); err != nil {
				close(stop)
				for len(lines) > 0 {
					err = errors.Join(err, s.finishLine(ctx, o, <-lines))
				}
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lineSent is a line on its way.
type lineSent struct {
	body string
	done chan realnet.Outcome
}

func (s *seat) startLines(o sending, lines chan<- lineSent, stop <-chan struct{}) error {
	in := bufio.NewReader(s.stdin)
	for {
		text, err := in.ReadString('\n')
		if text == "" && err == io.EOF {
			return nil
		}
		text = strings.TrimSuffix(text, "\n")
		if err == nil || err == io.EOF {
			err = checkBody(text)
		}
		if err != nil {
			return err
		}
		l := lineSent{text, make(chan realnet.Outcome, 1)}
		select {
		case <-stop:
			return nil
		case lines <- l:
		}
		s.link.Start(realnet.Request{Command: o.command(text), Timeout: s.patience,
			Done: func(out realnet.Outcome) { l.done <- out }})
	}
}

func (s *seat) finishLine(ctx context.Context, o sending, l lineSent) error {
	select {
	case out := <-l.done:
		if err := judge(out, details{name: o.to}); err != nil {
			return err
		}
		return s.sent(o, l.body, out.Reply)
	case <-ctx.Done():
		return ctx.Err()
	}
}
