// Package linearizability is the judge: it reads what clients saw and decides whether one correct
// server, doing one thing at a time, could have shown it.
//
// # The idea
//
// A history is calls and answers on one clock. Ann sends to Bob, and while her call is open Bob
// reads:
//
//	ann  |--------- send m1 → seq 1 ---------|
//	bob      |- read → nothing -|   |- read → m1 -|
//
// Each call must have taken effect at one instant between its two ends. Put the send between the
// two reads and all is explained: the history is linearizable. Swap the answers of the reads and no
// instant will do, for the first read was over before the second began.
//
// To find such an order is NP-complete, to verify one is cheap. So the server hands it over: every
// answer carries its position in the log. The certificate sorts by position, sweeps once for real
// time, and replays the sequential specification. If every recorded answer comes out, the history
// is linearizable, whatever the server may have claimed. If not, the positions lie, and a search
// that looks at no position says whether any other order would do.
//
//	h, err := linearizability.Read(file)
//	…
//	r := linearizability.Check(h, linearizability.Options{})
//	fmt.Print(r)
//	os.Exit(r.Verdict.ExitCode())
//
// A verdict is as strong as its proof: Pass means that an order was exhibited, Illegal that there
// is none, PositionContract that the claimed one is none. All else is Unknown, a spent budget
// first of all. Budgets count configurations, not seconds, so every machine says the same.
//
// # The rooms of this package
//
//	history.go, shape.go   what can be recorded; each line of the file has one shape
//	decode.go, encode.go   the file; strict in reading, one Write per event in writing
//	scan.go                lines as our encoder writes them, read fast
//	pack.go, words.go,
//	blocks.go, numbering.go   a history as it is kept: fifteen bytes an event
//	validate.go            what no history can contain
//	operation.go           events joined to operations; what any order has to explain
//	evidence.go            what answers say about each other; unknown outcomes resolved by it
//	axioms.go, sessions.go,
//	cursor.go              necessary conditions, which give a failure its name
//	compile.go, state.go   names as small numbers; a state that is cheap to copy, compare and undo
//	model.go, uid.go       the specification, written from the chat semantics, not from the code
//	certificate.go         the claimed order verified
//	feed.go                what a feed delivered and what was acknowledged, packed
//	ledger.go, feedcheck.go   the certified log, and the streams held to it
//	partition.go           what can be judged apart
//	search.go, engine.go   any other order looked for, part by part
//	key.go                 states and configurations in 128 bits
//	porcupine.go           the second opinion on a part without an order
//	explain.go, check.go   words and verdicts
//	stream.go, touch.go    every configuration possible, event by event
//	core.go, matter.go     the shortest reason: folded, cut and weakened until little is left
//	claim.go               the same for an order that only the positions claim
//	corefile.go            a core as a history of its own
//	coretext.go            a core in sentences
//	html.go, page.go, timeline.go   a report as a page
//
// It imports nothing of Parley: a model that shares code with what it judges proves it
// consistently wrong.
package linearizability
