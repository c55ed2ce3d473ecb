package replica

import (
	"time"

	"parley/core/chat"
)

// Floods are stopped at the leader's door, before they cost an entry. The bookkeeping is the
// generic cell rate algorithm: per key the moment at which its bucket will be full again.

// First contacts from one address that come to nothing: so many at once, then one in so long. Each leaves
// a tombstone for seven days, of which there is room for 10,000. Good ones give their cell back, so an
// office behind one address may all come at nine; those that found no cell ask again soon. Where sends
// are not limited, these are not.
const (
	contactBurst = 100
	contactEvery = 10 * time.Second
	contactAgain = 500 * time.Millisecond
)

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
		m.door.origins = map[string]time.Duration{}
	}
	full, after := spend(now, m.door.origins[origin], contactEvery, contactBurst)
	m.door.origins[origin] = full
	if after > 0 {
		return Rate, min(after, contactAgain)
	}
	return "", 0
}

// goodContact gives a cell back to the address whose first contact opened a session.
func (d *door) goodContact(origin string) {
	if full, ok := d.origins[origin]; ok {
		d.origins[origin] = full - contactEvery
	}
}

// spend takes one cell from a bucket that is full at full.
func spend(now, full, cell time.Duration, burst int) (newFull, after time.Duration) {
	if wait := full - now - cell*time.Duration(max(0, burst-1)); wait > 0 {
		return full, wait
	}
	return max(full, now) + cell, 0
}
