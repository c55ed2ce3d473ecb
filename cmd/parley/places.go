package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
)

// places are the directories that parley uses.
type places struct {
	config string // config
	state  string // PROFILE/ and history
	run    string // locks
}

// findPlaces follows PARLEY_HOME, which replaces all of them, or the XDG variables.
func findPlaces(getenv func(string) string) (places, error) {
	if home := getenv("PARLEY_HOME"); home != "" {
		return places{config: home, state: home, run: filepath.Join(home, "run")}, nil
	}
	user := getenv("HOME")
	base := func(variable, otherwise string) string {
		if dir := getenv(variable); filepath.IsAbs(dir) {
			return filepath.Join(dir, "parley")
		}
		return filepath.Join(user, otherwise, "parley")
	}
	if user == "" && getenv("XDG_STATE_HOME") == "" {
		return places{}, badConfig("set PARLEY_HOME to a directory of your own", "neither HOME nor XDG_STATE_HOME is set")
	}
	p := places{config: base("XDG_CONFIG_HOME", ".config"), state: base("XDG_STATE_HOME", ".local/state")}
	p.run = base("XDG_RUNTIME_DIR", "")
	if !filepath.IsAbs(getenv("XDG_RUNTIME_DIR")) {
		p.run = filepath.Join(p.state, "run")
	}
	return p, nil
}

func (p places) configFile() string { return filepath.Join(p.config, "config") }
func (p places) history() string    { return filepath.Join(p.state, "history") }

func (p places) profile(name string) string { return filepath.Join(p.state, name) }

// lock names a lock of a profile. The runtime directory may serve several state directories.
func (p places) lock(profile, what string) string {
	h := fnv.New32a()
	h.Write([]byte(p.profile(profile)))
	return filepath.Join(p.run, fmt.Sprintf("%s-%08x.%s", profile, h.Sum32(), what))
}

// goodProfile reports whether name can be a directory beside our own files.
func goodProfile(name string) bool {
	return goodName(name) && name != "config" && name != "history" && name != "run"
}

// goodName is the grammar of account names. The servers check again.
func goodName(name string) bool {
	if name == "" || len(name) > 32 {
		return false
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return strings.IndexByte(letters, name[0]) >= 0 && strings.Trim(name, letters+"._-") == ""
}

// privateDir makes a directory that only its owner may enter, and refuses one that others may.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return badConfig("", "make %s: %v", dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return badConfig("", "look at %s: %v", dir, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return badConfig("chmod 700 "+dir, "%s is open to others: mode %#o", dir, info.Mode().Perm())
	}
	return nil
}

// privateFile refuses a file that others may read.
func privateFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return badConfig("chmod 600 "+path, "%s is open to others: mode %#o", path, info.Mode().Perm())
	}
	return nil
}

// replaceFile puts data where path is, all of it or nothing, and on the disk before it returns.
func replaceFile(path string, data []byte) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
