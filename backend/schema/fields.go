package schema

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pair is one entry of a Pairs setting.
type Pair struct {
	Name  string `toml:"name" json:"name" help:"The name"`
	Value string `toml:"value" json:"value" help:"The value"`
}

// spec is a field and where it lives in its struct.
type spec struct {
	Field
	index []int
	typ   reflect.Type
}

// Of describes the settings that the pointer to a tagged struct holds, in the order of the struct.
// A field without a `toml` tag is no setting; embedded structs are flattened. The tags are
//
//	toml:"name" title:"…" help:"…" default:"…" min:"…" max:"…" oneof:"a,b" unit:"…"
//	placeholder:"…" required:"true" kind:"code|filter|pairs"
//
// Bounds limit the value of numbers, durations and sizes, the characters of a text, and the number
// of entries of a list. A type that no Kind describes is a mistake in the program: Of panics.
func Of(settings any) []Field {
	return fieldsOf(structOf(settings).Type())
}

func fieldsOf(t reflect.Type) []Field {
	out := []Field{}
	for _, s := range specsOf(t) {
		out = append(out, s.Field)
	}
	return out
}

func structOf(settings any) reflect.Value {
	v := reflect.ValueOf(settings)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("schema: settings are a pointer to a struct, not %T", settings))
	}
	return v.Elem()
}

func specsOf(t reflect.Type) []spec {
	var out []spec
	for i := range t.NumField() {
		f := t.Field(i)
		name, tagged := f.Tag.Lookup("toml")
		switch {
		case f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct:
			for _, s := range specsOf(f.Type) {
				s.index = append([]int{i}, s.index...)
				out = append(out, s)
			}
		case f.IsExported() && tagged && name != "-":
			out = append(out, specOf(t, f, name))
		}
	}
	return out
}

func specOf(t reflect.Type, f reflect.StructField, name string) spec {
	tag := f.Tag.Get
	s := spec{index: f.Index, typ: f.Type}
	s.Field = Field{
		Name: name, Title: tag("title"), Help: tag("help"), Default: tag("default"),
		Min: tag("min"), Max: tag("max"), OneOf: []string{}, Unit: tag("unit"),
		Placeholder: tag("placeholder"), Required: tag("required") == "true", Fields: []Field{},
	}
	if s.Title == "" {
		s.Title = titleOf(name)
	}
	if choices := tag("oneof"); choices != "" {
		s.OneOf = strings.Split(choices, ",")
	}
	s.Kind = kindOf(f.Type, len(s.OneOf) > 0, Kind(tag("kind")))
	if s.Kind == "" {
		panic(fmt.Sprintf("schema: %s.%s has type %s, which no kind of setting describes", t, f.Name, f.Type))
	}
	if s.Kind == Tables {
		s.Fields = fieldsOf(f.Type.Elem())
	}
	return s
}

func kindOf(t reflect.Type, choice bool, wanted Kind) Kind {
	switch t {
	case reflect.TypeFor[Duration]():
		return DurationKind
	case reflect.TypeFor[Size]():
		return SizeKind
	case reflect.TypeFor[[]Pair]():
		return Pairs
	}
	switch t.Kind() {
	case reflect.String:
		switch {
		case wanted == Code || wanted == Filter:
			return wanted
		case choice:
			return Choice
		}
		return Text
	case reflect.Bool:
		return Bool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Int
	case reflect.Float32, reflect.Float64:
		return Float
	case reflect.Slice:
		switch t.Elem().Kind() {
		case reflect.String:
			return List
		case reflect.Struct:
			return Tables
		}
	}
	return ""
}

// titleOf turns a key into words: "add_header" → "Add header".
func titleOf(name string) string {
	words := strings.ReplaceAll(name, "_", " ")
	r, n := utf8.DecodeRuneInString(words)
	return string(unicode.ToUpper(r)) + words[n:]
}
