package sim

import (
	"fmt"
	"time"
)

// Span is a length or a point of virtual time, written in a plan as "1.5s".
type Span time.Duration

// MarshalText writes a span as time.Duration does.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what time.ParseDuration reads; no span is negative.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("read a time: %w", err)
	}
	if d < 0 {
		return fmt.Errorf("read a time: %s is negative", text)
	}
	*s = Span(d)
	return nil
}

func (s Span) String() string { return time.Duration(s).String() }
