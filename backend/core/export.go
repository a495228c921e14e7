package core

import (
	"context"
	"io"

	"proxycache/backend/export"
	"proxycache/backend/filter"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// curlBodyLimit is how large a body may be that is put on a command line.
const curlBodyLimit = 1 << 20

// Curl is the exchange as a command for sh.
func (c *Core) Curl(_ context.Context, seq int64) (string, error) {
	r, err := c.record(seq)
	if err != nil {
		return "", err
	}
	if err := proper(r, "Copying"); err != nil {
		return "", err
	}
	b := r.RequestBody
	if b.Size > curlBodyLimit {
		return "", problem.New(problem.Invalid, "Copying #%d as cURL: its body has %d bytes, too many for a command line. Save the body from the Request tab and use --data-binary @file.", seq, b.Size)
	}
	if b.Kept < b.Size {
		return "", problem.New(problem.Invalid, "Copying #%d as cURL: only %d of its %d body bytes were kept. Raise capture.body_cap and capture it again.", seq, b.Kept, b.Size)
	}
	body, err := c.openBody(b)
	if err != nil {
		return "", err
	}
	defer body.Close()
	bytes, err := io.ReadAll(body)
	if err != nil {
		return "", err
	}
	return export.Curl(r, bytes), nil
}

// Export writes a file of exchanges to w. Name is what to call it.
func (c *Core) Export(ctx context.Context, r ExportRequest, w io.Writer) error {
	source, err := c.source(ctx, r.Selection)
	if err != nil {
		return err
	}
	o := export.Options{Redact: r.Redact, Version: c.options.Version}
	switch r.Format {
	case "postman":
		return export.Postman(w, "Proxycache", source, o)
	case "har":
		return export.HAR(w, source, o)
	}
	return problem.New(problem.Invalid, "Exporting: there is no format %q. Choose postman or har.", r.Format)
}

// ExportName is what to call the file of an export.
func ExportName(r ExportRequest) string {
	if r.Format == "har" {
		return "proxycache.har"
	}
	return "proxycache.postman_collection.json"
}

// source reads a selection from the store for an export.
func (c *Core) source(ctx context.Context, s Selection) (export.Source, error) {
	if !s.All {
		return &exportSource{core: c, ctx: ctx, seqs: s.Seqs}, nil
	}
	expr, err := filter.Parse(s.Filter)
	if err != nil {
		return nil, err
	}
	seqs, err := c.store.Seqs(expr)
	if err != nil {
		return nil, err
	}
	return &exportSource{core: c, ctx: ctx, seqs: seqs}, nil
}

type exportSource struct {
	core *Core
	ctx  context.Context
	seqs []int64
}

// Records yields each exchange of the selection that is still there, in order.
func (s *exportSource) Records(yield func(*flow.Record, error) bool) {
	for _, seq := range s.seqs {
		if err := s.ctx.Err(); err != nil {
			yield(nil, err)
			return
		}
		r, err := s.core.record(seq)
		if problem.KindOf(err) == problem.NotFound {
			continue // deleted meanwhile
		}
		if !yield(r, err) || err != nil {
			return
		}
	}
}

// Body opens a kept body.
func (s *exportSource) Body(b flow.Stored) (io.ReadCloser, error) { return s.core.openBody(b) }
