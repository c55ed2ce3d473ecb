package main

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"parley/realnet"
)

// settings are the global flags. A flag beats the environment, the environment the config file (one
// flag = value per line), the file the default.
type settings struct {
	servers  []string
	profile  string
	timeout  time.Duration
	stale    bool
	json     bool
	plain    bool
	quiet    bool
	color    string
	record   string
	insecure bool
}

func (s *settings) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&s.servers, "server", realnet.DefaultServers, "servers, as `H:P[,H:P…]`")
	f.StringVar(&s.profile, "profile", "default", "which device of this machine to be: `NAME`")
	f.DurationVar(&s.timeout, "timeout", 10*time.Second, "how long to wait for an answer")
	f.BoolVar(&s.stale, "stale", false, "read from any server, however old its answer")
	f.BoolVar(&s.json, "json", false, "print one JSON object per line")
	f.BoolVar(&s.plain, "plain", false, "print the prompts even into a pipe, and do not redraw")
	f.BoolVarP(&s.quiet, "quiet", "q", false, "print nothing but what was asked for")
	f.StringVar(&s.color, "color", "auto", "`WHEN` to colour names: auto, always or never")
	f.StringVar(&s.record, "record", "", "write a history of all calls and answers to `FILE`, for a checker")
	f.BoolVar(&s.insecure, "insecure", false, "speak to servers on other machines without TLS")
}

// environment names the variables that stand for flags.
var environment = map[string]string{
	"server": "PARLEY_SERVER", "profile": "PARLEY_PROFILE", "color": "PARLEY_COLOR",
	"password-file": "PARLEY_PASSWORD_FILE",
}

// fill sets what the command line left open, from the environment and the config file.
func (s *settings) fill(f *pflag.FlagSet, getenv func(string) string, configPath string) error {
	lines, err := readConfig(configPath)
	if err != nil {
		return err
	}
	known := func(name string) bool { return f.Lookup(name) != nil || name == "password-file" }
	for _, l := range lines {
		if !known(l.flag) || l.flag == "help" {
			return badConfig("parley help lists the global flags", "%s: no flag %q", configPath, l.flag)
		}
	}
	var failed error
	f.VisitAll(func(flag *pflag.Flag) {
		if flag.Changed || failed != nil {
			return
		}
		value, from := getenv(environment[flag.Name]), environment[flag.Name]
		if i := slices.IndexFunc(lines, func(l configLine) bool { return l.flag == flag.Name }); value == "" && i >= 0 {
			value, from = lines[i].value, configPath
		}
		if value == "" || from == "" {
			return
		}
		if err := flag.Value.Set(value); err != nil {
			failed = badConfig("", "%s: %s: %v", from, flag.Name, err)
		}
	})
	return errors.Join(failed, s.check())
}

func (s *settings) check() error {
	if !slices.Contains([]string{"auto", "always", "never"}, s.color) {
		return badConfig("auto, always or never", "--color %s is none of the choices", s.color)
	}
	if !goodProfile(s.profile) {
		return badConfig("letters, digits, '.', '_' and '-', beginning with a letter or digit", "%q cannot name a profile", s.profile)
	}
	if len(s.servers) == 0 || s.timeout <= 0 {
		return badConfig("", "there must be a server and a timeout above 0")
	}
	return nil
}

// configLine is one line of the config file.
type configLine struct{ flag, value string }

func readConfig(path string) ([]configLine, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, badConfig("", "read the configuration: %v", err)
	}
	defer file.Close()
	var lines []configLine
	in := bufio.NewScanner(file)
	for n := 1; in.Scan(); n++ {
		text := strings.TrimSpace(in.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		flag, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, badConfig("one flag = value per line", "%s, line %d: no '='", path, n)
		}
		lines = append(lines, configLine{strings.TrimSpace(flag), strings.TrimSpace(value)})
	}
	if err := in.Err(); err != nil {
		return nil, badConfig("", "read the configuration: %v", err)
	}
	return lines, nil
}
