package demo

import (
	_ "embed"
	"net/http"
)

//go:embed page.html
var pageHTML []byte

// page lists what there is, for people.
func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(pageHTML) // the client may be gone
}
