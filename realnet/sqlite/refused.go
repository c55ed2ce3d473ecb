package sqlite

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
)

// Reason is why a directory was refused; programs branch on it.
type Reason uint8

// The reasons of Init and Open.
const (
	Missing  Reason = iota + 1 // there is no store
	NotEmpty                   // there is something already
	Foreign                    // it is another node's or cluster's store, or no store of ours
	InUse                      // another process has it
	Newer                      // a later version of Parley wrote it
	Damaged                    // it is not what was written; Verdict says what follows
)

// Verdict is how bad the damage is: what a replica may have forgotten. Today every one of them means
// that the store does not open. They are told apart because a replica could go on with some: with
// EntryDamaged and StateDamaged its term and vote are intact, and the others have what it lacks.
type Verdict uint8

// The verdicts.
const (
	Clean        Verdict = iota // all that was saved is there
	LostTail                    // saves are missing, or term, vote or identity: it may have forgotten promises
	EntryDamaged                // entries of the log are missing or altered; term and vote are intact
	StateDamaged                // replicated rows are missing or altered; log, term and vote are intact
)

func (v Verdict) String() string {
	return [...]string{"clean", "lost tail", "entry damaged", "state damaged"}[v]
}

// Refused is the error of Init and Open when a person has to do something.
type Refused struct {
	Reason  Reason
	Verdict Verdict // if it is Damaged
	Text    string
	Hint    string // what to do, in a few words
	Err     error  // what lies below, or nil
}

func (r *Refused) Error() string {
	if r.Err != nil {
		return r.Text + ": " + r.Err.Error()
	}
	return r.Text
}

func (r *Refused) Unwrap() error { return r.Err }

var hints = map[Verdict]string{
	LostTail: "keep this server off, and the directory as it is: it may have forgotten a vote or messages it " +
		"acknowledged. The others go on without it as long as they are a majority. Do not restore an older copy",
	EntryDamaged: "keep this server off, and the directory as it is; the others have its log and go on without it " +
		"as long as they are a majority",
	StateDamaged: "keep this server off, and the directory as it is; the others have its data and go on without it " +
		"as long as they are a majority",
}

// damaged is the refusal of what was read and is not what was written. Who knows which promises that
// touches gives the verdict; see judged.
func damaged(format string, args ...any) error {
	return &Refused{Reason: Damaged, Text: "damaged store: " + fmt.Sprintf(format, args...), Hint: hints[StateDamaged]}
}

func lostTail(format string, args ...any) error { return judged(LostTail, damaged(format, args...)) }

// judged gives damage that has none a verdict. Damage is also what SQLite calls so.
func judged(v Verdict, err error) error {
	var refused *Refused
	var theirs *sqlite.Error
	switch {
	case errors.As(err, &refused):
		if refused.Reason == Damaged && refused.Verdict == Clean {
			refused.Verdict, refused.Hint = v, hints[v]
		}
	case errors.As(err, &theirs) && corrupt(theirs.Code()):
		return &Refused{Reason: Damaged, Verdict: v, Text: "damaged store", Hint: hints[v], Err: err}
	}
	return err
}

// corrupt says whether a code of SQLite's means that a file is not what was written.
func corrupt(code int) bool {
	const sqliteError, sqliteCorrupt, sqliteNotADB = 1, 11, 26
	return code&0xff == sqliteCorrupt || code&0xff == sqliteNotADB || code&0xff == sqliteError
}
