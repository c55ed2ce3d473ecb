package wire

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
)

// Secrets are what a client knows and a machine never sees.
type Secrets struct {
	Device      [SecretLen]byte // the device's token in clear; the machines know its SHA-256
	Password    string
	NewPassword string // Passwd only
}

// TokenOf is what the machines know of a device's secret.
func TokenOf(secret [SecretLen]byte) session.Token { return sha256.Sum256(secret[:]) }

// EncodeCall makes a client's call ready to be sent. Conn, Token, Secret, Origin and Date are the
// server's to fill in.
func EncodeCall(c *replica.Call, s *Secrets) (*Call, error) {
	w := &Call{
		Id: c.ID, Device: clone(c.Device[:]), Secret: clone(s.Device[:]),
		Dseq: c.DSeq, Through: c.Through, Epoch: c.Pos.Epoch, Index: uint64(c.Pos.Index),
		Stale: c.Stale, Password: s.Password, NewPassword: s.NewPassword,
	}
	switch {
	case c.Command != nil && c.Query != nil:
		return nil, errors.New("a call is a command or a query, not both")
	case c.Command != nil:
		return w, encodeCommand(w, c.Command)
	default:
		return w, encodeQuery(w, c.Query)
	}
}

func encodeCommand(w *Call, c chat.Command) error {
	switch c := c.(type) {
	case chat.Send: // first, because it is nearly always this
		w.What = &Call_Send{&Send{To: c.To, ToUid: uint64(c.ToUID), Body: []byte(c.Body), ReplyTo: c.ReplyTo}}
	case chat.Signup:
		w.What = &Call_Signup{&Signup{Name: c.Name, Label: c.Label}}
	case chat.Login:
		w.What = &Call_Login{&Login{Name: c.Name, Label: c.Label, Takeover: c.Takeover}}
	case chat.Logout:
		w.What = &Call_Logout{&Logout{}}
	case chat.Passwd:
		w.What = &Call_Passwd{&Passwd{CloseOthers: c.CloseOthers}}
	case chat.DeleteAccount:
		w.What = &Call_DeleteAccount{&DeleteAccount{}}
	case chat.Void:
		w.What = &Call_Void{&Void{}}
	default:
		return fmt.Errorf("%T is not a client's command", c)
	}
	return nil
}

func encodeQuery(w *Call, q replica.Query) error {
	switch q := q.(type) {
	case replica.List:
		w.What = &Call_List{&List{Prefix: q.Prefix, After: q.After, Limit: uint32(max(q.Limit, 0))}}
	case replica.History:
		w.What = &Call_History{&History{
			With: q.With, MemberA: uint64(q.Members[0]), MemberB: uint64(q.Members[1]),
			After: q.After, Before: q.Before, Latest: q.Latest, Limit: uint32(max(q.Limit, 0)),
		}}
	case replica.Whoami:
		w.What = &Call_Whoami{&Whoami{}}
	default:
		return fmt.Errorf("%T is not a query", q)
	}
	return nil
}

// DecodeCall reads a client's call and what it must keep to itself.
func DecodeCall(w *Call) (c replica.Call, s Secrets, err error) {
	c.ID, c.DSeq, c.Through, c.Stale = w.GetId(), w.GetDseq(), w.GetThrough(), w.GetStale()
	c.Pos = pos(w.GetEpoch(), w.GetIndex())
	if s, err = decodeSecrets(w); err == nil {
		c.Token = TokenOf(s.Device)
		c.Secret = s.Password != "" || s.NewPassword != ""
		err = fillAll("device", c.Device[:], w.GetDevice())
	}
	if err == nil {
		c.Command, c.Query, err = decodeWhat(w, chat.Token(c.Token))
	}
	if err == nil {
		err = checkNumbers(&c)
	}
	if err != nil {
		return replica.Call{}, Secrets{}, fmt.Errorf("call %d: %w", w.GetId(), err)
	}
	return c, s, nil
}

func decodeSecrets(w *Call) (s Secrets, err error) {
	s.Password, s.NewPassword = w.GetPassword(), w.GetNewPassword()
	return s, errors.Join(
		fillAll("device secret", s.Device[:], w.GetSecret()),
		text("password", s.Password), text("new password", s.NewPassword),
	)
}

func checkNumbers(c *replica.Call) error {
	switch {
	case c.Command != nil && c.DSeq == 0:
		return errors.New("a command needs a number")
	case c.Command != nil && c.Stale:
		return errors.New("a command cannot be stale")
	case c.Query != nil && (c.DSeq != 0 || c.Through != 0):
		return errors.New("a query has no number")
	}
	return nil
}

