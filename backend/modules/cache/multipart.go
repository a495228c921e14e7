package cache

import (
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
)

// parts are several ranges of a stored body as multipart/byteranges (RFC 9110 §14.6).
type parts struct {
	io.Reader
	boundary string
	size     int64
}

func newParts(l lent, spans []span) *parts {
	p := &parts{boundary: strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36)}
	kind := ""
	if t := l.head.Header.Get("Content-Type"); t != "" {
		kind = "Content-Type: " + t + "\r\n"
	}
	var readers []io.Reader
	add := func(text string) {
		readers = append(readers, strings.NewReader(text))
		p.size += int64(len(text))
	}
	for _, s := range spans {
		add("\r\n--" + p.boundary + "\r\n" + kind + "Content-Range: " + contentRange(s, l.size) + "\r\n\r\n")
		readers = append(readers, io.NewSectionReader(l.body, s.first, s.end-s.first))
		p.size += s.end - s.first
	}
	add("\r\n--" + p.boundary + "--\r\n")
	p.Reader = io.MultiReader(readers...)
	return p
}
