package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"parley/core/replica"
)

// receipt proves later that an acknowledged message still stands where it stood.
type receipt struct {
	Epoch   uint64    `json:"epoch"`
	Pos     uint64    `json:"pos"`
	Members [2]uint64 `json:"members"`
	Seq     uint64    `json:"seq"`
	Chain   string    `json:"chain"`
}

func receiptOf(r replica.Reply) receipt {
	return receipt{r.Pos.Epoch, uint64(r.Pos.Index), [2]uint64{uint64(r.Result.Members[0]), uint64(r.Result.Members[1])},
		r.Result.Seq, hex.EncodeToString(r.Result.Chain[:])}
}

// keepReceipt appends a receipt to the profile's. One line is one write, so processes may share the
// file.
func (p *profile) keepReceipt(r replica.Reply) error {
	line, err := json.Marshal(receiptOf(r))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(p.path("receipts"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("keep the receipt: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep the receipt: %w", err)
	}
	return nil
}
