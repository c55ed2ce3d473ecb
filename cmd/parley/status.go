package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"parley/core/session"
	"parley/realnet"
)

func statusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "The servers, as seen from here", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			link, err := a.dial(a.clientConfig())
			if err != nil {
				return err
			}
			defer link.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), a.settings.timeout)
			defer cancel()
			return a.showStatus(link.Status(ctx))
		},
	}
}

// showStatus prints what the servers said. None that answers is a problem.
func (a *app) showStatus(list []realnet.ServerStatus) error {
	up := 0
	for i := range list {
		if err := a.show(statusShape(&list[i]), statusLine(&list[i])); err != nil {
			return err
		}
		if list[i].Err == nil {
			up++
		}
	}
	if up == 0 {
		return &problem{exit: exitNotApplied, code: "E_UNAVAILABLE", class: className(session.NotApplied),
			text: "no server answers", hint: "parleyd dev starts three on this machine"}
	}
	return nil
}

func statusShape(s *realnet.ServerStatus) jsonConn {
	c := jsonConn{V: 1, T: "conn", Server: s.Address}
	if s.Err != nil {
		c.State, c.Error = "down", cause(s.Err)
		return c
	}
	c.State, c.Node, c.Term, c.Applied, c.Cluster, c.Version = s.Role, nodeName(s.Node), s.Term, s.Applied, s.Cluster, s.Version
	if s.Leader != 0 {
		c.Leader = nodeName(s.Leader)
	}
	return c
}

func statusLine(s *realnet.ServerStatus) string {
	if s.Err != nil {
		return fmt.Sprintf("%-21s  down: %s", s.Address, safe(cause(s.Err)))
	}
	leader := "nobody leads"
	if s.Leader != 0 {
		leader = nodeName(s.Leader) + " leads"
	}
	return fmt.Sprintf("%-21s  %s  %-9s  %s, term %d, applied %d", s.Address, nodeName(s.Node), safe(s.Role), leader, s.Term, s.Applied)
}

// cause is the innermost of an error: people need no layers.
func cause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

func nodeName(id uint64) string { return fmt.Sprintf("n%d", id) }

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "The version of parley", Args: args(cobra.NoArgs),
		Annotations: map[string]string{offline: "here is nobody to talk to"},
		RunE: func(*cobra.Command, []string) error {
			return a.show(jsonVersion{1, "version", version(), goVersion()}, "parley "+version()+" "+goVersion())
		},
	}
}

// version is that of the module, as the build recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return "unknown"
}
