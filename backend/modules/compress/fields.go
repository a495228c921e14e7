package compress

import (
	"strings"

	"proxycache/backend/flow"
)

// digest tells the fields that speak of the bytes of a body, which a coding changes (RFC 9530 §2 and
// §3; Digest and Content-MD5 are what was before).
func digest(name string) bool {
	switch len(name) {
	case len("Repr-Digest"): // and Content-MD5
		return flow.EqualFold(name, "Repr-Digest") || flow.EqualFold(name, "Content-MD5")
	case len("Content-Digest"):
		return flow.EqualFold(name, "Content-Digest")
	case len("Digest"):
		return flow.EqualFold(name, "Digest")
	}
	return false
}

// recoded is the header of an answer whose coding changes to c: what speaks of its bytes goes. dropped
// are the digests.
func recoded(h flow.Header, c coding) (out flow.Header, dropped []string) {
	out = make(flow.Header, 0, len(h)+2)
	for _, f := range h {
		switch {
		case flow.EqualFold(f.Name, "Content-Encoding"), flow.EqualFold(f.Name, "Content-Length"),
			flow.EqualFold(f.Name, "Accept-Ranges"): // whose bytes would be others
			continue
		case flow.EqualFold(f.Name, "ETag"):
			f.Value = weak(f.Value)
		case digest(f.Name):
			dropped = append(dropped, f.Name)
			continue
		}
		out = append(out, f)
	}
	if c != identity {
		out.Add("Content-Encoding", c.String())
	}
	return varied(out), dropped
}

// weak is an entity tag that says no more than that the content is the same (RFC 9110 §8.8.1).
func weak(tag string) string {
	if strings.HasPrefix(tag, `"`) {
		return "W/" + tag
	}
	return tag
}

// varied says in h that the answer depends on Accept-Encoding (RFC 9110 §12.5.5).
func varied(h flow.Header) flow.Header {
	if h.HasToken("Vary", "*") || h.HasToken("Vary", "Accept-Encoding") {
		return h
	}
	if all := h.Joined("Vary"); all != "" {
		h.Set("Vary", all+", Accept-Encoding")
		return h
	}
	out := make(flow.Header, 0, len(h)+1)
	out = append(out, h...)
	return append(out, flow.Field{Name: "Vary", Value: "Accept-Encoding"})
}

// withoutDigests is a trailer of an answer whose coding changed.
func withoutDigests(trailer func() flow.Header) func() flow.Header {
	return func() flow.Header {
		var out flow.Header
		for _, f := range trailer() {
			if !digest(f.Name) {
				out = append(out, f)
			}
		}
		return out
	}
}

// maxCodings is how many codings on top of each other are undone.
const maxCodings = 3

// codingsOf are those that an answer has, in the order in which they were applied; ok is false where
// one is not known, or there are too many.
func codingsOf(h flow.Header) (codings []coding, ok bool) {
	for i := range h {
		if !flow.EqualFold(h[i].Name, "Content-Encoding") {
			continue
		}
		for name := range strings.SplitSeq(h[i].Value, ",") {
			name = strings.Trim(name, " \t")
			switch c := codingOf(name); {
			case name == "" || c == identity:
			case c >= known || len(codings) == maxCodings:
				return nil, false
			default:
				codings = append(codings, c)
			}
		}
	}
	return codings, true
}
