package chat

import (
	"fmt"
	"slices"
	"strings"

	"parley/core/row"
)

// setting ties a field of Settings to its row.
type setting struct {
	name     string
	flag     *bool
	number   *int
	time     *int64
	min, max int64
}

// list has all settings, by name.
func (s *Settings) list() []setting {
	const day = 24 * 3600 * second
	list := []setting{
		{name: "open_auth", flag: &s.OpenAuth, max: 1},
		{name: "multi_login", flag: &s.MultiLogin, max: 1},
		{name: "closed_registration", flag: &s.ClosedRegistration, max: 1},
		{name: "max_body", number: &s.MaxBody, min: 1, max: 64 << 10},
		{name: "max_devices", number: &s.MaxDevices, min: 1, max: 64},
		{name: "max_queue", number: &s.MaxQueue, min: 1, max: 1_000_000},
		{name: "max_open", number: &s.MaxOpen, min: 1, max: 256},
		{name: "page_accounts", number: &s.PageAccounts, min: 1, max: 1000},
		{name: "page_messages", number: &s.PageMessages, min: 1, max: 500},
		{name: "send_per_sec", number: &s.SendPerSec, max: 1_000_000},
		{name: "send_burst", number: &s.SendBurst, max: 1_000_000},
		{name: "lease_ns", time: &s.LeaseNs, min: 1, max: day},
	}
	slices.SortFunc(list, func(a, b setting) int { return strings.Compare(a.name, b.name) })
	return list
}

func (f setting) value() int64 {
	switch {
	case f.flag == nil && f.number == nil:
		return *f.time
	case f.flag == nil:
		return int64(*f.number)
	case *f.flag:
		return 1
	}
	return 0
}

func (f setting) set(v int64) {
	switch {
	case f.flag != nil:
		*f.flag = v == 1
	case f.number != nil:
		*f.number = int(v)
	default:
		*f.time = v
	}
}

// Check says what is wrong with the settings, if anything is: each has a least and a most.
func (s Settings) Check() error {
	for _, f := range s.list() {
		if err := f.bound(f.value()); err != nil {
			return err
		}
	}
	return nil
}

func (f setting) bound(v int64) error {
	if v < f.min || v > f.max {
		return fmt.Errorf("setting %s is %d, want %d to %d", f.name, v, f.min, f.max)
	}
	return nil
}

// Genesis gives the rows that stores hold at the birth of a cluster, at index 0. They are the same
// in all of them.
func Genesis(settings Settings) []row.Row {
	var rows []row.Row
	for _, f := range settings.list() {
		rows = append(rows, row.Row{
			Table: settingTable, Values: []row.Value{row.S(f.name), row.I(f.value())},
		})
	}
	return rows
}

func (s *State) loadSettings(rows []row.Row) error {
	if len(rows) == 0 {
		return nil
	}
	var loaded Settings
	list := loaded.list()
	if len(rows) != len(list) {
		return fmt.Errorf("%d settings stored, want %d", len(rows), len(list))
	}
	for i, f := range list {
		if err := fits(rows[i], settingTable); err != nil {
			return err
		}
		name, v := rows[i].Values[0].Str, rows[i].Values[1].Int
		if name != f.name {
			return fmt.Errorf("setting %q stored, want %s", name, f.name)
		}
		if err := f.bound(v); err != nil {
			return err
		}
		f.set(v)
	}
	s.settings = loaded
	return nil
}
