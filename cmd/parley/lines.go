package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"parley/core/replica"
	"parley/realnet"
)

// lineMode is the shell around a dialogue: it asks on the console, does what the dialogue wants, and
// tells it what came of it. One goroutine runs it; others post to its mailbox.
type lineMode struct {
	*seat
	dialogue dialogue
	console  console
	script   bool // no prompts: stdout is data

	ctx    context.Context
	mail   *mailbox
	news   <-chan realnet.Note
	reader *reader
	asked  bool  // a question is open
	ending bool  // no more questions
	result error // how it ended

	nodes    map[string]string // server address → what people call it
	stopFeed context.CancelFunc
	waitFor  uint64 // in a pipe: no next line before this event has come
}

// slowAfter is how long a message may take before it is shown as pending.
const slowAfter = time.Second

// lineMode is parley without a command.
func (a *app) lineMode(ctx context.Context) error {
	s, err := a.sit()
	if err != nil {
		return err
	}
	m := &lineMode{seat: s, ctx: ctx, mail: newMailbox(), nodes: map[string]string{}}
	m.dialogue.paint = a.painter()
	if m.reader, err = s.openReader(); err != nil {
		return err
	}
	defer m.reader.close()
	if err := m.openConsole(); err != nil {
		return err
	}
	err = m.atConsole()
	if left := m.leftOver(); left > 0 && !errors.Is(err, context.Canceled) {
		m.app.note("%s", kept(left))
		err = errors.Join(err, &problem{exit: exitUnknown, quiet: true})
	}
	if m.dialogue.mode != busy {
		s.close()
	}
	return err
}

// openConsole is a terminal if there is one; what is typed there may take as long as it needs.
func (m *lineMode) openConsole() error {
	in, out, ok := m.terminal()
	if !ok || m.settings.plain || m.settings.json {
		m.script = m.settings.json || !m.settings.plain && !m.typedAt()
		m.console = newPipeConsole(m.app, !m.script)
		return nil
	}
	m.patience = 0
	c, err := newTerminalConsole(in, out, openLineHistory(m.places.history()))
	if err != nil {
		return err
	}
	m.console = c
	return nil
}

// atConsole gives the terminal back whatever happens.
func (m *lineMode) atConsole() error {
	defer m.console.close()
	return m.run()
}

// run is the loop.
func (m *lineMode) run() error {
	if d := m.profile.device; d.known() && !d.Over {
		if err := m.takeUp(); err != nil {
			return err
		}
	}
	for !m.ending {
		m.askNext()
		select {
		case line := <-m.console.lines():
			m.asked = m.asked && line.between
			m.typed(line)
		case <-m.mail.bell:
			for _, f := range m.mail.take() {
				f()
			}
		case p := <-m.pushes():
			m.received(p)
		case n := <-m.news:
			m.heard(n)
		case <-m.ctx.Done():
			return context.Canceled
		}
	}
	return m.result
}

// stop ends the loop.
func (m *lineMode) stop(err error) {
	m.ending = true
	if m.result == nil {
		m.result = err
	}
}

// askNext asks for the next line, when nothing is open. In a pipe each line is answered first.
func (m *lineMode) askNext() {
	_, terminal := m.console.(*terminalConsole)
	answered := len(m.dialogue.sent.under) == 0 && m.waitFor <= m.reader.inbox.cursor
	if m.asked || m.ending || m.dialogue.mode == busy || !terminal && !answered {
		return
	}
	prompt, secret := m.dialogue.prompt()
	m.console.ask(question{prompt, secret})
	m.asked = true
}

func (m *lineMode) typed(line typedLine) {
	switch {
	case line.err == nil:
		m.step(typed{line.text})
	case errors.Is(line.err, errInterrupt):
		m.step(ctrlC{})
	case errors.Is(line.err, errWithdrawn):
	default:
		m.flush()
		m.step(inputEnd{})
	}
}

// flush waits, at the end of a script, for what has no answer yet.
func (m *lineMode) flush() {
	if _, terminal := m.console.(*terminalConsole); terminal || m.link == nil {
		return
	}
	for _, line := range m.link.Pending() {
		if !line.Secret {
			reply, err := m.await(m.ctx, realnet.Request{Retry: line.DSeq}, details{}, nil)
			m.step(workDone{err: m.settled(line, reply, err)})
		}
	}
}

// step tells the dialogue what happened, and does what it wants.
func (m *lineMode) step(in input) {
	before, secret := m.dialogue.prompt()
	for _, a := range m.dialogue.step(in) {
		if err := m.act(a); err != nil {
			m.stop(err)
			return
		}
	}
	if after, nowSecret := m.dialogue.prompt(); m.asked && (after != before || secret != nowSecret || m.dialogue.mode == busy) {
		m.console.redo()
	}
}

