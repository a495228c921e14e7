package export

import (
	"proxycache/backend/flow"
)

// The members of HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec/), but for those that are
// written piece by piece: entries, request, response, postData, content and their texts.

type harLog struct {
	Version string     `json:"version"`
	Creator harCreator `json:"creator"`
}

type harCreator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type harEntry struct {
	StartedDateTime string  `json:"startedDateTime"`
	Time            float64 `json:"time"` // milliseconds
	ServerIPAddress string  `json:"serverIPAddress,omitempty"`
	Connection      string  `json:"connection,omitempty"`
	Comment         string  `json:"comment,omitempty"`
	ResourceType    string  `json:"_resourceType,omitempty"`
	Error           string  `json:"_error,omitempty"`
}

type harRequest struct {
	Method      string      `json:"method"`
	URL         string      `json:"url"`
	HTTPVersion string      `json:"httpVersion"`
	Cookies     []harCookie `json:"cookies"`
	Headers     []harPair   `json:"headers"`
	QueryString []harPair   `json:"queryString"`
	HeadersSize int         `json:"headersSize"`
	BodySize    int64       `json:"bodySize"`
}

type harPostData struct {
	MimeType string `json:"mimeType"`
	Encoding string `json:"_encoding,omitempty"` // "base64"; the format knows it of answers only
}

type harResponse struct {
	Status      int         `json:"status"`
	StatusText  string      `json:"statusText"`
	HTTPVersion string      `json:"httpVersion"`
	Cookies     []harCookie `json:"cookies"`
	Headers     []harPair   `json:"headers"`
	RedirectURL string      `json:"redirectURL"`
	HeadersSize int         `json:"headersSize"`
	BodySize    int64       `json:"bodySize"`
}

type harContent struct {
	Size        int64  `json:"size"`
	Compression *int64 `json:"compression,omitempty"`
	MimeType    string `json:"mimeType"`
	Encoding    string `json:"encoding,omitempty"`
}

// harTimings are milliseconds, -1 for what did not happen or is not known.
type harTimings struct {
	Blocked float64 `json:"blocked"`
	DNS     float64 `json:"dns"`
	Connect float64 `json:"connect"`
	SSL     float64 `json:"ssl"`
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type harCookie struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Path     string `json:"path,omitempty"`
	Domain   string `json:"domain,omitempty"`
	Expires  string `json:"expires,omitempty"`
	HTTPOnly bool   `json:"httpOnly,omitempty"`
	Secure   bool   `json:"secure,omitempty"`
	SameSite string `json:"sameSite,omitempty"`
}

// own is what only Proxycache knows of an exchange.
type own struct {
	Seq             int64     `json:"seq"`
	ID              string    `json:"id"`
	Door            flow.Door `json:"door"`
	State           string    `json:"state"`
	Client          string    `json:"client"`
	Route           string    `json:"route,omitempty"`
	Upstream        string    `json:"upstream,omitempty"`
	SentTo          string    `json:"sentTo,omitempty"`
	Mocked          bool      `json:"mocked,omitempty"`
	ReplayOf        int64     `json:"replayOf,omitempty"`
	Target          string    `json:"target,omitempty"` // where the URL had to be encoded to be one
	RequestTrailer  []harPair `json:"requestTrailer,omitempty"`
	ResponseTrailer []harPair `json:"responseTrailer,omitempty"`
	Trail           []ownStep `json:"trail"`
}

// ownStep is what a cell did. Before and After are milliseconds.
type ownStep struct {
	Cell     string       `json:"cell"`
	Module   string       `json:"module"`
	Verdict  flow.Verdict `json:"verdict"`
	Why      string       `json:"why,omitempty"`
	Facts    []flow.Fact  `json:"facts,omitempty"`
	Before   float64      `json:"before"`
	After    float64      `json:"after"`
	Request  *ownDelta    `json:"request,omitempty"`
	Response *ownDelta    `json:"response,omitempty"`
}

type ownDelta struct {
	Fields []flow.FieldEdit `json:"fields,omitempty"`
	Line   []string         `json:"line,omitempty"` // before and after
	Body   bool             `json:"body,omitempty"`
}

func ownOf(v view) own {
	out := own{
		Seq: v.Seq, ID: v.ID.String(), Door: v.Door, State: string(v.State), Client: v.Client, Route: v.Route, Upstream: v.Upstream,
		SentTo: v.SentTo, Mocked: v.Mocked, ReplayOf: v.ReplayOf,
		RequestTrailer: pairs(v.requestTrailer), ResponseTrailer: pairs(v.responseTrailer), Trail: []ownStep{},
	}
	if legalURL(v.url) != v.url {
		out.Target = shown(v.target)
	}
	for _, s := range v.trail {
		out.Trail = append(out.Trail, ownStep{
			Cell: s.Cell, Module: s.Module, Verdict: s.Verdict, Why: s.Why, Facts: s.Facts,
			Before: float64(s.Before.Nanoseconds()) / 1e6, After: float64(s.After.Nanoseconds()) / 1e6,
			Request: deltaOf(s.Request), Response: deltaOf(s.Response),
		})
	}
	return out
}

func deltaOf(d *flow.Delta) *ownDelta {
	if d == nil {
		return nil
	}
	out := &ownDelta{Fields: d.Header, Body: d.Body}
	if d.Line != [2]string{} {
		out.Line = d.Line[:]
	}
	return out
}
