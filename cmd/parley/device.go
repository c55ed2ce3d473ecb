package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"parley/core/chat"
	"parley/core/session"
	"parley/realnet"
)

// profile is one device of this machine: the directory with what it must not forget.
//
//	device    who it is, and its secret
//	outbox    commands whose outcome is not known (realnet.OutboxFile)
//	inbox     the cursor, and what was received and not yet shown
//	receipts  where every acknowledged message stands
type profile struct {
	places places
	name   string
	device *device // nil: not logged in, and nothing under way
}

// device is what the file of that name holds.
type device struct {
	ID      session.DeviceID
	Secret  [32]byte
	Account string
	UID     chat.UID // 0: the first contact has no answer yet
	Label   string
	Cursor  uint64 // where its feed began: the account's cursor at the last login
	Over    bool   // another device took over: it may log in again, as the same account
}

// deviceFile is device as JSON.
type deviceFile struct {
	V       int    `json:"v"`
	Device  string `json:"device"`
	Secret  string `json:"secret"`
	Account string `json:"account"`
	UID     uint64 `json:"uid,omitempty"`
	Label   string `json:"label,omitempty"`
	Cursor  uint64 `json:"cursor,omitempty"`
	Over    bool   `json:"over,omitempty"`
}

// token is what servers know the device by.
func (d *device) token() chat.Token { return sha256.Sum256(d.Secret[:]) }

func (d *device) known() bool { return d != nil && d.UID != 0 }

// openProfile finds the profile's files, or makes its directory.
func openProfile(p places, name string) (*profile, error) {
	for _, dir := range []string{p.state, p.profile(name), p.run} {
		if err := privateDir(dir); err != nil {
			return nil, err
		}
	}
	pr := &profile{places: p, name: name}
	return pr, pr.load()
}

func (p *profile) path(file string) string { return filepath.Join(p.places.profile(p.name), file) }

func (p *profile) load() error {
	data, err := os.ReadFile(p.path("device"))
	if errors.Is(err, fs.ErrNotExist) {
		p.device = nil
		return nil
	}
	if err != nil {
		return badConfig("", "read the device: %v", err)
	}
	if err := privateFile(p.path("device")); err != nil {
		return err
	}
	d, err := decodeDevice(data)
	if err != nil {
		return badConfig("parley login from another --profile, or move the file away", "%s: %v", p.path("device"), err)
	}
	p.device = d
	return nil
}

func decodeDevice(data []byte) (*device, error) {
	var f deviceFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	d := &device{Account: f.Account, UID: chat.UID(f.UID), Label: f.Label, Cursor: f.Cursor, Over: f.Over}
	id, err1 := hex.DecodeString(f.Device)
	secret, err2 := hex.DecodeString(f.Secret)
	if f.V != 1 || err1 != nil || err2 != nil || len(id) != len(d.ID) || len(secret) != len(d.Secret) {
		return nil, errors.New("not a device of this version")
	}
	copy(d.ID[:], id)
	copy(d.Secret[:], secret)
	return d, nil
}

// save puts the device on the disk.
func (p *profile) save() error {
	d := p.device
	data, err := json.Marshal(deviceFile{1, hex.EncodeToString(d.ID[:]), hex.EncodeToString(d.Secret[:]),
		d.Account, uint64(d.UID), d.Label, d.Cursor, d.Over})
	if err == nil {
		err = replaceFile(p.path("device"), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("save the device: %w", err)
	}
	return nil
}

// draw makes a new device for an account; its numbers begin at 1, so the old outbox must go. The
// caller has made sure that nothing in it matters.
func (p *profile) draw(account, label string) error {
	if err := p.forget(); err != nil {
		return err
	}
	d := &device{Account: account, Label: label}
	rand.Read(d.ID[:])
	rand.Read(d.Secret[:])
	p.device = d
	return p.save()
}

// forget removes the device: it is closed, or was never opened. What was received stays.
func (p *profile) forget() error {
	p.device = nil
	for _, file := range []string{"device", "outbox"} {
		if err := os.Remove(p.path(file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget the device: %w", err)
		}
	}
	return nil
}

// openOutbox opens the file in which the device's numbers are drawn.
func (p *profile) openOutbox() (*realnet.OutboxFile, error) {
	return realnet.OpenOutbox(p.path("outbox"), p.places.lock(p.name, "outbox"), p.device.ID)
}

// defaultLabel is what other devices are told of this one.
func defaultLabel() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "parley"
	}
	return host
}