func decodeWhat(w *Call, token chat.Token) (chat.Command, replica.Query, error) {
	switch what := w.GetWhat().(type) {
	case *Call_Send: // first, because it is nearly always this
		m := what.Send
		if len(m.GetBody()) > MaxBody {
			return nil, nil, fmt.Errorf("body: %d bytes, at most %d", len(m.GetBody()), MaxBody)
		}
		c := chat.Send{To: m.GetTo(), ToUID: chat.UID(m.GetToUid()), Body: string(m.GetBody()), ReplyTo: m.GetReplyTo()}
		return c, nil, text("recipient", c.To)
	case *Call_Signup:
		c := chat.Signup{Name: what.Signup.GetName(), Token: token, Label: what.Signup.GetLabel()}
		return c, nil, errors.Join(text("name", c.Name), text("label", c.Label))
	case *Call_Login:
		m := what.Login
		c := chat.Login{Name: m.GetName(), Token: token, Label: m.GetLabel(), Takeover: m.GetTakeover()}
		return c, nil, errors.Join(text("name", c.Name), text("label", c.Label))
	case *Call_Logout:
		return chat.Logout{}, nil, nil
	case *Call_Passwd:
		return chat.Passwd{CloseOthers: what.Passwd.GetCloseOthers()}, nil, nil
	case *Call_DeleteAccount:
		return chat.DeleteAccount{}, nil, nil
	case *Call_Void:
		return chat.Void{}, nil, nil
	}
	q, err := decodeQuery(w)
	return nil, q, err
}

func decodeQuery(w *Call) (replica.Query, error) {
	switch what := w.GetWhat().(type) {
	case *Call_List:
		q := replica.List{
			Prefix: what.List.GetPrefix(), After: what.List.GetAfter(), Limit: limit(what.List.GetLimit()),
		}
		return q, errors.Join(text("prefix", q.Prefix), text("after", q.After))
	case *Call_History:
		h := what.History
		q := replica.History{
			With: h.GetWith(), Members: members(h.GetMemberA(), h.GetMemberB()),
			After: h.GetAfter(), Before: h.GetBefore(), Latest: h.GetLatest(), Limit: limit(h.GetLimit()),
		}
		return q, text("with", q.With)
	case *Call_Whoami:
		return replica.Whoami{}, nil
	}
	return nil, errors.New("neither a command nor a query that this server knows")
}

func limit(n uint32) int { return int(min(n, MaxPage)) }

func members(a, b uint64) [2]chat.UID { return [2]chat.UID{chat.UID(a), chat.UID(b)} }

// EncodeAttach makes a request for a feed ready to be sent.
func EncodeAttach(a *replica.Attach, secret [SecretLen]byte) *Attach {
	return &Attach{
		Sub: a.Sub, Device: clone(a.Device[:]), Secret: secret[:], After: a.After,
		FromCursor: a.FromCursor, Epoch: a.Pos.Epoch, Index: uint64(a.Pos.Index),
	}
}

// DecodeAttach reads a request for a feed.
func DecodeAttach(w *Attach) (replica.Attach, error) {
	a := replica.Attach{
		Sub: w.GetSub(), After: w.GetAfter(), FromCursor: w.GetFromCursor(),
		Pos: pos(w.GetEpoch(), w.GetIndex()),
	}
	var secret [SecretLen]byte
	err := errors.Join(
		fillAll("device", a.Device[:], w.GetDevice()), fillAll("device secret", secret[:], w.GetSecret()),
	)
	if err == nil && a.FromCursor && a.After != 0 {
		err = errors.New("both a place and the device's cursor")
	}
	if err != nil {
		return replica.Attach{}, fmt.Errorf("attach %d: %w", a.Sub, err)
	}
	a.Token = TokenOf(secret)
	return a, nil
}

// EncodeAck makes an acknowledgement ready to be sent.
func EncodeAck(a *replica.Ack) *Ack {
	return &Ack{Sub: a.Sub, N: a.N, Marks: encodeMarks(a.Marks)}
}

// DecodeAck reads an acknowledgement.
func DecodeAck(w *Ack) (replica.Ack, error) {
	marks, err := decodeMarks(w.GetMarks())
	if err != nil {
		return replica.Ack{}, fmt.Errorf("ack of feed %d: %w", w.GetSub(), err)
	}
	return replica.Ack{Sub: w.GetSub(), N: w.GetN(), Marks: marks}, nil
}

// CheckClientFrame refuses a frame of absurd size.
func CheckClientFrame(f *ClientFrame) error {
	return errors.Join(
		atMost("calls", len(f.GetCalls()), MaxItems), atMost("attaches", len(f.GetAttaches()), MaxItems),
		atMost("acks", len(f.GetAcks()), MaxItems), atMost("detaches", len(f.GetDetaches()), MaxItems),
	)
}
