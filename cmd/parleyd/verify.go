package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"parley/core/replica"
	"parley/core/row"
	"parley/realnet"
	"parley/realnet/sqlite"
)

func newVerify(io stdio) *cobra.Command {
	var data string
	var deep bool
	cmd := &cobra.Command{
		Use:   "verify --data DIR",
		Short: "Look whether a server's data is sound",
		Long: "verify opens the store of a server that does not run, as the server would, and checks its identity,\n" +
			"its order and its log's chain; with --deep also every row against its sum and all against the digest.\n" +
			"Without DIR ask parleyd status: it compares the digests of servers that run.",
		RunE: func(*cobra.Command, []string) error { return verifyStore(io, data, deep) },
	}
	cmd.Flags().StringVar(&data, "data", "", "the server's directory")
	cmd.Flags().BoolVar(&deep, "deep", false, "row by row")
	return cmd
}

func verifyStore(io stdio, data string, deep bool) error {
	if data == "" {
		return usage("verify needs --data DIR")
	}
	err := realnet.LookInto(data, func(h *realnet.Home, s *sqlite.Store, rec replica.Recovered) error {
		if err := checkLog(rec); err != nil {
			return err
		}
		fmt.Fprintf(io.out, "%s of cluster %s: term %d, log %d to %d, applied %d, digest %v\n", realnet.NodeName(h.ID), h.Name,
			rec.Raft.Hard.Term, rec.Raft.Compact.Index+1, lastIndex(rec), rec.Raft.Applied, rec.Digest)
		if !deep {
			fmt.Fprintln(io.out, "sound as far as it goes without reading every row; --deep does")
			return nil
		}
		snap, err := s.Export()
		if err != nil {
			return err
		}
		rows := 0
		err = replica.ReadSnapshot(snap, replica.Catalogue(), func(row.Row) error { rows++; return nil })
		if err != nil {
			return err
		}
		fmt.Fprintf(io.out, "sound: %d rows read, each as it was written, together with digest %v\n", rows, snap.Digest)
		return nil
	})
	if err != nil {
		return openError(err)
	}
	return nil
}
