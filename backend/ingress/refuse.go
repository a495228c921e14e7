package ingress

import (
	"strconv"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// refusal is why a request does not become an exchange, and the status that says so.
type refusal struct {
	status int
	why    string // sentences for people
}

// refuse answers in plain text and ends the connection such that the client can read it.
func (c *client) refuse(r *refusal) {
	c.server.options.Log.Debug("refused a request", "client", c.facts.Remote, "status", r.status, "why", r.why)
	body := r.why + "\n"
	head := http1.AppendResponse(nil, "HTTP/1.1", r.status, "", flow.Header{
		{Name: "Content-Type", Value: "text/plain; charset=utf-8"},
		{Name: "Content-Length", Value: strconv.Itoa(len(body))},
		{Name: "Date", Value: c.server.date()},
		{Name: "Connection", Value: "close"},
	})
	if _, err := c.out.Write(append(head, body...)); err == nil {
		c.linger()
	}
}
