package compress

import (
	"bytes"
	"io"
	"strings"
	"sync"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// compressor is the running policy.
type compressor struct {
	cell       string
	codings    []coding
	encoders   [known]*encoders
	decoders   [known]sync.Pool
	types      []pattern
	except     []pattern
	minSize    int64
	asks       string
	decompress bool
	limits     limits
	maxStreams int64
	figures    *figures
}

func (c *compressor) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	a := asking{header: x.Request.Header, head: x.Request.Method == "HEAD"}
	a.ours = c.ask(x)
	asked := x.Request.Header
	r, err := next(x)
	if a.ours && same(x.Request.Header, asked) { // who repeats comes here again with what the client asked
		x.Request.Header = a.header
	}
	if err != nil || r.Status < 200 || r.Upgraded != nil || r.Cut {
		return r, err
	}
	switch r.Status {
	case 204, 205:
		return r, nil
	case 304:
		notModified(&a, r)
		return r, nil
	}
	return c.act(x, &a, r, c.decide(&a, r))
}

// ask tells the server what the settings say, and whether that is another thing than the client said.
// A part is of the coded answer: what was asked for it stands.
func (c *compressor) ask(x *flow.Exchange) bool {
	h := x.Request.Header
	if c.asks == "client" || h.Has("Upgrade") || grpc(mediaType(h.Get("Content-Type"))) {
		return false
	}
	wanted := "identity"
	if c.asks == "all" {
		if h.Has("Range") || h.HasToken("Cache-Control", "no-transform") {
			return false
		}
		wanted = c.all()
	}
	if h.Joined("Accept-Encoding") == wanted {
		return false
	}
	x.Request.Header.Set("Accept-Encoding", wanted)
	x.Note("asks", wanted)
	return true
}

// same tells that a header is the other one, not only equal to it.
func same(a, b flow.Header) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

// all is an Accept-Encoding with each of the codings.
func (c *compressor) all() string {
	names := make([]string, len(c.codings))
	for i, one := range c.codings {
		names[i] = one.String()
	}
	return strings.Join(names, ", ")
}

// act does what was decided.
func (c *compressor) act(x *flow.Exchange, a *asking, r *flow.Response, d decision) (*flow.Response, error) {
	if d.make == identity && len(d.undo) == 0 {
		c.leave(x, r, d)
		return r, nil
	}
	media := mediaType(r.Header.Get("Content-Type"))
	if a.head {
		return c.headOnly(x, r, d, media), nil
	}
	if c.figures.running.Add(1) > c.maxStreams {
		c.figures.running.Add(-1)
		return c.busy(x, r, d)
	}
	body := r.Body
	if len(d.undo) > 0 {
		undone := c.undo(body, d.undo, x.Request.Host())
		if d.make == identity {
			undone.running = &c.figures.running
		}
		body = undone
	}
	if d.make != identity {
		coded := c.encode(r, body, d, eventStream(media))
		if coded == nil {
			c.figures.running.Add(-1)
			d.left, d.why, d.make = leftSize, "what came is less than min_size, and all of it", identity
			c.leave(x, r, d)
			return r, nil
		}
		body = coded
	}
	r.Body = body
	c.changed(x, r, d)
	return r, nil
}

// encode has body compressed; nil where all of it came already and is less than min_size: it is r's then.
func (c *compressor) encode(r *flow.Response, body io.ReadCloser, d decision, events bool) *encoded {
	pool := c.encoders[d.make]
	w, _ := pool.Get().(*work)
	ahead, ended, left := 0, error(nil), r.ContentLength
	if len(d.undo) > 0 {
		left = -1
	}
	if left < 0 && len(d.undo) == 0 && !events {
		ahead, ended = w.lookAhead(body, int(c.minSize))
	}
	if ended == io.EOF && (ahead == 0 || int64(ahead) < c.minSize) {
		r.Body = &whole{bytes.NewReader(bytes.Clone(w.in[:ahead])), body}
		if r.Trailer == nil { // which only a body of unknown length can have
			r.ContentLength = int64(ahead)
		}
		pool.Put(w)
		return nil
	}
	w.begin()
	return &encoded{
		from: body, left: left, ahead: ahead, ended: ended, work: w, encoders: pool,
		tally: &c.figures.encoded[d.make], running: &c.figures.running, events: events,
	}
}

// whole is a body of which all was read.
type whole struct {
	*bytes.Reader
	io.Closer
}

// Ready tells that a Read does not wait.
func (*whole) Ready() bool { return true }

// leave lets r go as it is.
func (c *compressor) leave(x *flow.Exchange, r *flow.Response, d decision) {
	c.figures.left[d.left].Add(1)
	x.Note("left", d.why)
	if d.vary {
		r.Header = varied(r.Header)
	}
}

// busy is for an answer that finds every stream in use.
func (c *compressor) busy(x *flow.Exchange, r *flow.Response, d decision) (*flow.Response, error) {
	if len(d.undo) == 0 {
		d.left, d.why = leftBusy, "max_streams answers are being compressed"
		c.leave(x, r, d)
		return r, nil
	}
	c.figures.refused.Add(1)
	_ = r.Body.Close() // nothing was read from it
	return nil, problem.New(problem.Overloaded, "Decompressing the answer of %s: %d answers are compressed or decompressed already. Try again, or raise max_streams of %s.", x.Request.Host(), c.maxStreams, c.cell)
}

// headOnly makes the head of an answer to HEAD what it is for GET (RFC 9110 §9.3.2). Where only the
// content tells whether it is compressed, the head tells no coding.
func (c *compressor) headOnly(x *flow.Exchange, r *flow.Response, d decision, media string) *flow.Response {
	if r.ContentLength < 0 && len(d.undo) == 0 && !eventStream(media) {
		c.figures.left[leftSize].Add(1)
		x.Note("left", "the length is not told, so the head does not tell a coding")
		r.Header, _ = recoded(r.Header, identity)
		return r
	}
	c.changed(x, r, d)
	return r
}

// changed makes the head tell of the new coding, and the trail too.
func (c *compressor) changed(x *flow.Exchange, r *flow.Response, d decision) {
	var dropped []string
	r.Header, dropped = recoded(r.Header, d.make)
	r.ContentLength = -1
	if r.Trailer != nil {
		r.Trailer = withoutDigests(r.Trailer)
	}
	for _, one := range d.undo {
		c.figures.decoded[one].answers.Add(1)
		x.Note("undid", one.String())
	}
	if d.make == identity {
		c.figures.left[d.left].Add(1)
		x.Note("left", d.why)
	} else {
		c.figures.encoded[d.make].answers.Add(1)
		x.Note("coding", d.make.String())
		x.Note("why", d.why)
		x.Note("level", c.encoders[d.make].level)
	}
	if len(dropped) > 0 {
		x.Note("dropped", strings.Join(dropped, ", "))
	}
}

// notModified gives the client of a 304 the entity tag that it knows: the weak one, where it got that
// from here.
func notModified(a *asking, r *flow.Response) {
	tag := r.Header.Get("ETag")
	if known := weak(tag); known != tag && strings.Contains(a.header.Joined("If-None-Match"), known) {
		r.Header.Set("ETag", known)
		r.Header = varied(r.Header)
	}
}
