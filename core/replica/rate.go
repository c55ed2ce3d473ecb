package replica

import (
	"time"

	"parley/core/chat"
)

// Floods are stopped at the leader's door, before they cost an entry. The bookkeeping is the
// generic cell rate algorithm: per key the moment at which its bucket will be full again.

// First contacts from one address: so many at once, then one in contactEvery. Those that came to nothing
// leave a tombstone, of which there is room for 10,000; the others may leave one when they log out, of
// which there is room for 100,000. Both stay for seven days, in which the buckets below let through
// 60,580 and 61,480. Only what was refused in the log, and wrong passwords, counts as vain: an office
// behind one address may all come at nine. Where sends are not limited, these are not.
const (
	contactEvery = 10 * time.Second
	vainBurst    = 100
	contactBurst = 1000
	contactAgain = 500 * time.Millisecond // those that found only the vain bucket empty: others may give back
)

// contacts is when the buckets of an address will be full again.
type contacts struct{ all, vain time.Duration }

// maxBuckets bounds what is remembered; forgetting is generous, never unfair.
const maxBuckets = 1 << 16

// rateSend says how long a Send must wait; 0 lets it pass.
func (m *Machine) rateSend(now time.Duration, c *Call) time.Duration {
	set := m.chat.Settings()
	if _, ok := c.Command.(chat.Send); !ok || set.SendPerSec == 0 {
		return 0
	}
	uid, _, _ := m.chat.DeviceState(chat.DeviceID(c.Device))
	if m.door.rates == nil || len(m.door.rates) >= maxBuckets {
		m.door.rates = map[chat.UID]time.Duration{}
	}
	full, after := spend(now, m.door.rates[uid], time.Second/time.Duration(set.SendPerSec), set.SendBurst)
	m.door.rates[uid] = full
	return after
}

// rateContact refuses first contacts of strangers who ask too often, and all of them while there is
// no room for what they would leave behind.
func (m *Machine) rateContact(now time.Duration, origin string) (Code, time.Duration) {
	if closed, refused := m.sessions.Room(); closed <= 0 || refused <= 0 {
		return Busy, time.Minute
	}
	if m.chat.Settings().SendPerSec == 0 {
		return "", 0
	}
	if m.door.origins == nil || len(m.door.origins) >= maxBuckets {
		m.door.origins = map[string]contacts{}
	}
	was := m.door.origins[origin]
	all, after := spend(now, was.all, contactEvery, contactBurst)
	if after > 0 {
		return Rate, after
	}
	vain, after := spend(now, was.vain, contactEvery, vainBurst)
	if after > 0 {
		return Rate, min(after, contactAgain)
	}
	m.door.origins[origin] = contacts{all, vain}
	return "", 0
}

// opened gives a cell back for a first contact that was not in vain, traceless both cells for one that
// has left no trace: it was told to come again, say.
func (d *door) opened(origin string) { d.giveBack(origin, contacts{vain: contactEvery}) }

func (d *door) traceless(origin string) {
	d.giveBack(origin, contacts{all: contactEvery, vain: contactEvery})
}

func (d *door) giveBack(origin string, cell contacts) {
	if c, ok := d.origins[origin]; ok && origin != "" {
		d.origins[origin] = contacts{c.all - cell.all, c.vain - cell.vain}
	}
}

// spend takes one cell from a bucket that is full at full.
func spend(now, full, cell time.Duration, burst int) (newFull, after time.Duration) {
	if wait := full - now - cell*time.Duration(max(0, burst-1)); wait > 0 {
		return full, wait
	}
	return max(full, now) + cell, 0
}
