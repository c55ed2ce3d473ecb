package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"parley/realnet"
	"parley/realnet/sqlite"
)

type serveFlags struct {
	data, listen, log string
	insecure          bool
	attached          bool
}

func newServe(io stdio) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "Run a server in the foreground",
		Long: "serve runs the server whose directory init made, until SIGTERM or Ctrl+C: then it hands over,\n" +
			"answers what it owes, and closes. Logs go to standard error.",
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), io) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.data, "data", "", "the server's directory")
	fl.StringVar(&f.listen, "listen", "", "host:port to listen on (default as init was told)")
	fl.BoolVar(&f.insecure, "insecure", false, "listen beyond this machine, although nothing is encrypted")
	fl.StringVar(&f.log, "log", "text", "`text` or json")
	fl.BoolVar(&f.attached, "attached", false, "end when standard input does")
	_ = fl.MarkHidden("attached") // for dev, whose children end with it, whatever becomes of it
	return cmd
}

func (f *serveFlags) run(ctx context.Context, io stdio) error {
	if f.data == "" {
		return &exitError{exitUsage, errors.New("serve needs --data DIR"), "parleyd init makes a directory; parleyd dev runs three servers at once"}
	}
	logger, err := newLogger(f.log, io.err)
	if err != nil {
		return err
	}
	server, err := realnet.OpenServer(realnet.ServerConfig{
		Dir: f.data, Listen: f.listen, Insecure: f.insecure, Logger: logger,
	})
	if err != nil {
		return openError(err)
	}
	if f.attached {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go endWith(io.in, cancel) // ends with the process at the latest
	}
	fmt.Fprintln(io.out, "Starting server. Listening...")
	return server.Serve(ctx)
}

// openError tells a directory that a person must look at from a disk that failed.
func openError(err error) error {
	var refused *sqlite.Refused
	switch {
	case !errors.As(err, &refused):
		return config(err, "")
	case refused.Reason == sqlite.Damaged:
		return &exitError{exitDisk, err, refused.Hint}
	}
	return config(err, refused.Hint)
}

func newLogger(kind string, w io.Writer) (*slog.Logger, error) {
	switch kind {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	}
	return nil, usage("--log is %q, want text or json", kind)
}

// endWith cancels when there is no more to read.
func endWith(r io.Reader, cancel func()) {
	_, _ = io.Copy(io.Discard, r)
	cancel()
}
