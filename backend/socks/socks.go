// Package socks holds the words of SOCKS5 (RFC 1928) and of its username and password (RFC 1929).
// It has no sockets: the parsers take the bytes that have come so far, and say with n = 0 that more
// of them are needed. What is wrong they say as soon as the bytes tell it.
package socks

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// First bytes of a connection.
const (
	Version4 = 0x04
	Version5 = 0x05
)

// Method is how a client shows who it is.
type Method byte

const (
	NoLogin      Method = 0x00
	Login        Method = 0x02 // RFC 1929
	NoAcceptable Method = 0xff // none of those the client offers
)

// Command is what a client asks for.
type Command byte

const (
	Connect   Command = 0x01
	Bind      Command = 0x02
	Associate Command = 0x03 // of UDP
)

// Reply is what became of a request (RFC 1928 §6).
type Reply byte

const (
	Succeeded          Reply = 0x00
	Failed             Reply = 0x01
	NotAllowed         Reply = 0x02
	NetworkUnreachable Reply = 0x03
	HostUnreachable    Reply = 0x04
	Refused            Reply = 0x05
	Expired            Reply = 0x06
	NoSuchCommand      Reply = 0x07
	NoSuchAddress      Reply = 0x08 // no such type of address
)

// Kinds of addresses.
const (
	ipv4   = 0x01
	domain = 0x03
	ipv6   = 0x04
)

// Error is why bytes are not what they should be.
type Error struct {
	Reply  Reply // what a request gets; no other message has one
	Reason string
}

func (e *Error) Error() string { return e.Reason }

func bad(reply Reply, format string, args ...any) *Error {
	return &Error{reply, fmt.Sprintf(format, args...)}
}

// ParseGreeting reads the methods that a client offers (RFC 1928 §3). They are valid as long as buf.
func ParseGreeting(buf []byte) (methods []Method, n int, err error) {
	if len(buf) > 0 && buf[0] != Version5 {
		return nil, 0, bad(Failed, "the first byte is 0x%02x: SOCKS5 begins with 0x05 (RFC 1928 §3)", buf[0])
	}
	if len(buf) < 2 {
		return nil, 0, nil
	}
	end := 2 + int(buf[1])
	if len(buf) < end {
		return nil, 0, nil
	}
	for _, m := range buf[2:end] {
		methods = append(methods, Method(m))
	}
	return methods, end, nil
}

// AppendMethod appends the choice of a method.
func AppendMethod(dst []byte, m Method) []byte { return append(dst, Version5, byte(m)) }

const loginVersion = 0x01 // of RFC 1929

// ParseLogin reads a username and a password (RFC 1929 §2).
func ParseLogin(buf []byte) (username, password string, n int, err error) {
	if len(buf) > 0 && buf[0] != loginVersion {
		return "", "", 0, bad(Failed, "the login begins with 0x%02x, and not with 0x01 (RFC 1929 §2)", buf[0])
	}
	name, at := counted(buf, 1)
	word, end := counted(buf, at)
	if at == 0 || end == 0 {
		return "", "", 0, nil
	}
	return string(name), string(word), end, nil
}

// counted is a text after its length at a place, and the place behind it; 0 when it is not all there.
func counted(buf []byte, at int) (text []byte, end int) {
	if at == 0 || len(buf) <= at {
		return nil, 0
	}
	end = at + 1 + int(buf[at])
	if len(buf) < end {
		return nil, 0
	}
	return buf[at+1 : end], end
}

// AppendWelcome appends that the login is right.
func AppendWelcome(dst []byte) []byte { return append(dst, loginVersion, 0) }

// AppendWrongLogin appends that it is not; the connection is to be closed then (RFC 1929 §2).
func AppendWrongLogin(dst []byte) []byte { return append(dst, loginVersion, 1) }

// Request asks for a connection to a host.
type Request struct {
	Command Command
	Host    string // a name, or an address without brackets
	Port    uint16
}

// Authority is host:port.
func (r Request) Authority() string {
	return net.JoinHostPort(r.Host, strconv.Itoa(int(r.Port)))
}

// ParseRequest reads a request (RFC 1928 §4). Errors are *Error with the reply it gets.
func ParseRequest(buf []byte) (r Request, n int, err error) {
	switch {
	case len(buf) > 0 && buf[0] != Version5:
		return r, 0, bad(Failed, "the request begins with 0x%02x, and not with 0x05 (RFC 1928 §4)", buf[0])
	case len(buf) > 2 && buf[2] != 0:
		return r, 0, bad(Failed, "the reserved byte of the request is 0x%02x, and not 0 (RFC 1928 §4)", buf[2])
	case len(buf) < 4:
		return r, 0, nil
	}
	r.Command = Command(buf[1])
	host, at, err := parseHost(buf)
	if at == 0 || err != nil || len(buf) < at+2 {
		return r, 0, err
	}
	r.Host, r.Port = host, binary.BigEndian.Uint16(buf[at:])
	if r.Port == 0 && r.Command == Connect {
		return r, 0, bad(Failed, "port 0 of %s is none that one can connect to", r.Host)
	}
	return r, at + 2, nil
}

// parseHost reads the address from its type on, and tells where it ends.
func parseHost(buf []byte) (host string, end int, err error) {
	const at = 4
	switch buf[3] {
	case ipv4:
		end = at + 4
	case ipv6:
		end = at + 16
	case domain:
		name, end := counted(buf, at)
		if end == 0 {
			return "", 0, nil
		}
		host, err := hostOf(string(name))
		return host, end, err
	default:
		return "", 0, bad(NoSuchAddress, "the type of the address is 0x%02x: IPv4, a name and IPv6 are known (RFC 1928 §5)", buf[3])
	}
	if len(buf) < end {
		return "", 0, nil
	}
	a, _ := netip.AddrFromSlice(buf[at:end])
	return a.String(), end, nil
}

// hostOf is the host that a name gives: letters, digits and -._ alone, so that nothing which reads it
// later takes a part of it for a port, a path or a user. Some clients write addresses as names.
func hostOf(name string) (string, error) {
	if a, err := netip.ParseAddr(name); err == nil && a.Zone() == "" {
		return a.String(), nil
	}
	if name == "" {
		return "", bad(Failed, "the name of the host is empty")
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return "", bad(Failed, "the name of the host has the byte 0x%02x, which no name has", c)
		}
	}
	return name, nil
}

// AppendReply appends the answer to a request, with the address from which the target was reached;
// none is 0.0.0.0:0.
func AppendReply(dst []byte, r Reply, from netip.AddrPort) []byte {
	a := from.Addr().Unmap().WithZone("")
	kind := byte(ipv6)
	if !a.Is6() {
		kind = ipv4
	}
	if !a.IsValid() {
		a = netip.IPv4Unspecified()
	}
	dst = append(dst, Version5, byte(r), 0, kind)
	dst = append(dst, a.AsSlice()...)
	return binary.BigEndian.AppendUint16(dst, from.Port())
}

// AppendReject4 appends SOCKS4's answer that a request is rejected, whatever it asks.
func AppendReject4(dst []byte) []byte { return append(dst, 0, 0x5b, 0, 0, 0, 0, 0, 0) }
