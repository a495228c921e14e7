package upstream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/socket"
)

// upgrade hands the connection over.
func (k *call) upgrade() (*flow.Response, error) {
	doing := k.doing("Waiting for the answer of %s")
	if !asksUpgrade(k.x.Request) || !grants(k.x.Request.Header, k.answer.Header) {
		return nil, k.fail(doing, &http1.Error{Status: 502, Reason: "it switched to another protocol (101) without being asked"}, false)
	}
	if k.upload != nil {
		<-k.upload.done // it has all of the request, or would not have answered so
		k.x.Timing.Sent = k.upload.sent
		if k.upload.err != nil {
			return nil, k.fail(doing, k.upload.err, false)
		}
	}
	k.over = true
	if !k.stop() {
		k.c.end()
		return nil, k.p.cancelled(k.x, doing)
	}
	if err := k.c.paced.rest(); err != nil {
		k.c.end()
		return nil, k.p.broken(k.t, doing, err)
	}
	ahead := append([]byte(nil), k.c.reader.Buffered()...)
	k.c.reader.Release()
	k.fill(flow.NoBody, 0)
	k.response.Upgraded = newUpgraded(k.x.Context(), k.c.Conn, k.c.socket, ahead, k.c.aborted, k.c.uncount)
	return &k.response, nil
}

// respond makes the response; the connection is free at once where nothing follows its head.
func (k *call) respond() *flow.Response {
	h := k.answer
	switch {
	case h.Length != 0:
		k.opened.Open(k.c.reader, h)
		k.body = &k.opened
		gone := nominated(h.Header)
		k.fill(k, max(h.Length, -1))
		if h.Length == http1.Chunked {
			k.response.Trailer = func() flow.Header { return without(gone, k.body.Trailer()) }
		}
	case k.uploading():
		k.fill(k, k.announced()) // whose Close ends what is still being sent
	default:
		k.fill(flow.NoBody, k.announced())
		k.finish(true)
	}
	return &k.response
}

func (k *call) fill(body io.ReadCloser, length int64) {
	h := k.answer
	k.response = flow.Response{
		Status: h.Status, Reason: h.Reason, Proto: h.Proto, Header: AnswerFields(h.Header, h.Status, h.Proto),
		Body: body, ContentLength: length, RawHead: h.Raw,
	}
}

// announced is the length that the head of a response without a body speaks of: HEAD's and 304's are
// those of the body that is not sent.
func (k *call) announced() int64 {
	h := k.answer
	if k.x.Request.Method != "HEAD" && h.Status != 304 {
		return 0
	}
	n, err := strconv.ParseInt(h.Header.Get("Content-Length"), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// Read passes on what has arrived of the response.
func (k *call) Read(p []byte) (int, error) {
	switch {
	case k.failed != nil:
		return 0, k.failed
	case k.body == nil:
		return 0, io.EOF
	case k.over:
		return 0, io.ErrClosedPipe
	}
	n, err := k.body.Read(p)
	return n, k.came(err)
}

// Beside is the socket that the body comes from and how many bytes of it Fill may take there; none where only
// Read has them.
func (k *call) Beside() (from net.Conn, most int64) {
	if k.body == nil || k.over || !k.c.clear || k.uploading() { // who sends looks at what Read hears
		return nil, 0
	}
	return k.c.socket, k.body.Beside()
}

// Fill is a Read into a pipe that leads away from there.
func (k *call) Fill(pipe *socket.Pipe, most int64) (int, error) {
	n, err := pipe.Fill(min(most, k.body.Beside()))
	if errors.Is(err, errors.ErrUnsupported) {
		return 0, err
	}
	return n, k.came(k.body.Passed(n, err))
}

// came looks at what came with some of the body: its end, or why there is none.
func (k *call) came(err error) error {
	if err == io.EOF && k.answer.Length == http1.UntilClose && k.c.unclosed() { // RFC 9112 §9.8
		err = errUnclosed
	}
	switch {
	case err == io.EOF:
		k.failed = io.EOF
		if !k.uploading() {
			k.finish(true)
		}
	case err != nil:
		k.failed = k.fail(k.doing("Reading the answer of %s"), inTheMiddle(err), false)
		k.p.lines.failed(k.t.site, k.failed)
		err = k.failed
	}
	return err
}

// inTheMiddle is a reset as an end before the end: the answer had begun.
func inTheMiddle(err error) error {
	if errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return err
}

// Ready tells that some of the body came with the head.
func (k *call) Ready() bool { return k.body != nil && !k.over && k.body.Ready() }

// Close gives the connection back where the response was read to its end, and closes it else.
func (k *call) Close() error {
	if !k.over {
		k.finish((k.body == nil || k.body.Done()) && (k.upload == nil || k.upload.settle()))
	}
	if k.failed == nil {
		k.failed = io.ErrClosedPipe
	}
	return nil
}

// uploading tells that the request is still being sent.
func (k *call) uploading() bool { return k.upload != nil && k.upload.running() }

func (k *call) endUpload() {
	if k.upload == nil {
		return
	}
	k.upload.stopped.Store(true)
	if !k.upload.running() && (k.upload.err == nil || k.upload.withheld) {
		k.x.Timing.Sent = k.upload.sent
	}
}

// finish ends the use of the connection, which is kept where whole says that both messages are and
// nothing speaks against it.
func (k *call) finish(whole bool) {
	k.over = true
	k.leave()
	aborted := !k.stop()
	k.endUpload()
	switch {
	case aborted || k.uploading():
		k.c.abort()
		k.c.end()
	case !whole || k.answer.Close || k.upload != nil && k.upload.err != nil || !k.c.spent():
		k.c.end()
	default:
		k.c.lines.put(k.c)
	}
}
