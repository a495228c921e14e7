// Package filter is the one language that asks "is it this exchange?": in conditions of routes and
// cells, in the traffic list, in exports and on the command line.
//
//	host = "shop.localhost" and path ^= "/v1/"
//	status >= 500 or not method in (GET, HEAD)
//	checkout                      a bare word: the URL contains it
package filter

// Expr is a parsed filter: And, Or, Not or Test. Whoever keeps exchanges elsewhere (the store)
// translates it.
type Expr interface{ expr() }

// And holds when both do; Or when one does; Not when X does not.
type (
	And struct{ L, R Expr }
	Or  struct{ L, R Expr }
	Not struct{ X Expr }
)

// Test compares one field with a value, or with several for In.
type Test struct {
	Field  Field
	Name   string // for RequestHeader and ResponseHeader: the field name, lower case
	Op     Op
	Values []string // one; In has one or more. Numbers are checked to be numbers by the parser
}

func (And) expr()  {}
func (Or) expr()   {}
func (Not) expr()  {}
func (Test) expr() {}

// Field names what of an exchange is looked at.
type Field string

const (
	Method         Field = "method"
	Scheme         Field = "scheme"
	Host           Field = "host" // without port, case folded
	Path           Field = "path"
	Query          Field = "query"
	URL            Field = "url"    // the whole, and what a bare word looks in
	Status         Field = "status" // a number, or a class as 5xx
	Type           Field = "type"   // flow.Row.Type
	Door           Field = "door"
	Route          Field = "route"
	Client         Field = "client" // ip:port
	State          Field = "state"
	Duration       Field = "duration" // milliseconds; values as 250, 250ms, 1.5s are normalised by the parser
	RequestSize    Field = "request.size"
	Size           Field = "size"            // of the response body, in bytes; 10kB, 1MB are normalised by the parser
	Mocked         Field = "mocked"          // true or false
	RequestHeader  Field = "request.header"  // request.header.x-api-key
	ResponseHeader Field = "response.header" // response.header.server
)

// Op is a comparison. Text is compared folding case for Host, Method and Scheme, exactly otherwise;
// Contains and Matches fold case always.
type Op string

const (
	Equal        Op = "="
	NotEqual     Op = "!="
	StartsWith   Op = "^="
	EndsWith     Op = "$="
	Contains     Op = "*="
	Matches      Op = "~" // RE2
	Less         Op = "<"
	LessEqual    Op = "<="
	Greater      Op = ">"
	GreaterEqual Op = ">="
	In           Op = "in"
)
