package compress

import (
	"strconv"
	"strings"

	"proxycache/backend/flow"
)

// asking is what the client asked, as it stood before cells behind this one.
type asking struct {
	header  flow.Header
	weights *weights // nil until they are asked for
	head    bool
	ours    bool // the server was told another Accept-Encoding
}

// accepts are the weights in the header, which many answers do not depend on.
func (a *asking) accepts() *weights {
	if a.weights == nil {
		w := weightsOf(a.header)
		a.weights = &w
	}
	return a.weights
}

// decision is what becomes of an answer.
type decision struct {
	undo []coding // in the order in which they were applied
	make coding   // identity for none
	vary bool     // another Accept-Encoding may give another answer
	left reason   // why make is none
	why  string   // in words
}

func leave(r reason, why string) decision { return decision{make: identity, left: r, why: why} }

// decide says what becomes of an answer whose status lets it have a body.
func (c *compressor) decide(a *asking, r *flow.Response) decision {
	media := mediaType(r.Header.Get("Content-Type"))
	codings, ok := codingsOf(r.Header)
	taken := len(codings) > 0 && a.accepts().takes(codings)
	switch {
	case r.ContentLength == 0, !a.head && r.Body == flow.NoBody:
		return leave(leftBody, "there is no body")
	case r.Status == 206:
		d := leave(leftPartial, "it is a part of the whole (206)")
		d.vary = c.varies(r, media)
		return d
	case grpc(media):
		return leave(leftType, "gRPC compresses its messages itself")
	case a.header.HasToken("Cache-Control", "no-transform"):
		return leave(leftNoChange, "the client says no-transform")
	case r.Header.HasToken("Cache-Control", "no-transform"):
		if a.ours && ok && len(codings) > 0 && !taken { // the client would get what it never asked for
			return decision{undo: codings, make: identity, vary: true, left: leftNoChange, why: "the server says no-transform, and was asked for a coding that the client does not take"}
		}
		return leave(leftNoChange, "the server says no-transform")
	case !ok:
		return leave(leftCoded, "it is in "+r.Header.Joined("Content-Encoding")+", which is not undone here")
	case taken:
		d := leave(leftCoded, "it is in "+r.Header.Joined("Content-Encoding")+" already, which the client takes")
		d.vary = c.decompress
		return d
	case len(codings) > 0 && !c.decompress:
		return leave(leftCoded, "it is in "+r.Header.Joined("Content-Encoding")+", and decompress is off")
	}
	return c.plain(a, r, media, codings)
}

// varies tells whether the whole that r is a part of would be another with another Accept-Encoding. A part
// has the Vary that the whole has (RFC 9110 §15.3.7), or caches would give it to those who get it coded.
func (c *compressor) varies(r *flow.Response, media string) bool {
	return media != "" && !grpc(media) && matchesOne(c.types, media) && !matchesOne(c.except, media) &&
		!r.Header.HasToken("Cache-Control", "no-transform")
}

// plain decides on an answer that is plain once codings are undone.
func (c *compressor) plain(a *asking, r *flow.Response, media string, codings []coding) decision {
	d := c.coding(a, r, media, len(codings) > 0)
	if len(codings) == 0 {
		return d
	}
	if d.make == identity && a.accepts().plain() == 0 {
		d = leave(leftNothing, "the client takes neither its coding nor it without one")
		d.vary = true
		return d
	}
	d.undo, d.vary = codings, true
	return d
}

// coding chooses the coding of a plain answer.
func (c *compressor) coding(a *asking, r *flow.Response, media string, undone bool) decision {
	switch {
	case media == "":
		return leave(leftType, "it has no type")
	case !matchesOne(c.types, media):
		return leave(leftType, "type "+media+" is not in the list")
	case matchesOne(c.except, media):
		return leave(leftType, "type "+media+" is excepted")
	case !undone && r.ContentLength >= 0 && r.ContentLength < c.minSize && !eventStream(media):
		return leave(leftSize, "its "+strconv.FormatInt(r.ContentLength, 10)+" bytes are less than min_size")
	}
	d := decision{make: identity, vary: true}
	best, q := a.accepts().best(c.codings)
	switch {
	case a.header.Has("Range"):
		d.left, d.why = leftPartial, "the client asked for a part"
	case !a.accepts().sent:
		d.left, d.why = leftClient, "the client names no codings"
	case best == identity && a.accepts().plain() == 0:
		d.left, d.why = leftNothing, "the client excludes a plain answer and takes none of the codings"
	case best == identity && q > 0:
		d.left, d.why = leftClient, "the client wants it plain rather"
	case best == identity:
		d.left, d.why = leftClient, "the client takes none of the codings"
	default:
		d.make, d.why = best, chosen(q)
	}
	return d
}

// chosen says why a coding was taken.
func chosen(q int16) string {
	if q == full {
		return "the first of the list that the client takes with q=1"
	}
	text := strings.TrimRight("0."+strconv.Itoa(full + int(q))[1:], "0")
	return "the client takes none with more than q=" + text
}
