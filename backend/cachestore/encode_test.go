package cachestore

import (
	"reflect"
	"testing"
	"time"

	"proxycache/backend/flow"
)

// full is a response in which no field is empty, also those that are added to the type later.
func full(t testing.TB) *Response {
	t.Helper()
	r := new(Response)
	v := reflect.ValueOf(r).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		switch x := f.Addr().Interface().(type) {
		case *[]string:
			*x = []string{"", "two", string(rune('a' + i))}
		case *flow.Header:
			*x = flow.Header{{Name: "A", Value: "\xff\x00b"}, {Name: "a", Value: ""}}
		case *time.Time:
			*x = time.Unix(1_700_000_000+int64(i), 123_456_789)
		default:
			switch f.Kind() {
			case reflect.String:
				f.SetString("text \xfe of " + v.Type().Field(i).Name)
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Int, reflect.Int64:
				f.SetInt(-int64(i) * 1_000_003)
			default:
				t.Fatalf("%s has the type %v: teach it to appendValue, parser.into and this test", v.Type().Field(i).Name, f.Type())
			}
		}
	}
	return r
}

func TestEveryFieldOfAHeadComesBack(t *testing.T) {
	for name, r := range map[string]*Response{"full": full(t), "empty": {}, "usual": unclocked(sample("a")), "before 1970": {Drop: time.Unix(-5, 7)}} {
		got, err := parseHead(appendHead(nil, r))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sameResponse(t, got, r)
	}
}

func TestAHeadOfANewerVersionIsRead(t *testing.T) {
	b := appendText(appendText(nil, "FieldOfTomorrow"), "\x01\x02\x03")
	got, err := parseHead(append(b, appendHead(nil, &Response{Key: "k"})...))
	if err != nil || got.Key != "k" {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestAHeadThatWasCutIsNone(t *testing.T) {
	whole := appendHead(nil, &Response{Key: "k", Header: flow.Header{{Name: "A", Value: "b"}}})
	for n := 1; n < len(whole); n++ {
		if r, err := parseHead(whole[:n]); err == nil && (r.Key != "k" || r.Header != nil) {
			t.Errorf("cut after %d bytes it is %+v", n, r)
		}
	}
}

func FuzzHead(f *testing.F) {
	f.Add(appendHead(nil, full(f)))
	f.Add(appendHead(nil, sample("a")))
	f.Add([]byte("\x06Header\x05\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseHead(b)
		if err != nil {
			return
		}
		again, err := parseHead(appendHead(nil, r))
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		sameResponse(t, again, r)
	})
}

func BenchmarkEncodeHead(b *testing.B) {
	r, buffer := sample("a"), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buffer = appendHead(buffer[:0], r)
	}
	b.ReportMetric(float64(len(buffer)), "B/head")
}

func BenchmarkParseHead(b *testing.B) {
	encoded := appendHead(nil, sample("a"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseHead(encoded); err != nil {
			b.Fatal(err)
		}
	}
}
