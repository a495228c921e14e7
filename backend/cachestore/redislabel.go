package cachestore

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A string of a response in Redis begins with a label of text of fixed widths, which scripts in the server
// read too. The head follows, and then the body, unless that has pieces of its own.
const (
	labelMagic = "PXC1"
	labelSize  = 64
)

// The states of a response in a label.
const (
	stateUsual  = 'R'
	statePurged = 'P'
	stateMark   = 'M'
)

func stateOf(r *Response) byte {
	switch {
	case r.Status == 0:
		return stateMark
	case r.Purged:
		return statePurged
	}
	return stateUsual
}

type label struct {
	version  string // another with every change
	body     string // another with every body
	state    byte
	headSize int
	bodySize int64
}

// newName is a name that nothing else has.
func newName() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// encode writes: the magic, the version at 4, the body's name at 20, the state at 36, the sizes of the
// head at 37 and of the body at 46.
func (l label) encode() []byte {
	b := make([]byte, 0, labelSize+l.headSize)
	return fmt.Appendf(b, "%s%s%s%c%9d%18d", labelMagic, l.version, l.body, l.state, l.headSize, l.bodySize)
}

func parseLabel(b []byte) (l label, ok bool) {
	if len(b) < labelSize || string(b[:4]) != labelMagic {
		return l, false
	}
	text := string(b[:labelSize])
	l = label{version: text[4:20], body: text[20:36], state: text[36]}
	head, err := strconv.ParseUint(strings.TrimLeft(text[37:46], " "), 10, 31)
	if err != nil {
		return l, false
	}
	body, err := strconv.ParseUint(strings.TrimLeft(text[46:64], " "), 10, 63)
	l.headSize, l.bodySize = int(head), int64(body)
	return l, err == nil
}

// pieces is how many strings of its own the body has.
func (l label) pieces() int {
	if l.bodySize <= pieceSize {
		return 0
	}
	return int((l.bodySize + pieceSize - 1) / pieceSize)
}
