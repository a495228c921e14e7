package cachestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"time"

	"proxycache/backend/flow"
)

// A head is encoded as its fields that are not empty: name, then value, each a text with its length
// before it. A field that is not known is passed over, one that is missing is empty.

// errHead says that what was stored is no head, or not the whole of one.
var errHead = errors.New("reading a stored response: its head is damaged")

// headFields are the fields of Response, and headField finds one by name.
var headFields = reflect.VisibleFields(reflect.TypeFor[Response]())

var headField = func() map[string]int {
	at := map[string]int{}
	for i, f := range headFields {
		at[f.Name] = i
	}
	return at
}()

// maxHead bounds an encoded head in bytes.
const maxHead = 4 << 20

// appendHead appends r, encoded.
func appendHead(to []byte, r *Response) []byte {
	v := reflect.ValueOf(r).Elem()
	var value []byte
	for i := range headFields {
		f := v.Field(i)
		if f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 {
			continue
		}
		value = appendValue(value[:0], f)
		to = appendText(to, headFields[i].Name)
		to = binary.AppendUvarint(to, uint64(len(value)))
		to = append(to, value...)
	}
	return to
}

func appendText(to []byte, s string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}

func appendValue(to []byte, v reflect.Value) []byte {
	switch x := v.Interface().(type) {
	case []string:
		to = binary.AppendUvarint(to, uint64(len(x)))
		for _, s := range x {
			to = appendText(to, s)
		}
		return to
	case flow.Header:
		to = binary.AppendUvarint(to, uint64(len(x)))
		for _, f := range x {
			to = appendText(appendText(to, f.Name), f.Value)
		}
		return to
	case time.Time:
		return binary.AppendUvarint(binary.AppendVarint(to, x.Unix()), uint64(x.Nanosecond()))
	}
	switch v.Kind() {
	case reflect.String:
		return append(to, v.String()...)
	case reflect.Bool:
		return append(to, 1) // an empty one is left out
	case reflect.Int, reflect.Int64:
		return binary.AppendVarint(to, v.Int())
	}
	panic(fmt.Sprintf("cachestore: a response has a field of type %v, which appendValue does not know", v.Type()))
}

// parseHead decodes what appendHead made. The texts of the response are slices of one.
func parseHead(encoded []byte) (*Response, error) {
	p := parser{rest: string(encoded)}
	r := new(Response)
	v := reflect.ValueOf(r).Elem()
	for p.rest != "" && !p.failed {
		name := p.text()
		value := parser{rest: p.text()}
		i, known := headField[name]
		if !known || p.failed {
			continue
		}
		value.into(v.Field(i))
		p.failed = value.failed
	}
	if p.failed {
		return nil, errHead
	}
	return r, nil
}

// parser cuts values from the front of a text.
type parser struct {
	rest   string
	failed bool
}

func (p *parser) uvarint() uint64 {
	var n uint64
	for i := 0; i < len(p.rest) && i < binary.MaxVarintLen64; i++ {
		b := p.rest[i]
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			p.rest = p.rest[i+1:]
			return n
		}
	}
	p.failed, p.rest = true, ""
	return 0
}

func (p *parser) varint() int64 {
	n := p.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

func (p *parser) text() string {
	n := p.uvarint()
	if n > uint64(len(p.rest)) {
		p.failed, p.rest = true, ""
		return ""
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s
}

// count is how many members follow, each of at least size bytes.
func (p *parser) count(size int) int {
	n := p.uvarint()
	if n > uint64(len(p.rest)/size) {
		p.failed, p.rest = true, ""
		return 0
	}
	return int(n)
}

func (p *parser) into(v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *[]string:
		*x = make([]string, p.count(1))
		for i := range *x {
			(*x)[i] = p.text()
		}
		return
	case *flow.Header:
		*x = make(flow.Header, p.count(2))
		for i := range *x {
			(*x)[i] = flow.Field{Name: p.text(), Value: p.text()}
		}
		return
	case *time.Time:
		seconds, nanos := p.varint(), p.uvarint()
		*x = time.Unix(seconds, int64(nanos%1e9))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(p.rest)
	case reflect.Bool:
		v.SetBool(p.rest == "\x01")
	case reflect.Int, reflect.Int64:
		v.SetInt(p.varint())
	default:
		p.failed = true
	}
}
