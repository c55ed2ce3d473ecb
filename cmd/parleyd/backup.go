package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"parley/core/replica"
	"parley/realnet"
	"parley/realnet/backup"
)

func newBackup(io stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Keep a cluster's data in a file, and make a new cluster of it",
		Long: "A backup holds accounts, messages, devices and settings as they are at one place in the log. The\n" +
			"cluster's secret is not in it, but password hashes and all messages are: keep it as you would keep\n" +
			"them.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBackupCreate(io), newBackupVerify(io), newBackupRestore(io))
	return cmd
}

// oneFile wants one argument, a file.
func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("%s takes one FILE, not %d arguments", cmd.CommandPath(), len(args))
	}
	return nil
}

func newBackupCreate(io stdio) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "create FILE --data DIR",
		Short: "Write a backup, and verify it",
		Long: "create asks the server that runs in DIR, or reads its store if none runs. A running server goes on\n" +
			"serving; the backup holds at least all that was acknowledged before.",
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error { return createBackup(cmd.Context(), io, args[0], data) },
	}
	cmd.Flags().StringVar(&data, "data", "", "the server's directory")
	return cmd
}

// backupLimit is how long a backup may take to arrive.
const backupLimit = 10 * time.Minute

func createBackup(ctx context.Context, io stdio, file, data string) error {
	if data == "" {
		return usage("backup create needs --data DIR")
	}
	home, err := realnet.LoadHome(data)
	if err != nil {
		return config(err, "")
	}
	if err := mustNotExist(file); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, backupLimit)
	defer cancel()
	snap, err := realnet.TakeBackup(ctx, data)
	if errors.Is(err, realnet.ErrNotRunning) {
		snap, err = readStore(data)
	}
	if err != nil {
		return err
	}
	b := backup.New(home, snap, time.Now())
	draft := file + ".part"
	if err := writeBackup(draft, b); err != nil {
		return err
	}
	if err := verifyBackup(draft); err != nil {
		return err
	}
	if err := os.Link(draft, file); err != nil { // unlike a rename, it replaces nothing
		return fmt.Errorf("give the backup its name: %w", err)
	}
	if err := errors.Join(os.Remove(draft), syncDir(filepath.Dir(file))); err != nil {
		return fmt.Errorf("give the backup its name: %w", err)
	}
	describeBackup(io, file, b)
	return nil
}

func mustNotExist(file string) error {
	_, err := os.Lstat(file)
	switch {
	case err == nil:
		return config(fmt.Errorf("%s exists", file), "backups are never written over; choose another name")
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// readStore reads the store of a server that does not run.
func readStore(data string) (replica.Snapshot, error) {
	snap, err := realnet.ReadStore(data)
	if err != nil {
		return snap, openError(err)
	}
	return snap, nil
}

func writeBackup(file string, b *backup.Backup) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(b.Write(f), f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readBackup(file string) (*backup.Backup, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := backup.Read(f)
	if err != nil {
		return nil, &exitError{exitNo, fmt.Errorf("%s: %w", file, err), "nothing was changed"}
	}
	return b, nil
}

func verifyBackup(file string) error {
	b, err := readBackup(file)
	if err != nil {
		return err
	}
	return b.Verify("")
}

func describeBackup(io stdio, file string, b *backup.Backup) {
	h := &b.Head
	fmt.Fprintf(io.out, "%s: cluster %s %.8s, epoch %d, by %s at %s\n", file, h.Name, h.Cluster, h.Epoch, h.Node,
		h.Taken.Format(time.RFC3339))
	fmt.Fprintf(io.out, "index %d, digest %v, backup %.12s\n", h.Index, h.Digest, b.Sum)
	names, counts := b.Rows()
	var parts []string
	for i, name := range names {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[i]))
	}
	fmt.Fprintf(io.out, "rows: %s\n", strings.Join(parts, ", "))
	fmt.Fprintln(io.out, "verified: restored into a scratch directory, with the same digest")
}

func newBackupVerify(io stdio) *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE",
		Short: "Restore a backup into a scratch directory, and compare",
		Args:  oneFile,
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := readBackup(args[0])
			if err != nil {
				return err
			}
			if err := b.Verify(""); err != nil {
				return err
			}
			describeBackup(io, args[0], b)
			return nil
		},
	}
}

