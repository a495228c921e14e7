package record

import (
	"bytes"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/problem"
)

// watch is one exchange under observation. The exchange itself belongs to the goroutine of its
// pipeline; record is what others may see of it, and changes only under the recorder's mu.
type watch struct {
	recorder *Recorder
	seq      int64
	started  time.Time
	exchange *flow.Exchange
	request  *flow.Request // as it came in
	response *flow.Response

	up, down tee // the request's and the response's body

	record flow.Record
	over   atomic.Bool // somebody has seen the end, and completes the record
	queued bool        // the writer has it, or it is lost
	final  bool        // it is in the store, or lost
	lost   bool        // it counts as lost
	listed atomic.Bool // it is among the changes not yet told
}

func newWatch(r *Recorder, x *flow.Exchange) *watch {
	q := x.Request
	w := &watch{recorder: r, seq: x.Seq, started: x.Started, exchange: x, request: q}
	keep := int64(r.settings.Load().BodyCap)
	w.up = tee{ReadCloser: q.Body, watch: w, cap: keep, length: q.ContentLength}
	w.down = tee{watch: w, cap: keep}
	w.record = flow.Record{
		Seq: x.Seq, ID: x.ID, Started: x.Started, Door: x.Door, Client: clientOf(x), State: flow.Pending, ReplayOf: x.ReplayOf,
		Method: q.Method, Scheme: q.Scheme, Authority: q.Authority, Target: q.Target, RequestProto: q.Proto, RequestHead: requestHead(q),
		ClientConn: x.ClientConn,
	}
	w.record.RequestBody.Type, w.record.RequestBody.Encoding = q.Header.Get("Content-Type"), q.Header.Get("Content-Encoding")
	return w
}

// clientOf is the address as the connection has it in words already.
func clientOf(x *flow.Exchange) string {
	if x.ClientConn.Remote != "" {
		return x.ClientConn.Remote
	}
	return x.Client.String()
}

// requestHead is the head as it arrived, or printed where it never was a text.
func requestHead(q *flow.Request) []byte {
	if q.RawHead != nil {
		return q.RawHead
	}
	target, header := q.Target, q.Header
	if target == "" {
		target = q.Authority
	}
	if !header.Has("Host") && q.Authority != "" {
		header = append(flow.Header{{Name: "Host", Value: q.Authority}}, header...)
	}
	return http1.AppendRequest(nil, q.Method, target, q.Proto, header)
}

// responseHead is the head as the client was sent it; as the cells left it where it was not, because the client
// had left or a replay has none. The recorder's mu is held.
func (w *watch) responseHead() []byte {
	if p := w.response; w.record.ResponseHead == nil && p != nil {
		return http1.AppendResponse(nil, p.Proto, p.Status, p.Reason, p.Header)
	}
	return w.record.ResponseHead
}

// answer takes the response and puts itself around what follows its head.
func (w *watch) answer(p *flow.Response) {
	kind, encoding := p.Header.Get("Content-Type"), p.Header.Get("Content-Encoding")
	trail := w.exchange.Trail.Clone()
	w.down.begin(p)
	r := w.recorder
	r.mu.Lock()
	if !w.over.Load() {
		w.response = p
		w.look(trail)
		w.record.Status, w.record.ResponseProto = p.Status, p.Proto
		w.record.ResponseBody.Type, w.record.ResponseBody.Encoding = kind, encoding
		r.changed.add(w)
	}
	r.mu.Unlock()
	p.Watcher = w
	if p.Upgraded != nil {
		p.Upgraded = watchUpgraded(w, p.Upgraded)
		return
	}
	p.Body = &w.down
}

// Begins takes the head of the response as the client is sent it.
func (w *watch) Begins(proto string, head []byte) {
	r := w.recorder
	kept := bytes.Clone(head)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !w.over.Load() {
		w.record.ResponseProto, w.record.ResponseHead = proto, kept
	}
}

