package flow

import "strings"

// ShortType names the kind of a record's response in a word for the list: "json", "html", "sse", "ws".
func ShortType(r *Record) string {
	if r.Status == 101 {
		return "ws"
	}
	return ShortMediaType(r.ResponseBody.Type)
}

// ShortMediaType turns a Content-Type into a word: "application/problem+json; charset=utf-8" → "json".
func ShortMediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	if w, ok := shortTypes[t]; ok {
		return w
	}
	kind, sub, ok := strings.Cut(t, "/")
	if !ok {
		return ""
	}
	if i := strings.LastIndexByte(sub, '+'); i >= 0 && kind != "image" {
		return sub[i+1:]
	}
	if kind == "font" {
		return "font"
	}
	sub, _, _ = strings.Cut(sub, "+")
	sub = strings.TrimPrefix(strings.TrimPrefix(sub, "x-"), "vnd.")
	if len(sub) > 6 {
		return kind
	}
	return sub
}

var shortTypes = map[string]string{
	"text/event-stream":                 "sse",
	"text/plain":                        "text",
	"text/javascript":                   "js",
	"application/javascript":            "js",
	"application/x-javascript":          "js",
	"application/octet-stream":          "binary",
	"application/x-www-form-urlencoded": "form",
	"multipart/form-data":               "form",
	"application/grpc":                  "grpc",
	"application/graphql":               "gql",
	"application/graphql-response+json": "gql",
	"application/x-ndjson":              "ndjson",
	"image/svg+xml":                     "svg",
	"image/x-icon":                      "ico",
	"image/vnd.microsoft.icon":          "ico",
	"font/woff2":                        "font",
}
