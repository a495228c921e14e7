package flow

import (
	"time"

	"github.com/google/uuid"

	"proxycache/backend/problem"
)

// State tells how far an exchange came.
type State string

const (
	Pending State = "pending" // not over yet
	Done    State = "done"    // the whole response reached the client
	Aborted State = "aborted" // the client left, or the connection was cut on purpose
	Errored State = "error"   // the proxy had to answer with an error of its own, or the response broke off
)

// Record is an exchange as it is kept: all but the bytes of the bodies.
type Record struct {
	Seq      int64
	ID       uuid.UUID
	Started  time.Time
	Door     Door
	Client   string // ip:port
	State    State
	ReplayOf int64

	Method, Scheme, Authority, Target string
	RequestProto                      string
	RequestHead                       []byte // raw, up to and with the blank line
	RequestTrailer                    Header
	RequestBody                       Stored

	Status          int // 0 while there is none
	ResponseProto   string
	ResponseHead    []byte // as sent to the client
	ResponseTrailer Header
	ResponseBody    Stored

	Route, Upstream, SentTo string
	Mocked                  bool
	Timing                  Timing
	ClientConn, TargetConn  Conn
	Trail                   Trail
	Problem                 *problem.Problem
}

// Stored says what of a body was seen and kept.
type Stored struct {
	Hash     string // hex SHA-256 of the kept bytes, the key of the store's body; "" when none were kept
	Size     int64  // bytes that passed
	Kept     int64  // bytes that are in the store: less than Size when the cap was reached
	Type     string // Content-Type as sent
	Encoding string // Content-Encoding as sent
}

// TurnedAway tells that r was answered before any route saw it: for its form, because its door does not take it,
// or because as many were under way as may be. Its body was not read.
func (r *Record) TurnedAway() bool {
	if r.Problem == nil || r.Route != "" || len(r.Trail) > 0 {
		return false
	}
	switch r.Problem.Kind {
	case problem.BadRequest, problem.SlowClient, problem.Forbidden, problem.Overloaded:
		return true
	}
	return false
}

// Row is the narrow part of a record that the list shows.
type Row struct {
	Seq          int64  `json:"seq"`
	Started      int64  `json:"started"` // Unix milliseconds
	Method       string `json:"method"`
	Scheme       string `json:"scheme"`
	Authority    string `json:"authority"`
	Target       string `json:"target"`
	Status       int    `json:"status"` // 0 while there is none
	Type         string `json:"type"`   // short: "json", "html", "sse", "ws"; "" when unknown
	RequestSize  int64  `json:"requestSize"`
	ResponseSize int64  `json:"responseSize"`
	// Micros is the duration in microseconds; -1 while it is pending.
	Micros   int64  `json:"micros"`
	State    State  `json:"state"`
	Door     Door   `json:"door"`
	Route    string `json:"route"`
	Mocked   bool   `json:"mocked"`
	ReplayOf int64  `json:"replayOf"` // 0 when it is not a replay
	// Cells has one letter a step, in order: a acted (changed, answered, picked), p passed, s skipped,
	// f failed. The last one that is not s is where the answer came from.
	Cells string `json:"cells"`
}

// RowOf is the narrow part of r.
func RowOf(r *Record) Row {
	row := Row{
		Seq: r.Seq, Started: r.Started.UnixMilli(), Method: r.Method, Scheme: r.Scheme,
		Authority: r.Authority, Target: r.Target, Status: r.Status, Type: ShortType(r),
		RequestSize: r.RequestBody.Size, ResponseSize: r.ResponseBody.Size, Micros: -1,
		State: r.State, Door: r.Door, Route: r.Route, Mocked: r.Mocked, ReplayOf: r.ReplayOf,
		Cells: r.Trail.Letters(),
	}
	if r.State != Pending {
		row.Micros = r.Timing.Done.Microseconds()
	}
	return row
}

// Letters is the trail as Row.Cells tells it.
func (t Trail) Letters() string {
	b := make([]byte, len(t))
	for i := range t {
		switch t[i].Verdict {
		case Skipped:
			b[i] = 's'
		case Failed:
			b[i] = 'f'
		case Passed, "":
			b[i] = 'p'
		default:
			b[i] = 'a'
		}
	}
	return string(b)
}
