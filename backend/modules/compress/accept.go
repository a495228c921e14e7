package compress

import (
	"strings"

	"proxycache/backend/flow"
)

// coding is a content coding (RFC 9110 §8.4.1).
type coding uint8

const (
	codingGzip coding = iota
	codingBrotli
	codingZstd
	codingDeflate // is only undone
	known         // how many are known
	identity      = known
	wildcard      = known + 1
	unknown       = known + 2
)

func (c coding) String() string {
	return [...]string{"gzip", "br", "zstd", "deflate", "identity", "*", "unknown"}[c]
}

func codingOf(name string) coding {
	switch {
	case flow.EqualFold(name, "gzip"), flow.EqualFold(name, "x-gzip"):
		return codingGzip
	case flow.EqualFold(name, "br"):
		return codingBrotli
	case flow.EqualFold(name, "zstd"):
		return codingZstd
	case flow.EqualFold(name, "deflate"):
		return codingDeflate
	case flow.EqualFold(name, "identity"):
		return identity
	case name == "*":
		return wildcard
	}
	return unknown
}

const (
	unsaid = -1
	full   = 1000
)

// weights are what a client wants of each coding, in thousandths, or unsaid (RFC 9110 §12.5.3).
type weights struct {
	said [unknown]int16
	sent bool // there is an Accept-Encoding
}

// weightsOf reads Accept-Encoding. The first mention of a coding counts; one whose weight is not
// readable is none.
func weightsOf(h flow.Header) (w weights) {
	for i := range w.said {
		w.said[i] = unsaid
	}
	for i := range h {
		if !flow.EqualFold(h[i].Name, "Accept-Encoding") {
			continue
		}
		w.sent = true
		for member := range strings.SplitSeq(h[i].Value, ",") {
			name, parameters, _ := strings.Cut(member, ";")
			c := codingOf(strings.Trim(name, " \t"))
			if c == unknown || w.said[c] != unsaid {
				continue
			}
			if q, ok := weightOf(parameters); ok {
				w.said[c] = q
			}
		}
	}
	return w
}

// weightOf is the weight among the parameters of a member (RFC 9110 §12.4.2); 1 where there is none.
func weightOf(parameters string) (q int16, ok bool) {
	for parameters != "" {
		var one string
		one, parameters, _ = strings.Cut(parameters, ";")
		name, value, _ := strings.Cut(strings.Trim(one, " \t"), "=")
		if name == "q" || name == "Q" {
			return thousandths(value)
		}
	}
	return full, true
}

// thousandths reads "0.8": at most three digits behind the point, and never more than 1.
func thousandths(text string) (q int16, ok bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	if whole != "0" && whole != "1" || len(fraction) > 3 {
		return 0, false
	}
	q = int16(whole[0]-'0') * full
	for i, place := 0, int16(full/10); i < len(fraction); i, place = i+1, place/10 {
		if fraction[i] < '0' || fraction[i] > '9' {
			return 0, false
		}
		q += int16(fraction[i]-'0') * place
	}
	return q, q <= full
}

// of is the weight of c; 0 says that the client does not take it. What nothing is said of is not taken,
// though RFC 9110 lets it be where there is no Accept-Encoding at all: programs that send none read none.
func (w *weights) of(c coding) int16 {
	switch {
	case w.said[c] != unsaid:
		return w.said[c]
	case w.said[wildcard] != unsaid:
		return w.said[wildcard]
	}
	return 0
}

// plain is the weight of an answer without a coding: acceptable unless it is excluded, and behind each
// coding that is taken unless it is named.
func (w *weights) plain() int16 {
	switch {
	case w.said[identity] != unsaid:
		return w.said[identity]
	case w.said[wildcard] == 0:
		return 0
	}
	return 1
}

// takes tells that the client can undo all of codings.
func (w *weights) takes(codings []coding) bool {
	for _, c := range codings {
		if w.of(c) == 0 {
			return false
		}
	}
	return true
}

// best is the coding with the most weight, the first of those that have it; identity where none is
// taken, or plain is wanted more.
func (w *weights) best(codings []coding) (best coding, q int16) {
	best = identity
	for _, c := range codings {
		if weight := w.of(c); weight > q {
			best, q = c, weight
		}
	}
	if q < w.plain() {
		return identity, q
	}
	return best, q
}
