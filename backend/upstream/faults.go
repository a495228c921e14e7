package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/problem"
)

// Windows has numbers of its own for these (winsock2.h), which no other system uses.
const (
	wsaTooManyFiles    = syscall.Errno(10024)
	wsaNetUnreachable  = syscall.Errno(10051)
	wsaRefused         = syscall.Errno(10061)
	wsaHostUnreachable = syscall.Errno(10065)
)

func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaRefused)
}

func isUnreachable(err error) bool {
	for _, e := range []syscall.Errno{syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EADDRNOTAVAIL, syscall.EHOSTDOWN, wsaNetUnreachable, wsaHostUnreachable} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isExhausted tells that this machine or process has nothing left to connect with.
func isExhausted(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, wsaTooManyFiles} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

// moreTelling is the one of two errors of connecting that says more: a machine without IPv6 fails at
// the first address of every name.
func moreTelling(a, b error) error {
	if a == nil || isUnreachable(a) && !isUnreachable(b) {
		return b
	}
	return a
}

// cancelled says why x's context ended: the client left, or a module set a time that is over. doing
// is the sentence's beginning, "Connecting to 127.0.0.1:3000".
func (p *Pool) cancelled(x *flow.Exchange, doing string) *problem.Problem {
	cause := context.Cause(x.Context())
	if given, ok := errors.AsType[*problem.Problem](cause); ok {
		return given
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return problem.Wrap(problem.ReadTimeout, cause, "%s: the time for this exchange is over. Raise the timeout of the route, or see why the server is slow.", doing)
	}
	return problem.Wrap(problem.ClientLeft, cause, "%s: the client closed its connection first. Raise its timeout if it did not mean to.", doing)
}

// noAddress is what is wrong with a target that names no host or port.
func (p *Pool) noAddress(t *target) error {
	return problem.New(problem.DNS, "Connecting to %s: that is no host and port. %s", t.address, p.advice("Change the target", "Check the address"))
}

// forbidden is what is wrong with an address that is never dialled.
func (p *Pool) forbidden(t *target) error {
	return problem.New(problem.Forbidden, "Connecting to %s: this is Proxycache's own door to its settings, which nothing reaches through the proxy. %s", t.address, p.advice("Change the target", "Open it without the proxy"))
}

// notFound is why a name has no address.
func (p *Pool) notFound(x *flow.Exchange, t *target, err error) error {
	doing := fmt.Sprintf("Finding the address of %s", t.host)
	if x.Context().Err() != nil {
		return p.cancelled(x, doing)
	}
	fix := p.advice("Check the spelling in the target", "Check the spelling of the address")
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound || err == nil {
		return problem.Wrap(problem.DNS, err, "%s: there is no such name. %s", doing, fix)
	}
	if isTimeout(err) {
		return problem.Wrap(problem.DNS, err, "%s: the name servers did not answer in time. Check this machine's network, or name the server by its address.", doing)
	}
	return problem.Wrap(problem.DNS, err, "%s: the name servers of this machine do not know (%v). Check its network, or name the server by its address.", doing, err)
}

// notConnected is why a connection was not made.
func (p *Pool) notConnected(x *flow.Exchange, t *target, err error) error {
	doing := "Connecting to " + t.address
	switch {
	case x.Context().Err() != nil:
		return p.cancelled(x, doing)
	case isExhausted(err):
		return problem.Wrap(problem.Overloaded, err, "%s: this machine lets the proxy open no more connections (%v). Raise its limit of open files (ulimit -n), or lower connections in [limits].", doing, rootOf(err))
	case isRefused(err):
		return problem.Wrap(problem.Refused, err, "%s: nothing listens there. %s", doing, p.advice("Start the server or change the target", "Start the server or check the address"))
	case isTimeout(err):
		return p.slow(doing, err)
	case errors.Is(err, fs.ErrNotExist):
		return problem.Wrap(problem.Refused, err, "%s: there is no such socket. %s", doing, p.advice("Start the server or change the target", "Start the server"))
	case errors.Is(err, fs.ErrPermission) && t.scheme == "unix":
		return problem.Wrap(problem.Unreachable, err, "%s: this user may not open it. Change the permissions of the socket, or run the server as the same user.", doing)
	case wantsCertificate(err):
		return p.notAdmitted(doing, err)
	case isUnreachable(err):
		return problem.Wrap(problem.Unreachable, err, "%s: this machine has no way to it. Check its network. %s", doing, p.advice("Or change the target", "Or check the address"))
	}
	return problem.Wrap(problem.Unreachable, err, "%s: %v. %s", doing, rootOf(err), p.advice("Check the server, the firewall, and the target", "Check the server, the firewall, and the address"))
}

func (p *Pool) slow(doing string, err error) error {
	return problem.Wrap(problem.Timeout, err, "%s: no answer within %s. %s Or raise connect_timeout in %s.", doing, p.settings.ConnectTimeout, p.advice("Check that the server runs and no firewall is in between, or change the target", "Check that the server runs and no firewall is in between"), p.section())
}

// rootOf is the innermost error: "permission denied" without what net puts around it.
func rootOf(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// notSecured is why a TLS handshake failed. What the server showed stays in x.
func (p *Pool) notSecured(x *flow.Exchange, t *target, facts *flow.TLS, err error) error {
	doing := "Connecting to " + t.address + " by TLS"
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		facts.Chain = bad.UnverifiedCertificates
		x.TargetConn.TLS = facts
		return problem.Wrap(problem.TLSCert, err, "%s: %s", doing, p.whyNotTrusted(bad))
	}
	x.TargetConn.TLS = facts
	switch {
	case x.Context().Err() != nil:
		return p.cancelled(x, doing)
	case isTimeout(err):
		return p.slow(doing, err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return problem.Wrap(problem.TLSFailed, err, "%s: the server does not speak TLS on this port. %s", doing, p.advice("Write http:// in the target", "Ask with http:// or for another port"))
	}
	if wantsCertificate(err) {
		return p.notAdmitted(doing, err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return problem.Wrap(problem.TLSFailed, err, "%s: the server closed the connection during the handshake. %s", doing, p.advice("See its log, and check sni and the target", "See its log"))
	}
	return problem.Wrap(problem.TLSFailed, err, "%s: %s. %s", doing, strings.TrimPrefix(rootOf(err).Error(), "tls: "), p.advice("See the server's log, and check sni and the target", "See the server's log"))
}

// refusals are the alerts by which servers say that they got no certificate of their client, or none that
// they take (RFC 8446 §6.2), in the words of crypto/tls.
var refusals = []string{
	"tls: certificate required", "tls: bad certificate", "tls: unsupported certificate", "tls: revoked certificate",
	"tls: expired certificate", "tls: unknown certificate", "tls: unknown certificate authority",
}

// wantsCertificate tells of such an alert. With TLS 1.3 it comes when we are through with the handshake
// (RFC 8446 §4.4.2.4), in place of the answer.
func wantsCertificate(err error) bool { return slices.Contains(refusals, alertOf(err)) }

// alertOf is the alert by which the server ended TLS, or "".
func alertOf(err error) string {
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" {
		return alert.Err.Error()
	}
	return ""
}

// notAdmitted is what to do about that.
func (p *Pool) notAdmitted(doing string, err error) *problem.Problem {
	if p.settings.ClientCert == "" {
		return problem.Wrap(problem.TLSFailed, err, "%s: the server wants a certificate of its client, and there is none. Name the file with one as client_cert in %s.", doing, p.section())
	}
	return problem.Wrap(problem.TLSFailed, err, "%s: the server does not take the certificate of its client. Name one that it takes as client_cert in %s, or see the server's log.", doing, p.section())
}

// whyNotTrusted says what is wrong with a certificate and what can be done.
func (p *Pool) whyNotTrusted(bad *tls.CertificateVerificationError) string {
	var leaf x509.Certificate
	if len(bad.UnverifiedCertificates) > 0 {
		leaf = *bad.UnverifiedCertificates[0]
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](bad.Err); ok {
		return fmt.Sprintf("the certificate was issued by an authority that is not trusted here (%s). Name the file with the authority's certificate as ca in %s, or set skip_verify there for a server of your own.", nameOf(leaf), p.section())
	}
	if h, ok := errors.AsType[x509.HostnameError](bad.Err); ok {
		return fmt.Sprintf("the certificate is for %s, not for %s. %s", holders(leaf), h.Host, p.advice("Use a name it bears in the target, or set it as sni", "Use a name it bears, or set skip_verify in [forward] for a server of your own"))
	}
	if i, ok := errors.AsType[x509.CertificateInvalidError](bad.Err); ok && i.Reason == x509.Expired {
		if time.Now().Before(leaf.NotBefore) {
			return fmt.Sprintf("the certificate is valid only from %s. Check the clock of this machine, or renew the certificate.", leaf.NotBefore.Format(time.DateOnly))
		}
		return fmt.Sprintf("the certificate expired on %s. Renew it, or set skip_verify in %s for a server of your own.", leaf.NotAfter.Format(time.DateOnly), p.section())
	}
	return fmt.Sprintf("the certificate is not acceptable: %s. Renew it, or set skip_verify in %s for a server of your own.", strings.TrimPrefix(bad.Err.Error(), "x509: "), p.section())
}

func nameOf(c x509.Certificate) string {
	if name := c.Issuer.String(); name != "" {
		return name
	}
	return "it has no name"
}

func holders(c x509.Certificate) string {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "no name at all"
	case len(names) > 4:
		return strings.Join(names[:4], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

// errUnclosed is the end of an answer that lasts as long as its connection, where TLS has had none.
var errUnclosed = fmt.Errorf("the connection ended without close_notify: %w", io.ErrUnexpectedEOF)

// broken is why an exchange that was begun did not get its response. doing names the moment.
func (p *Pool) broken(t *target, doing string, err error) *problem.Problem {
	who, log := "the server", "See its log."
	if p.absolute(t) { // then it is the proxy that answers, or does not
		doing += " through the proxy " + p.proxy.shown
		who, log = "the proxy", fmt.Sprintf("See its log, and check proxy in %s.", p.section())
	}
	if given, ok := errors.AsType[*problem.Problem](err); ok {
		return given
	}
	if refused, ok := errors.AsType[*http1.Error](err); ok {
		fix := "check that this is the port of an HTTP server"
		if refused.Lenient != 0 {
			fix = "let this pass with " + refused.Lenient.Setting() + " in the route"
		}
		return problem.Wrap(problem.BadResponse, err, "%s: %s. Mend the server, or %s.", doing, refused.Reason, fix)
	}
	if errors.Is(err, errStalled) {
		return problem.Wrap(problem.ReadTimeout, err, "Sending the request to %s: it has taken nothing of it for %s. See what it is busy with.", t.address, p.lines.patience)
	}
	if passedOver(err) {
		return problem.Wrap(problem.Terminated, err, "%s: %s said GOAWAY and did not process the request. Send it again. %s", doing, who, log)
	}
	if errors.Is(err, syscall.ETIMEDOUT) { // of the connection, not of a wait of ours
		return problem.Wrap(problem.Terminated, err, "%s: %s has gone without a word: it acknowledges nothing any more. Check that it runs, and the network in between.", doing, who)
	}
	if isTimeout(err) {
		return problem.Wrap(problem.ReadTimeout, err, "%s: it did not begin to answer within %s. See what it is busy with, or raise response_timeout in %s.", doing, p.settings.ResponseTimeout, p.section())
	}
	if wantsCertificate(err) {
		return p.notAdmitted(doing, err)
	}
	if errors.Is(err, errUnclosed) {
		return problem.Wrap(problem.Terminated, err, "%s: %s closed the connection without saying so by TLS (close_notify), and the answer has no length: nobody can tell whether it is complete (RFC 9112 §9.8). %s", doing, who, log)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return problem.Wrap(problem.Terminated, err, "%s: %s closed the connection in the middle of it. %s", doing, who, log)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return problem.Wrap(problem.Terminated, err, "%s: %s closed the connection without an answer. %s", doing, who, log)
	}
	return problem.Wrap(problem.Terminated, err, "%s: %v. %s", doing, rootOf(err), log)
}
