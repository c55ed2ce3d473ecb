package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newTree builds the commands anew for each life of the program; nothing of them is global.
func newTree(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "parley",
		Short: "Chat through servers that do not lose, double or reorder a message",
		Long: `parley alone is line mode: sign up or log in, then type. With a command it does one thing and
ends, for people and scripts.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.begin(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.lineMode(cmd.Context()) },
	}
	a.settings = settings{}
	a.settings.flags(root.PersistentFlags())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%s", err) })
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.AddCommand(
		signupCommand(a), loginCommand(a), logoutCommand(a), whoamiCommand(a), passwdCommand(a),
		sendCommand(a), readCommand(a), historyCommand(a), watchCommand(a), listCommand(a),
		outboxCommand(a), deleteCommand(a), checkCommand(a), statusCommand(a), versionCommand(a), demoCommand(a),
		replicaCommand(a),
	)
	root.AddCommand(topics()...)
	root.CompletionOptions.HiddenDefaultCmd = false
	return root
}

// begin settles the global flags, when they are parsed and before the command runs.
func (a *app) begin(cmd *cobra.Command) error {
	if err := a.configure(cmd.Flags()); err != nil {
		return err
	}
	a.started = true
	switch {
	case a.settings.record == "":
		return nil
	case isOffline(cmd):
		return usage("%s has nothing to --record", cmd.CommandPath())
	}
	return a.startRecording(cmd.Context())
}

func (a *app) configure(flags *pflag.FlagSet) (err error) {
	if a.places, err = findPlaces(a.getenv); err != nil {
		return err
	}
	return a.settings.fill(flags, a.getenv, a.places.configFile())
}

// args makes wrong usage of what cobra finds wrong with the arguments.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, list []string) error {
		if err := check(cmd, list); err != nil {
			return &problem{exit: exitUsage, text: err.Error(), hint: cmd.CommandPath() + " --help"}
		}
		return nil
	}
}

var noArgs = args(func(cmd *cobra.Command, list []string) error {
	if len(list) > 0 {
		return usage("there is no command %q", list[0])
	}
	return nil
})

// topics are pages of help that are no commands.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "environment", Short: "Variables and files", Long: environmentHelp},
		{Use: "exit-codes", Short: "What the exit codes mean", Long: exitHelp},
		{Use: "line-mode", Short: "What can be typed in line mode", Long: lineModeHelp},
	}
}

const environmentHelp = `A flag beats the environment, the environment the config file, the file the default.

PARLEY_SERVER         as --server
PARLEY_PROFILE        as --profile
PARLEY_PASSWORD_FILE  as --password-file
PARLEY_COLOR          as --color
PARLEY_HOME           replaces all directories below
NO_COLOR, TERM        no colour if set, or if dumb

$XDG_CONFIG_HOME/parley/config     global flags, one "flag = value" per line
$XDG_STATE_HOME/parley/PROFILE/    the device (a secret), its outbox, inbox and receipts
$XDG_STATE_HOME/parley/history     lines typed in line mode, without passwords
$XDG_RUNTIME_DIR/parley/           locks`

const exitHelp = `  0  done
  1  the answer is no, or an error without a better number
 10  check: illegal, no order explains the history
 11  check: the order that the positions claim does not explain it
 12  check: unknown, undecided or too little seen
 64  wrong usage
 65  bad data: a bad name, a bad, empty or too large text; check: a file is no history
 66  check: a file could not be read
 67  no such user
 69  definitely not applied, safe to run again: no server, no leader, busy, full
 70  a bug: a check of our own failed, such as a gap in the feed
 73  the name is taken
 75  not known yet: parley outbox retry settles it; running send again would be a second message
 76  other protocol version or other cluster
 77  not allowed: wrong password, not logged in, taken over, and every other refusal
 78  configuration
 79  logged in elsewhere
130  Ctrl+C`

const lineModeHelp = `At the first prompt:
  1|NAME   sign up          2|NAME   log in          2|NAME!   log in, and end the login elsewhere

Then (a / works for the \):
` + commandHelp + `

Ctrl+C clears the line, and logs out on an empty one; Ctrl+D leaves the device logged in.
A line that begins with \\ or // is text that begins with \ or /.`

// commandHelp is what \help prints.
const commandHelp = `  \send [NAME [TEXT]]   send a message; asks for what is missing
  @NAME [TEXT]          the same, and plain lines go to NAME from then on; @ alone ends that
  \list [PREFIX]        names that begin with PREFIX
  \history [NAME [N]]   the last messages with NAME
  \outbox               what is not acknowledged yet
  \status               the servers
  \logout               log out
  \delete               delete the account
  \help                 this
  \quit                 leave, and stay logged in`
