package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	lin "parley/linearizability"
	"parley/realnet/recording"
)

// offline marks the commands that do not talk to servers as a client: there is nothing to record.
const offline = "offline"

func isOffline(cmd *cobra.Command) bool { return cmd.Annotations[offline] != "" }

// startRecording begins the history of --record. Which logins exclude each other is part of it.
func (a *app) startRecording(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.settings.timeout)
	defer cancel()
	policy, err := a.askPolicy(ctx)
	if err != nil {
		return err
	}
	login := lin.LoginExclusive
	if policy.MultiLogin {
		login = lin.LoginMulti
	}
	a.recorder, err = newRecorder(a.settings.record, login)
	return err
}

func newRecorder(path, login string) (*recording.Recorder, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, badConfig("", "--record: %v", err)
	}
	return recording.New(f, login), nil
}

func (a *app) stopRecording() error {
	if a.recorder == nil {
		return nil
	}
	if err := a.recorder.Close(); err != nil {
		return badConfig("", "--record: %v", err)
	}
	return nil
}
