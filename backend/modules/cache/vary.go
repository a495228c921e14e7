package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
)

// maxVary is by how many fields responses of a URL may vary; one that varies by more is not kept.
const maxVary = 20

// varyOf are the fields that a response varies by, in lower case, sorted, each once. every tells that
// no request but its own matches it: by a "*" anywhere (RFC 9110 §12.5.5), or by what is no name.
func varyOf(h flow.Header) (names []string, every bool) {
	for i := range h {
		if len(h[i].Name) != len("Vary") || !flow.EqualFold(h[i].Name, "Vary") {
			continue
		}
		for name := range strings.SplitSeq(h[i].Value, ",") {
			switch name = strings.ToLower(strings.Trim(name, " \t")); {
			case name == "":
			case name == "*" || !token.MatchString(name):
				return nil, true
			default:
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names, len(names) > maxVary
}

// variant is the key of the response, among those that mark is of, that matches the fields h of a
// request. The moment of the mark is in it: what was stored under an older mark is not found again.
func variant(mark *cachestore.Response, h flow.Header) string {
	var room [512]byte
	b := room[:0]
	for _, name := range mark.Vary {
		b = append(b, '\n')
		if h.Has(name) {
			b = appendNormal(append(b, '='), name, h)
		}
	}
	sum := sha256.Sum256(b)
	key := make([]byte, 0, len(mark.Key)+64)
	key = append(append(key, mark.Key...), "\nvary "...)
	key = strconv.AppendInt(key, mark.Received.UnixNano(), 36)
	key = append(key, ' ')
	return string(hex.AppendEncode(key, sum[:16]))
}

// appendNormal appends the values of name as one list without the whitespace that means nothing
// (RFC 9111 §4.1). Of Accept-Language, Accept-Encoding and Accept-Charset, case means nothing either, and
// of Accept-Encoding the order: servers choose by weights there (RFC 9110 §12.5.2 to 12.5.4). Many take
// the first language that they have, whatever RFC 9110 says.
func appendNormal(b []byte, name string, h flow.Header) []byte {
	switch name {
	case "accept-language", "accept-charset":
		return append(b, strings.Join(foldedMembers(name, h), ",")...)
	case "accept-encoding":
		members := foldedMembers(name, h)
		slices.Sort(members)
		return append(b, strings.Join(members, ",")...)
	}
	begin := len(b)
	for i := range h {
		if !flow.EqualFold(h[i].Name, name) {
			continue
		}
		for rest := h[i].Value; rest != ""; {
			var one string
			if one, rest = member(rest); one == "" { // an empty member is none (RFC 9110 §5.6.1.2)
				continue
			}
			if len(b) > begin {
				b = append(b, ',')
			}
			b = append(b, one...)
		}
	}
	return b
}

// foldedMembers are the members of the field name in lower case and without blanks.
func foldedMembers(name string, h flow.Header) (members []string) {
	for i := range h {
		if !flow.EqualFold(h[i].Name, name) {
			continue
		}
		for one := range strings.SplitSeq(strings.ToLower(h[i].Value), ",") {
			if one = strings.ReplaceAll(strings.ReplaceAll(one, " ", ""), "\t", ""); one != "" {
				members = append(members, one)
			}
		}
	}
	return members
}
