package chat

// login opens the calling device for an account, or renews it, and under exclusive fences all
// others.
func (s *State) login(at Stamp, dev DeviceID, c Login, ev Evidence, out *Outcome) {
	a, d := s.names[fold(c.Name)], s.devices[dev]
	if out.Result = s.refuseLogin(a, d, c, ev); out.Result.Code != OK {
		return
	}
	label := cleanLabel(c.Label)
	if !s.settings.MultiLogin {
		s.fence(a, dev, label, out)
	}
	if d == nil {
		if !s.settings.MultiLogin && len(a.devices) >= s.settings.MaxDevices {
			s.evict(a, out)
		}
		s.open(at, a, dev, label)
		out.Opened = true
	} else {
		s.renew(at, d, label)
	}
	out.Result = Result{UID: a.uid, Epoch: a.epoch, Cursor: a.cursor, Queued: a.queued()}
}

func (s *State) refuseLogin(a *account, d *device, c Login, ev Evidence) Result {
	switch {
	case a == nil:
		return Result{Code: NoSuchUser}
	case d != nil && d.owner != a:
		return Result{Code: DeviceInUse}
	case s.stale(a, ev):
		return Result{Code: Retry}
	}
	if s.settings.MultiLogin {
		if d == nil && len(a.devices) >= s.settings.MaxDevices {
			return Result{Code: TooManyDevices}
		}
		return Result{}
	}
	if h := a.holder(); h != nil && h != d && !c.Takeover {
		return Result{Code: LoggedInElsewhere, Label: h.label, Since: h.since}
	}
	return Result{}
}

// holder is a device that holds a lease, nil if none does. Under exclusive there is one at most.
func (a *account) holder() *device {
	for _, d := range a.devices {
		if d.lease.held {
			return d
		}
	}
	return nil
}

// fence raises the epoch. The feed of the one device that was not fenced so far ends, and its lease,
// unless it is the caller itself.
func (s *State) fence(a *account, caller DeviceID, label string, out *Outcome) {
	for _, d := range a.devices {
		if d.id == caller {
			continue
		}
		s.release(d)
		if !s.fenced(d) {
			out.Endings = append(out.Endings, Ending{Device: d.id, Reason: TakenOver, By: label})
		}
	}
	a.epoch++
	s.touch(a)
}

// evict closes the longest-unused device of an account whose devices are all fenced. Fenced devices
// fell out of use in the order of their epochs.
func (s *State) evict(a *account, out *Outcome) {
	var oldest *device
	for _, d := range a.devices {
		if oldest == nil || d.epoch < oldest.epoch {
			oldest = d
		}
	}
	if oldest != nil {
		s.remove(oldest, out)
	}
}

// renew is a Login of a device that is open. Was it fenced, it continues where the account stands,
// and State.cursor says so already.
func (s *State) renew(at Stamp, d *device, label string) {
	d.epoch, d.label, d.since = d.owner.epoch, label, at.Date
	s.touchDevice(d)
}
