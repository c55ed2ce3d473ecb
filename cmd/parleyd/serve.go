package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"parley/realnet"
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

func openError(err error) error {
	var fatal *realnet.FatalError
	if errors.As(err, &fatal) {
		return err
	}
	return config(err, "")
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

// short cuts what is too long for one line.
func short(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
