package compress

import (
	"fmt"
	"sync/atomic"
	"time"

	"proxycache/backend/policy"
)

// reason says why an answer was not compressed.
type reason uint8

const (
	leftNot      reason = iota // it was
	leftBody                   // there is none
	leftPartial                // a part (206), or a request for one
	leftType                   // not in the lists
	leftSize                   // too small
	leftCoded                  // the server did it
	leftClient                 // the client takes none, or wants it plain
	leftNothing                // the client takes nothing that there is
	leftNoChange               // no-transform
	leftBusy                   // max_streams
	reasons
)

func (r reason) String() string {
	return [...]string{"", "no_body", "range", "type", "size", "encoded", "client", "not_acceptable", "no_transform", "busy"}[r]
}

const (
	brokenRatio = iota
	brokenSize
	brokenData
	breaks
)

// figures count what a cell did; they outlive an edit.
type figures struct {
	running atomic.Int64 // bodies that are being compressed or undone
	encoded [known]tally
	decoded [known]tally
	left    [reasons]atomic.Int64
	broken  [breaks]atomic.Int64
	refused atomic.Int64 // for want of room: max_streams
}

// tally counts for one coding and direction.
type tally struct{ answers, in, out, nanos atomic.Int64 }

func (t *tally) add(in, out int64, took time.Duration) {
	t.in.Add(in)
	t.out.Add(out)
	t.nanos.Add(int64(took))
}

// State tells the sums, and warns while no more answers can be compressed.
func (c *compressor) State() policy.State {
	f := c.figures
	s := policy.State{Level: policy.Calm}
	var in, out int64
	for i := range coding(known) {
		t := &f.encoded[i]
		in, out = in+t.in.Load(), out+t.out.Load()
		s.Figures = append(s.Figures, t.figures("compress", i)...)
		s.Figures = append(s.Figures, f.decoded[i].figures("decompress", i)...)
	}
	for r := leftBody; r < reasons; r++ {
		s.Figures = append(s.Figures, labelled("skipped_total", "Answers that were not compressed.", "reason", r.String(), f.left[r].Load()))
	}
	for i, why := range [breaks]string{"ratio", "size", "data"} {
		s.Figures = append(s.Figures, labelled("broken_total", "Answers that broke off while they were decompressed.", "reason", why, f.broken[i].Load()))
	}
	running := f.running.Load()
	s.Figures = append(s.Figures,
		policy.Figure{Name: "refused_total", Help: "Answers that had to be decompressed and were refused because max_streams were at work.", Counter: true, Value: float64(f.refused.Load())},
		policy.Figure{Name: "streams", Help: "Answers that are being compressed or decompressed now.", Value: float64(running)},
	)
	s.Summary = summary(in, out)
	if running >= c.maxStreams {
		s.Level = policy.Warn
		s.Summary = fmt.Sprintf("all %d streams are in use; %s", c.maxStreams, s.Summary)
	}
	return s
}

func summary(in, out int64) string {
	if in == 0 {
		return "nothing compressed yet"
	}
	return fmt.Sprintf("%s became %s, %.0f %%", size(in), size(out), 100*float64(out)/float64(in))
}

// figures are those of a coding that was in use.
func (t *tally) figures(action string, c coding) []policy.Figure {
	answers, in, out := t.answers.Load(), t.in.Load(), t.out.Load()
	if answers == 0 {
		return nil
	}
	labels := []policy.Label{{Name: "action", Value: action}, {Name: "coding", Value: c.String()}}
	all := []policy.Figure{
		{Name: "answers_total", Help: "Answers that were compressed or decompressed.", Counter: true, Labels: labels, Value: float64(answers)},
		{Name: "in_bytes_total", Help: "Bytes of bodies before.", Counter: true, Labels: labels, Value: float64(in)},
		{Name: "out_bytes_total", Help: "Bytes of bodies after.", Counter: true, Labels: labels, Value: float64(out)},
		{Name: "seconds_total", Help: "Time spent in the encoder or decoder, by the clock on the wall: on a busy machine that is more than its CPU time.", Counter: true, Labels: labels, Value: time.Duration(t.nanos.Load()).Seconds()},
	}
	plain, coded := in, out
	if action == "decompress" {
		plain, coded = out, in
	}
	if coded > 0 {
		all = append(all, policy.Figure{Name: "ratio", Help: "Bytes without the coding for each byte with it.", Labels: labels, Value: float64(plain) / float64(coded)})
	}
	return all
}

func labelled(name, help, label, value string, n int64) policy.Figure {
	return policy.Figure{Name: name, Help: help, Counter: true, Labels: []policy.Label{{Name: label, Value: value}}, Value: float64(n)}
}

// size is for people: "3.2 MiB".
func size(n int64) string {
	value, unit := float64(n), "bytes"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	if unit == "bytes" {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
