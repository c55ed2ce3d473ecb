package linearizability

import (
	"maps"
	"slices"
)

// fallingCursors finds a login whose cursor is below that of one that was answered before it was
// called: what is acknowledged stays acknowledged, for this uid.
func (ev *evidence) fallingCursors(r *Report) {
	logins := map[uint64][]*operation{} // by uid, in order of their calls
	for _, o := range ev.ops {
		if o.op == opLogin && o.ok() {
			logins[o.ans.UID] = append(logins[o.ans.UID], o)
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(logins)) {
		answered := slices.Clone(logins[uid])
		slices.SortStableFunc(answered, func(a, b *operation) int { return compare(a.ret, b.ret) })
		var top *operation // has the highest cursor of those answered so far
		for _, o := range logins[uid] {
			for ; len(answered) > 0 && before(answered[0], o); answered = answered[1:] {
				if top == nil || answered[0].ans.Cursor > top.ans.Cursor {
					top = answered[0]
				}
			}
			if top != nil && o.ans.Cursor < top.ans.Cursor {
				illegal(r, RuleCursor, o.pos(), ids(top, o), "%s got cursor %d, after %s had got %d",
					o.name(), o.ans.Cursor, top.name(), top.ans.Cursor)
			}
		}
	}
}