func (m *lineMode) act(a act) error {
	switch a := a.(type) {
	case say:
		return m.say(a)
	case hello:
		if m.script || m.settings.json {
			return nil
		}
		return m.console.say(a.text)
	case note:
		if !m.settings.json {
			m.console.note(a.text)
		}
	case fail:
		return m.console.fail(a.words, a.problem)
	case askPolicy:
		m.later(func(ctx context.Context) input {
			policy, err := m.policy(ctx)
			return policyIs{policy.OpenAuth, err}
		})
	case enter:
		m.enterAs(a.contact)
	case logout:
		m.leaving(func(ctx context.Context) input { return leftDone{m.logout(ctx)} })
	case remove:
		m.leaving(func(ctx context.Context) input {
			_, gone, err := m.deleteAccount(ctx, a.password)
			return deleteDone{gone, err}
		})
	case send:
		m.post(a.letter, realnet.Request{Command: sending{to: a.letter.to}.command(a.letter.body)})
	case showNames, showPast, showOutbox, showStatus:
		m.later(func(ctx context.Context) input { return m.lookUp(ctx, a) })
	case quit:
		if a.exit == exitOK {
			m.stop(nil)
			return nil
		}
		return &problem{exit: a.exit, quiet: true}
	}
	return nil
}

func (m *lineMode) say(a say) error {
	switch {
	case !m.settings.json:
		return m.console.say(a.text)
	case a.object != nil:
		return printJSON(m.stdout, a.object)
	}
	return nil
}

// later does something that takes time, and comes back with an input.
func (m *lineMode) later(do func(context.Context) input) {
	go func() {
		in := do(m.ctx)
		m.mail.post(func() { m.step(in) })
	}()
}

// post sends a message. Its answer comes whenever it comes.
func (m *lineMode) post(l letter, r realnet.Request) {
	r.Timeout = m.patience
	r.Done = func(o realnet.Outcome) {
		m.mail.post(func() { m.answered(l, o) })
	}
	m.link.Start(r)
	if !m.script {
		time.AfterFunc(slowAfter, func() { m.mail.post(func() { m.step(letterSlow{l.id}) }) })
	}
}

func (m *lineMode) answered(l letter, o realnet.Outcome) {
	err := judge(o, details{name: l.to})
	if err == nil {
		err = m.profile.keepReceipt(o.Reply)
	}
	m.step(letterDone{l.id, o.Reply, err})
	var p *problem
	if errors.As(err, &p) && m.dialogue.me != "" {
		switch p.code { // the feed will say so too, perhaps much later
		case "E_FENCED":
			m.feedFailed(&realnet.FeedEndedError{Why: replica.Fenced})
		case "E_NO_SESSION":
			m.feedFailed(&realnet.FeedEndedError{Why: replica.NoSession})
		}
	}
}

// lookUp answers the commands that only look.
func (m *lineMode) lookUp(ctx context.Context, a act) input {
	var acts []act
	add := func(text string, object any) { acts = append(acts, say{text, object}) }
	var err error
	switch a := a.(type) {
	case showNames:
		err = m.names(ctx, replica.List{Prefix: a.prefix}, 0, func(name string) error {
			add(safe(name), jsonAccount{V: 1, T: "account", Name: name})
			return nil
		})
	case showPast:
		var list []event
		list, err = m.messages(ctx, replica.History{With: a.with, Latest: true}, a.limit)
		for i := range list {
			add(m.dialogue.paint.historyLine(&list[i]), list[i].shape())
		}
	case showOutbox:
		for _, line := range m.link.Pending() {
			add(pendingLine(line), pendingShape(line, "pending"))
		}
	case showStatus:
		for _, s := range m.link.Status(ctx) {
			add(statusLine(&s), statusShape(&s))
		}
	}
	return workDone{acts, err}
}

// leftOver is how many commands have no answer.
func (m *lineMode) leftOver() int {
	if m.link == nil || m.dialogue.mode == busy { // busy: another goroutine has the link
		return 0
	}
	return len(m.link.Pending())
}

// learnNames asks what the servers are called: people know n1, not 127.0.0.1:2056.
func (m *lineMode) learnNames() {
	m.news = m.link.Events()
	link := m.link
	go func() {
		names := map[string]string{}
		for _, s := range link.Status(m.ctx) {
			if s.Err == nil {
				names[s.Address] = nodeName(s.Node)
			}
		}
		m.mail.post(func() { maps.Copy(m.nodes, names) })
	}()
}

func (m *lineMode) called(server string) string {
	if name := m.nodes[server]; name != "" {
		return name
	}
	return server
}

// heard is news of the connection.
func (m *lineMode) heard(n realnet.Note) {
	n.Server = m.called(n.Server)
	n.Trying = slices.Clone(n.Trying)
	for i, server := range n.Trying {
		n.Trying[i] = m.called(server)
	}
	text, object := connection(n), shapeOf(n)
	_, terminal := m.console.(*terminalConsole)
	switch {
	case !terminal && !m.settings.json && text != "":
		m.app.note("%s", text) // a dialogue in a pipe has no lines of its own to stand on
	case m.settings.json && object != nil:
		printJSON(m.stdout, object)
	case !m.settings.json && text != "" && m.dialogue.me != "":
		m.console.note(text)
	}
}

// sessionOver ends what was going on for this device: the feed said so.
func (m *lineMode) sessionOver(ended *realnet.FeedEndedError) error {
	over := feedOver{why: realnet.WhyText(ended.Why, ended.By)}
	switch ended.Why {
	case replica.OtherHistory:
		return refusal(0, "E_OTHER_HISTORY", details{})
	case replica.TakenOver, replica.Fenced:
		over.name = m.profile.device.Account
		m.profile.device.Over = true
		if err := m.profile.save(); err != nil {
			return err
		}
	default:
		if err := m.seat.leave(); err != nil {
			return fmt.Errorf("leave: %w", err)
		}
	}
	m.step(over)
	return nil
}
