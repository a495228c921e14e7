// Package schema turns the tags of a settings struct into fields: one description that gives the
// default, the check, the comment in the file, the reference page and the form.
package schema

import "time"

// Duration is a time.Duration written as people do: "1m", "250ms", "1h30m".
type Duration time.Duration

// Size is a number of bytes written as people do: "64KiB", "1 GiB", "10MB", "512".
type Size int64

// Kind chooses the editor of a field.
type Kind string

const (
	Text         Kind = "text"
	Code         Kind = "code" // several lines
	Int          Kind = "int"
	Float        Kind = "float"
	Bool         Kind = "bool"
	Choice       Kind = "choice" // one of OneOf
	DurationKind Kind = "duration"
	SizeKind     Kind = "size"
	Filter       Kind = "filter" // a filter expression
	List         Kind = "list"   // of Text
	Pairs        Kind = "pairs"  // ordered name = value: a TOML table of strings, or list of {name, value}
	Tables       Kind = "tables" // a list of Fields
)

// Field describes one setting. It crosses to the window as it is.
type Field struct {
	Name        string   `json:"name"`  // the key in the document
	Title       string   `json:"title"` // "Header name"
	Help        string   `json:"help"`
	Kind        Kind     `json:"kind"`
	Default     string   `json:"default"` // as written in the document, without quotes; "" for none
	Min         string   `json:"min"`     // as written; "" for none
	Max         string   `json:"max"`
	OneOf       []string `json:"oneOf"`
	Unit        string   `json:"unit"` // "%", "requests"
	Placeholder string   `json:"placeholder"`
	Required    bool     `json:"required"`
	Fields      []Field  `json:"fields"` // of the items of Tables
}