// restoreFlags are those of init that a backup does not answer.
type restoreFlags struct{ name, data, listen, peers, token, cluster string }

func newBackupRestore(io stdio) *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore FILE --name n1",
		Short: "Make a server of a new cluster that begins with a backup",
		Long: "restore makes the directory of one founder of a new cluster, with a new id and secret. All founders\n" +
			"begin with the same backup: the first prints a token, the others are made with it.\n\n" +
			"  parleyd backup restore FILE --name n1 --peers n1=10.0.0.1:2056,n2=10.0.0.2:2056,n3=10.0.0.3:2056\n" +
			"  parleyd backup restore FILE --name n2 --cluster TOKEN\n\n" +
			"Stop the old cluster first: its servers cannot talk to the new one, and clients that go on with it\n" +
			"go on in another history.",
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, io, args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.name, "name", "", "which server this is: n1, n2, and so on")
	fl.StringVar(&f.data, "data", "", "its directory (default parley-data/NAME)")
	fl.StringVar(&f.listen, "listen", "", "host:port to listen on (default as --peers says)")
	fl.StringVar(&f.peers, "peers", defaultPeers, "all founders and their addresses")
	fl.StringVar(&f.cluster, "cluster-name", "", "what to call the cluster (default as the backup says)")
	fl.StringVar(&f.token, "cluster", "", "`token` of the cluster to found with others; - reads it from standard input")
	return cmd
}

func (f *restoreFlags) run(cmd *cobra.Command, io stdio, file string) error {
	id, err := realnet.ParseNode(f.name)
	if err != nil {
		return usage("--name: %v", err)
	}
	b, err := readBackup(file)
	if err != nil {
		return err
	}
	birth, err := f.birth(cmd, io, b)
	if err != nil {
		return err
	}
	home := realnet.Home{Birth: birth, ID: id, Listen: f.listen}
	if home.Listen == "" {
		home.Listen = birth.Address(id)
	}
	dir := f.data
	if dir == "" {
		dir = filepath.Join("parley-data", f.name)
	}
	if err := b.Restore(dir, home); err != nil {
		return config(err, "restore never touches existing data; nothing was changed")
	}
	fmt.Fprintf(io.err, "made %s for %s of cluster %s, at index %d of %s\n", dir, f.name, birth.Name, b.Head.Index, file)
	if f.token == "" {
		fmt.Fprintf(io.err, "the other founders are made of the same backup with this token, which is a secret:\n"+
			"  parleyd backup restore FILE --name NAME --cluster TOKEN\n")
		fmt.Fprintln(io.out, birth.Token())
	}
	fmt.Fprintf(io.err, "run it with:  parleyd serve --data %s\n", dir)
	return nil
}

// birth is the token's, or a new one.
func (f *restoreFlags) birth(cmd *cobra.Command, io stdio, b *backup.Backup) (realnet.Birth, error) {
	if f.token != "" {
		for _, name := range []string{"peers", "cluster-name"} {
			if cmd.Flags().Changed(name) {
				return realnet.Birth{}, usage("--%s is in the token already; only the first founder says it", name)
			}
		}
		return birthOfToken(f.token, io)
	}
	members, err := parsePeers(f.peers)
	if err != nil {
		return realnet.Birth{}, err
	}
	name := f.cluster
	if name == "" {
		name = b.Head.Name
	}
	birth, err := b.Birth(name, members)
	if err != nil {
		return birth, usage("--peers: %v", err)
	}
	return birth, nil
}
