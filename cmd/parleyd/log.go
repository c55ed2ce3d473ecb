package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"parley/core/raft"
	"parley/core/replica"
	"parley/realnet"
	"parley/realnet/sqlite"
)

func newLog(io stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use: "log", Short: "Look into a server's log", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var data string
	var from uint64
	var limit int
	inspect := &cobra.Command{
		Use:   "inspect --data DIR",
		Short: "List entries, and check chain and gaps",
		Long: "inspect lists the log of a server that does not run: for each entry its index, term, cluster time,\n" +
			"size and which command of which device it is. What people wrote is not shown.",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return inspectLog(io, data, from, limit) },
	}
	fl := inspect.Flags()
	fl.StringVar(&data, "data", "", "the server's directory")
	fl.Uint64Var(&from, "from", 0, "first index to list (0: the last ones)")
	fl.IntVar(&limit, "limit", 50, "how many to list, 0: all")
	cmd.AddCommand(inspect)
	return cmd
}

func inspectLog(io stdio, data string, from uint64, limit int) error {
	switch {
	case data == "":
		return usage("log inspect needs --data DIR")
	case limit < 0:
		return usage("--limit is %d, want 0 or more", limit)
	}
	err := realnet.LookInto(data, func(_ *realnet.Home, _ *sqlite.Store, rec replica.Recovered) error {
		listLog(io.out, rec, raft.Index(from), limit)
		if err := checkLog(rec); err != nil {
			return err
		}
		fmt.Fprintf(io.out, "no gap, chain intact: %d entries from %d to %d\n", len(rec.Raft.Entries), rec.Raft.Compact.Index+1, lastIndex(rec))
		return nil
	})
	if err != nil {
		return openError(err)
	}
	return nil
}

func lastIndex(rec replica.Recovered) raft.Index {
	return rec.Raft.Compact.Index + raft.Index(len(rec.Raft.Entries))
}

// checkLog follows the chain from the compacted entry to the last.
func checkLog(rec replica.Recovered) error {
	last := rec.Raft.Compact
	for i := range rec.Raft.Entries {
		e := &rec.Raft.Entries[i]
		want := raft.ChainNext(last.Chain, e)
		switch {
		case e.Index != last.Index+1:
			return fmt.Errorf("entry %d follows entry %d", e.Index, last.Index)
		case e.Term < last.Term:
			return fmt.Errorf("entry %d is of term %d, the one before of %d", e.Index, e.Term, last.Term)
		case e.Chain != want:
			return fmt.Errorf("entry %d: its chain is %v, want %v", e.Index, e.Chain, want)
		}
		last = raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain}
	}
	return nil
}

func listLog(w io.Writer, rec replica.Recovered, from raft.Index, limit int) {
	entries := rec.Raft.Entries
	switch {
	case from == 0 && limit > 0 && limit < len(entries):
		entries = entries[len(entries)-limit:]
	case from > rec.Raft.Compact.Index:
		entries = entries[min(from-rec.Raft.Compact.Index-1, raft.Index(len(entries))):]
	}
	if limit > 0 && limit < len(entries) {
		entries = entries[:limit]
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "INDEX\tTERM\tTIME\tBYTES\tCOMMITTED\tDEVICE\tNUMBER\tWHAT")
	for i := range entries {
		e := &entries[i]
		device, number, what := describeEntry(e)
		fmt.Fprintf(t, "%d\t%d\t%v\t%d\t%t\t%s\t%s\t%s\n", e.Index, e.Term, time.Duration(e.Time).Round(time.Millisecond),
			len(e.Data), e.Index <= rec.Raft.Hard.Commit, device, number, what)
	}
	t.Flush()
}

func describeEntry(e *raft.Entry) (device, number, what string) {
	if e.Kind != raft.Command {
		return "-", "-", "the leader's first"
	}
	req, err := replica.DecodeRequest(e.Data)
	if err != nil {
		return "-", "-", fmt.Sprintf("unreadable: %v", err)
	}
	what = strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", req.Command), "chat."))
	if !req.Numbered {
		return "-", "-", what
	}
	return fmt.Sprintf("%.4x", req.Device), fmt.Sprint(req.DSeq), what
}
