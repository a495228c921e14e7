package cache

import (
	"strings"
)

// span is a part of a body: from the byte first up to, and without, the byte end.
type span struct{ first, end int64 }

// rangeKind is what becomes of a Range field.
type rangeKind byte

const (
	wholeBody rangeKind = iota // it is ignored: not in bytes, not well-formed, several ranges (RFC 9110 §14.2)
	oneRange
	manyRanges
	noRange // it cannot be satisfied: 416
)

// maxRanges is of how many parts an answer is made; who asks for more gets the whole.
const maxRanges = 16

// rangesOf reads a Range field that may ask for several parts. Those that there are not are left out. Where
// they overlap, are not in order, or are as much as the whole together, the whole is the answer.
func rangesOf(field string, size int64) (spans []span, kind rangeKind) {
	unit, set, ok := strings.Cut(field, "=")
	if !ok || !strings.Contains(set, ",") {
		s, kind := rangeOf(field, size)
		return []span{s}, kind
	}
	kind, sum := noRange, int64(0)
	for part := range strings.SplitSeq(set, ",") {
		if part = strings.Trim(part, " \t"); part == "" {
			continue
		}
		s, one := rangeOf(unit+"="+part, size)
		switch {
		case one == wholeBody:
			return nil, wholeBody
		case one == noRange:
			continue
		case len(spans) == maxRanges, len(spans) > 0 && s.first < spans[len(spans)-1].end:
			return nil, wholeBody
		}
		spans, kind = append(spans, s), manyRanges
		sum += s.end - s.first
	}
	switch {
	case len(spans) == 1:
		return spans, oneRange
	case len(spans) > 1 && sum >= size:
		return nil, wholeBody
	}
	return spans, kind
}

// rangeOf reads a Range field that asks for one part of a body of size bytes.
func rangeOf(field string, size int64) (span, rangeKind) {
	unit, set, ok := strings.Cut(field, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.Contains(set, ",") {
		return span{}, wholeBody
	}
	from, to, ok := strings.Cut(strings.Trim(set, " \t"), "-")
	if !ok {
		return span{}, wholeBody
	}
	first, fromOK := position(from)
	last, toOK := position(to)
	switch {
	case from == "" && toOK: // the last bytes
		if last == 0 || size == 0 {
			return span{}, noRange
		}
		return span{max(size-last, 0), size}, oneRange
	case !fromOK || to != "" && (!toOK || last < first):
		return span{}, wholeBody
	case first >= size:
		return span{}, noRange
	case to == "":
		return span{first, size}, oneRange
	}
	return span{first, min(last+1, size)}, oneRange
}

// maxPosition is what a larger one is taken for.
const maxPosition = 1 << 58

func position(text string) (n int64, ok bool) {
	if text == "" {
		return 0, false
	}
	for i := range len(text) {
		if !isDigit(text[i]) {
			return 0, false
		}
		n = min(n*10+int64(text[i]-'0'), maxPosition)
	}
	return n, true
}

// contentRange is the field of a 206 (RFC 9110 §14.4).
func contentRange(s span, size int64) string {
	return "bytes " + formatInt(s.first) + "-" + formatInt(s.end-1) + "/" + formatInt(size)
}

// parseContentRange reads the field of a 206 whose size is known.
func parseContentRange(field string) (s span, size int64, ok bool) {
	rest, ok := strings.CutPrefix(field, "bytes ")
	if !ok {
		return s, 0, false
	}
	part, total, hasTotal := strings.Cut(rest, "/")
	from, to, hasTo := strings.Cut(part, "-")
	first, firstOK := position(from)
	last, lastOK := position(to)
	size, sizeOK := position(total)
	if !hasTotal || !hasTo || !firstOK || !lastOK || !sizeOK || last < first || last >= size {
		return s, 0, false
	}
	return span{first, last + 1}, size, true
}
