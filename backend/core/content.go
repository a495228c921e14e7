package core

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"

	"proxycache/backend/coding"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// Content serves what does not cross as JSON: kept bodies under /body/SEQ/request and …/response
// (with ranges; ?decoded=1 undoes the content coding), messages as raw bytes under /raw/SEQ/request
// and …/response, the heads between the proxy and a target under …/sent and …/came, and the authority's
// certificate as /ca.pem. The window and the browser door put it
// behind their own checks.
func (c *Core) Content() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /body/{seq}/{side}", c.serveBody)
	mux.HandleFunc("GET /raw/{seq}/{side}", c.serveRaw)
	mux.HandleFunc("GET /ca.pem", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		w.Header().Set("Content-Disposition", `attachment; filename="proxycache-ca.pem"`)
		_, _ = w.Write(c.authority.PEM()) // the reader may have left
	})
	return mux
}

// CertificatePEM is the authority's certificate.
func (c *Core) CertificatePEM() []byte { return c.authority.PEM() }

// StatusOf is the status that tells err over HTTP.
func StatusOf(err error) int {
	kind := problem.KindOf(err)
	if list, ok := errors.AsType[problem.List](err); ok && len(list) > 0 {
		kind = list[0].Kind
	}
	switch kind {
	case problem.Invalid:
		return http.StatusBadRequest
	case problem.NotFound:
		return http.StatusNotFound
	case problem.Conflict:
		return http.StatusConflict
	case problem.Forbidden:
		return http.StatusForbidden
	case problem.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// side finds the record and the half of it that a path names.
func (c *Core) side(r *http.Request) (record *flow.Record, stored flow.Stored, head []byte, err error) {
	seq, err := strconv.ParseInt(r.PathValue("seq"), 10, 64)
	if err != nil {
		return nil, stored, nil, problem.New(problem.NotFound, "Reading %s: there is no exchange %q.", r.URL.Path, r.PathValue("seq"))
	}
	if record, err = c.record(seq); err != nil {
		return nil, stored, nil, err
	}
	switch r.PathValue("side") {
	case "request":
		return record, record.RequestBody, record.RequestHead, nil
	case "response":
		return record, record.ResponseBody, record.ResponseHead, nil
	case "sent":
		head, _ = heads(record.Trail)
	case "came":
		_, head = heads(record.Trail)
	default:
		return nil, stored, nil, problem.New(problem.NotFound, "Reading %s: write /request, /sent, /came or /response at the end.", r.URL.Path)
	}
	if head == nil {
		return nil, stored, nil, problem.New(problem.NotFound, "Reading %s: no such head was on the wire to a target.", r.URL.Path)
	}
	return record, stored, head, nil
}

func (c *Core) serveBody(w http.ResponseWriter, r *http.Request) {
	record, stored, _, err := c.side(r)
	if err != nil {
		http.Error(w, err.Error(), StatusOf(err))
		return
	}
	body, err := c.openBody(stored)
	if err != nil {
		http.Error(w, err.Error(), StatusOf(err))
		return
	}
	defer body.Close()
	guardContent(w, stored.Type)
	if record.State != flow.Pending { // the same number never gets other bytes
		w.Header().Set("ETag", `"`+stored.Hash+"-"+r.URL.Query().Get("decoded")+`"`)
	}
	seeker, seekable := body.(io.ReadSeeker)
	if r.URL.Query().Get("decoded") == "" || stored.Encoding == "" {
		if !seekable {
			seeker = strings.NewReader("")
		}
		http.ServeContent(w, r, "", record.Started, seeker)
		return
	}
	decoded, err := coding.Decode(body, stored.Encoding)
	if err != nil {
		http.Error(w, err.Error(), StatusOf(err))
		return
	}
	defer decoded.Close()
	serveStream(w, r, decoded)
}

// guardContent keeps captured pages from acting as pages of ours: nothing but images keeps its type,
// and nothing may run.
func guardContent(w http.ResponseWriter, contentType string) {
	kind := "application/octet-stream"
	switch media, _, _ := strings.Cut(strings.ToLower(contentType), ";"); {
	case strings.HasPrefix(media, "image/"), strings.HasPrefix(media, "audio/"), strings.HasPrefix(media, "video/"):
		kind = strings.TrimSpace(media)
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-cache")
}

// serveStream answers a request for a part of a stream whose length only its end tells: it reads and
// drops what comes before the part.
func serveStream(w http.ResponseWriter, r *http.Request, stream io.Reader) {
	first, last, ranged := byteRange(r.Header.Get("Range"))
	if !ranged {
		_, _ = io.Copy(w, stream) // an error ends the answer early, which is all that can be said now
		return
	}
	skipped, err := io.CopyN(io.Discard, stream, first)
	if err != nil && !errors.Is(err, io.EOF) {
		http.Error(w, "Undoing the content coding: "+err.Error()+". Look at the bytes as sent.", http.StatusUnprocessableEntity)
		return
	}
	part, err := io.ReadAll(io.LimitReader(stream, last-first+2)) // one more tells whether it ends here
	if err != nil && len(part) == 0 {
		http.Error(w, "Undoing the content coding: "+err.Error()+". Look at the bytes as sent.", http.StatusUnprocessableEntity)
		return
	}
	total := "*"
	if int64(len(part)) <= last-first+1 {
		total = strconv.FormatInt(skipped+int64(len(part)), 10)
	} else {
		part = part[:last-first+1]
	}
	if len(part) == 0 {
		w.Header().Set("Content-Range", "bytes */"+total)
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%s", first, first+int64(len(part))-1, total))
	w.WriteHeader(http.StatusPartialContent)
	_, _ = w.Write(part)
}

// maxSlice bounds one part of a decoded body.
const maxSlice = 4 << 20

// byteRange reads "bytes=FIRST-LAST" and "bytes=FIRST-" (RFC 9110 §14.1.2); other forms are ignored,
// as a server may.
func byteRange(header string) (first, last int64, ok bool) {
	spec, found := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(spec, "-")
	if !found || !dash {
		return 0, 0, false
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil || first < 0 {
		return 0, 0, false
	}
	last = first + maxSlice - 1
	if to != "" {
		n, err := strconv.ParseInt(to, 10, 64)
		if err != nil || n < first {
			return 0, 0, false
		}
		last = min(last, n)
	}
	return first, last, true
}

// serveRaw sends a message as it was on the wire, as far as it was kept.
func (c *Core) serveRaw(w http.ResponseWriter, r *http.Request) {
	_, stored, head, err := c.side(r)
	if err != nil {
		http.Error(w, err.Error(), StatusOf(err))
		return
	}
	body, err := c.openBody(stored)
	if err != nil {
		http.Error(w, err.Error(), StatusOf(err))
		return
	}
	defer body.Close()
	guardContent(w, "")
	if name := path.Base(r.URL.Query().Get("download")); name != "." && name != "/" {
		w.Header().Set("Content-Disposition", `attachment; filename="`+strings.Map(plain, name)+`"`)
	}
	serveStream(w, r, io.MultiReader(strings.NewReader(string(head)), body))
}

// plain drops what could end a quoted string.
func plain(r rune) rune {
	if r < ' ' || r == '"' || r == '\\' || r > '~' {
		return -1
	}
	return r
}
