package core

import (
	"context"
	"encoding/base64"
	"io"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/replay"
)

// Replay sends an exchange again through the engine and returns its number at once; the answer
// arrives as news.
func (c *Core) Replay(_ context.Context, r ReplayRequest) (int64, error) {
	original, m, err := c.replayMessage(r)
	if err != nil {
		return 0, err
	}
	x, err := replay.Exchange(c.background, m, original)
	if err != nil {
		_ = m.Body.Close() // what was wrong is in err
		return 0, err
	}
	if !c.recorder.Stats().Recording {
		_ = m.Body.Close()
		return 0, problem.New(problem.Conflict, "Replaying: recording is paused, so the answer would not be kept. Resume recording first.")
	}
	c.recorder.Number(x)
	c.running.Go(func() { replay.Send(c.recorder, x) })
	return x.Seq, nil
}

func (c *Core) replayMessage(r ReplayRequest) (*flow.Record, replay.Message, error) {
	if r.Seq == 0 {
		m, err := editedMessage(r, flow.NoBody, 0)
		return nil, m, err
	}
	original, err := c.record(r.Seq)
	if err != nil {
		return nil, replay.Message{}, err
	}
	switch {
	case original.Door == flow.Tunnel:
		return nil, replay.Message{}, problem.New(problem.Invalid, "Replaying #%d: it was a tunnel, whose bytes were not read. Take its host off the pass-through list to see and replay what is inside.", r.Seq)
	case original.State == flow.Pending && r.KeepBody, original.State == flow.Pending && !r.Edited:
		return nil, replay.Message{}, problem.New(problem.Conflict, "Replaying #%d: it is not over yet. Wait until its request is complete.", r.Seq)
	}
	if r.Edited && !r.KeepBody {
		m, err := editedMessage(r, flow.NoBody, 0)
		return original, m, err
	}
	if err := proper(original, "Replaying"); err != nil {
		return nil, replay.Message{}, err
	}
	if err := replay.Whole(original); err != nil {
		return nil, replay.Message{}, err
	}
	body, err := c.openBody(original.RequestBody)
	if err != nil {
		return nil, replay.Message{}, err
	}
	if r.Edited {
		m, err := editedMessage(r, body, original.RequestBody.Kept)
		return original, m, err
	}
	_, fields := splitHead(original.RequestHead)
	return original, replay.Of(original, fields, body), nil
}

// proper tells that r is known well enough for what is being done.
func proper(r *flow.Record, doing string) error {
	if r.TurnedAway() {
		return problem.New(problem.Invalid, "%s #%d: it was turned away before any route saw it, and its body was not read. See what was sent under Raw, or edit it and send that.", doing, r.Seq)
	}
	return nil
}

// editedMessage is the request as a person wrote it; body is the recorded one when it is kept.
func editedMessage(r ReplayRequest, body io.ReadCloser, length int64) (replay.Message, error) {
	m := replay.Message{Method: r.Method, URL: r.URL, Fields: r.Fields, Body: body, Length: length}
	if r.KeepBody {
		return m, nil
	}
	bytes, err := base64.StdEncoding.DecodeString(r.Body)
	if err != nil {
		return m, problem.Wrap(problem.Invalid, err, "Sending: the body is not base64: %v.", err).At("body")
	}
	m.Body, m.Length = replay.Bytes(bytes), int64(len(bytes))
	return m, nil
}

// openBody reads a kept body from its beginning.
func (c *Core) openBody(b flow.Stored) (io.ReadCloser, error) {
	if b.Kept == 0 {
		return flow.NoBody, nil
	}
	return c.store.Body(b.Hash)
}