// look copies what the pipeline has noted so far.
func (w *watch) look(trail flow.Trail) {
	x, r := w.exchange, &w.record
	r.Route, r.Upstream, r.SentTo, r.Mocked = x.Route, x.Upstream, x.Target, x.Mocked
	r.Timing, r.ClientConn, r.TargetConn = x.Timing, x.ClientConn, x.TargetConn
	r.Trail, r.Problem = trail, x.Problem
}

// finish takes the end of the exchange, in the goroutine of its pipeline.
func (w *watch) finish() {
	if w.over.Swap(true) {
		return
	}
	x := w.exchange
	if x.Timing.Done == 0 {
		x.Timing.Done = x.Since()
	}
	trail := w.record.Trail
	if !trail.Equal(x.Trail) {
		trail = x.Trail.Clone()
	}
	up, down := w.up.end(), w.down.end()
	r := w.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	w.look(trail)
	w.conclude(down)
	w.record.ResponseHead = w.responseHead()
	w.record.RequestTrailer, w.record.ResponseTrailer = up.trailer, down.trailer
	if w.response == nil || w.response.Upgraded == nil {
		r.stats.finished(w.started, w.record.Timing.Done)
	}
	w.exchange, w.request, w.response = nil, nil, nil // what waits for the writer holds no connection
	r.enqueue(item{watch: w, request: up.content, response: down.content})
}

// conclude says how the exchange ended.
func (w *watch) conclude(down ended) {
	p, r := w.response, &w.record
	switch {
	case r.Problem != nil && r.Problem.Kind == problem.ClientLeft, p != nil && p.Cut:
		r.State = flow.Aborted
	case r.Problem != nil:
		r.State = flow.Errored
	case down.err != nil && w.exchange.Context().Err() == nil:
		r.State = flow.Errored
		r.Problem = problem.Wrap(problem.Terminated, down.err, "Receiving the response of %s: it broke off after %d bytes (%v). Look at the server's log.", r.SentTo, w.down.size.Load(), down.err)
	case down.err != nil, p != nil && p.Upgraded == nil && !down.whole && hasBody(r.Method, p.Status):
		r.State = flow.Aborted
	default:
		r.State = flow.Done
	}
}

// hasBody tells that a response is sent with its body (RFC 9112 §6.3).
func hasBody(method string, status int) bool {
	return method != "HEAD" && status >= 200 && status != 204 && status != 304
}

// crash records an exchange whose pipeline gave no response.
func (w *watch) crash() {
	w.exchange.Problem = problem.New(problem.Internal, "Answering %s %s: the proxy failed. Report this with what its log says.", w.record.Method, w.request.URL())
	w.finish()
}

// abort takes the end of an exchange that is still running, from outside of its pipeline: all that
// is known is in the record already.
func (w *watch) abort() {
	if w.over.Swap(true) {
		return
	}
	up, down := w.up.end(), w.down.end()
	r := w.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	w.record.Timing.Done = time.Since(w.started)
	w.record.State = flow.Aborted
	w.record.ResponseHead, w.response = w.responseHead(), nil // it serves others soon
	w.record.RequestTrailer, w.record.ResponseTrailer = up.trailer, down.trailer
	r.enqueue(item{watch: w, request: up.content, response: down.content})
}

// snapshot is the record as it is now, a caller's to keep. The recorder's mu is held.
func (w *watch) snapshot() *flow.Record {
	r := w.record
	r.State, r.ResponseHead = flow.Pending, w.responseHead()
	r.RequestBody.Size, r.ResponseBody.Size = w.up.size.Load(), w.down.size.Load()
	r.RequestBody.Hash, r.RequestBody.Kept = "", 0
	r.ResponseBody.Hash, r.ResponseBody.Kept = "", 0
	return &r
}

// row is the row of the list as of now. The recorder's mu is held.
func (w *watch) row() flow.Row {
	if w.final {
		return flow.RowOf(&w.record)
	}
	return flow.RowOf(w.snapshot())
}

// grown tells that more of a body has passed.
func (w *watch) grown() {
	if w.listed.Load() {
		return
	}
	w.recorder.mu.Lock()
	defer w.recorder.mu.Unlock()
	w.recorder.changed.add(w)
}
