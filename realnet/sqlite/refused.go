package sqlite

// Reason is why a directory was refused; programs branch on it.
type Reason uint8

// The reasons of Init and Open.
const (
	Missing  Reason = iota + 1 // there is no store
	NotEmpty                   // there is something already
	Foreign                    // it is another node's or cluster's store, or no store of ours
	InUse                      // another process has it
	Newer                      // a later version of Parley wrote it
	Damaged                    // it is not what was written
)

// Refused is the error of Init and Open when a person has to do something.
type Refused struct {
	Reason Reason
	Text   string
	Hint   string // what to do, in a few words
	Err    error  // what lies below, or nil
}

func (r *Refused) Error() string {
	if r.Err != nil {
		return r.Text + ": " + r.Err.Error()
	}
	return r.Text
}

func (r *Refused) Unwrap() error { return r.Err }
