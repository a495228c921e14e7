// Package proxyprotocol reads the header by which a load balancer says for whom it opened a connection:
// the PROXY protocol, version 1 and 2, as HAProxy's proxy-protocol.txt describes it. It has no sockets.
package proxyprotocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
	"strings"
)

// Header is what a load balancer says.
type Header struct {
	// Source is the client's address. It is the zero AddrPort where the connection is the load
	// balancer's own, or the client did not come by TCP: the socket's address holds then.
	Source netip.AddrPort
}

const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"

	longest1 = 107     // bytes of a header of version 1, with its CR LF (§2.1)
	longest2 = 4 << 10 // bytes after the fixed part of version 2: more than any sender has use for
	fixed2   = 16      // signature, version and command, family, length
)

// Parse reads a header from the bytes that have come so far, and how many of them it takes; 0 says
// that more are needed. What is wrong is told as soon as the bytes tell it.
func Parse(buf []byte) (h Header, n int, err error) {
	switch {
	case begins(buf, signature2):
		return parse2(buf)
	case begins(buf, signature1):
		return parse1(buf)
	}
	return h, 0, fmt.Errorf("no header of the PROXY protocol comes first, but %q", buf[:min(len(buf), 16)])
}

// begins tells whether buf begins with a signature, or may come to.
func begins(buf []byte, signature string) bool {
	n := min(len(buf), len(signature))
	return string(buf[:n]) == signature[:n]
}

// parse1 reads "PROXY TCP4 SOURCE DESTINATION PORT PORT" CR LF (§2.1).
func parse1(buf []byte) (h Header, n int, err error) {
	line := buf[:min(len(buf), longest1)]
	end := bytes.IndexByte(line, '\n')
	switch {
	case end < 0 && len(buf) >= longest1:
		return h, 0, fmt.Errorf("version 1: the header is longer than %d bytes", longest1)
	case end < 0:
		return h, 0, nil
	case line[end-1] != '\r':
		return h, 0, fmt.Errorf("version 1: the line ends without CR")
	}
	words := strings.Split(string(line[:end-1]), " ")
	if words[1] == "UNKNOWN" { // what follows is to be ignored
		return h, end + 1, nil
	}
	if len(words) != 6 {
		return h, 0, fmt.Errorf("version 1: %d words stand in the line, and not 6", len(words))
	}
	for i := range 2 {
		a, err := address1(words[1], words[2+i], words[4+i])
		if err != nil {
			return h, 0, err
		}
		if i == 0 {
			h.Source = a
		}
	}
	return h, end + 1, nil
}

func address1(family, host, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" || !(family == "TCP4" && a.Is4() || family == "TCP6" && a.Is6()) {
		return netip.AddrPort{}, fmt.Errorf("version 1: %q is no address of the family %q", host, family)
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(p, 10) != port {
		return netip.AddrPort{}, fmt.Errorf("version 1: %q is no port", port)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), nil
}

// Versions with commands, and families with protocols (§2.2).
const (
	local = 0x20 // of the load balancer itself: a health check
	proxy = 0x21

	unspecified = 0x00
	tcp4        = 0x11
	tcp6        = 0x21
	unixStream  = 0x31
)

// sizes of the two addresses of a family.
var sizes = map[byte]int{unspecified: 0, tcp4: 12, tcp6: 36, unixStream: 216}

func parse2(buf []byte) (h Header, n int, err error) {
	const command, family, length = 12, 13, 14
	if len(buf) > command && buf[command] != local && buf[command] != proxy {
		return h, 0, fmt.Errorf("version 2: there is no version and command 0x%02x", buf[command])
	}
	if len(buf) < fixed2 {
		return h, 0, nil
	}
	rest := int(binary.BigEndian.Uint16(buf[length:]))
	if rest > longest2 {
		return h, 0, fmt.Errorf("version 2: the header has %d bytes more; at most %d are read", rest, longest2)
	}
	size, known := sizes[buf[family]]
	switch {
	case buf[command] == local: // the rest is to be skipped, whatever it is
		known, size = true, 0
	case !known:
		return h, 0, fmt.Errorf("version 2: the family and protocol 0x%02x is none of a connection", buf[family])
	case rest < size:
		return h, 0, fmt.Errorf("version 2: %d bytes are too few for addresses of the family 0x%02x", rest, buf[family])
	}
	n = fixed2 + rest
	if len(buf) < n {
		return h, 0, nil
	}
	if buf[command] == local || buf[family] == unspecified {
		return h, n, nil
	}
	if err := checkVectors(buf[:n], fixed2+size); err != nil {
		return h, 0, err
	}
	return Header{Source: source2(buf[family], buf[fixed2:n])}, n, nil
}

// source2 is the first of the two addresses; their ports stand behind both.
func source2(family byte, block []byte) netip.AddrPort {
	width := 0
	switch family {
	case tcp4:
		width = 4
	case tcp6:
		width = 16
	}
	a, ok := netip.AddrFromSlice(block[:width])
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(block[2*width:]))
}

const (
	checksum     = 0x03 // the type of the vector that holds the CRC32c of the whole header (§2.2.3)
	checksumSize = 4
)

// checkVectors walks the type-length-value vectors from a place on. They say nothing of use here, but
// a checksum among them must be right.
func checkVectors(header []byte, at int) error {
	for at < len(header) {
		if len(header)-at < 3 {
			return fmt.Errorf("version 2: the last vector is cut off")
		}
		size := int(binary.BigEndian.Uint16(header[at+1:]))
		value := at + 3
		if len(header)-value < size {
			return fmt.Errorf("version 2: a vector of %d bytes is cut off", size)
		}
		if header[at] == checksum {
			if size != checksumSize || binary.BigEndian.Uint32(header[value:]) != sum(header, value) {
				return fmt.Errorf("version 2: the checksum is wrong")
			}
		}
		at = value + size
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum is the header's CRC32c with the checksum itself, at a place, taken for zero.
func sum(header []byte, at int) uint32 {
	s := crc32.Update(0, castagnoli, header[:at])
	s = crc32.Update(s, castagnoli, make([]byte, checksumSize))
	return crc32.Update(s, castagnoli, header[at+checksumSize:])
}
