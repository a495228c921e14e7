package demo

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// slow answers after ?ms= milliseconds.
func slow(w http.ResponseWriter, r *http.Request) {
	ms, ok := number(w, r, "ms", 1000, 0, 60_000)
	if !ok || !rest(r.Context(), time.Duration(ms)*time.Millisecond) {
		return
	}
	answer(w, http.StatusOK, map[string]int{"waited": ms})
}

// status answers with the code of the path, whatever the method.
func status(w http.ResponseWriter, r *http.Request) {
	code, ok := bounded(w, "The status", r.PathValue("code"), 200, 599)
	switch {
	case !ok:
	case code == http.StatusNoContent || code == http.StatusNotModified:
		w.WriteHeader(code)
	case code >= 400:
		fail(w, code, "This is the status you asked for.")
	case code >= 300:
		w.Header().Set("Location", "/v1/items")
		answer(w, code, map[string]int{"status": code})
	default:
		answer(w, code, map[string]int{"status": code})
	}
}

func failure(w http.ResponseWriter, _ *http.Request) {
	fail(w, http.StatusInternalServerError, "The roaster is out of beans. It is meant to be: this is what a broken server looks like.")
}

// redirect goes ?n= steps before it ends at the items.
func redirect(w http.ResponseWriter, r *http.Request) {
	n, ok := number(w, r, "n", 1, 1, 10)
	if !ok {
		return
	}
	to := "/v1/items"
	if n > 1 {
		to = "/redirect?n=" + strconv.Itoa(n-1)
	}
	http.Redirect(w, r, to, http.StatusFound)
}

// cookies counts the visits of a client in a cookie.
func cookies(w http.ResponseWriter, r *http.Request) {
	sent, visits := map[string]string{}, 0
	for _, c := range r.Cookies() {
		sent[c.Name] = c.Value
		if n, err := strconv.Atoi(c.Value); err == nil && c.Name == "visits" && n >= 0 && n < 1_000_000 {
			visits = n
		}
	}
	http.SetCookie(w, &http.Cookie{Name: "visits", Value: strconv.Itoa(visits + 1), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.SetCookie(w, &http.Cookie{Name: "flavour", Value: "hazelnut", Path: "/", MaxAge: 3600, SameSite: http.SameSiteLaxMode})
	answer(w, http.StatusOK, map[string]any{"sent": sent, "visits": visits + 1})
}

// field is one line of a head.
type field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// headers tells what arrived: net/http has put the names into canonical form, and their order is lost.
func headers(w http.ResponseWriter, r *http.Request) {
	fields := []field{{"Host", r.Host}}
	for name, values := range r.Header {
		for _, v := range values {
			fields = append(fields, field{name, v})
		}
	}
	slices.SortStableFunc(fields[1:], func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	answer(w, http.StatusOK, struct {
		Method string  `json:"method"`
		URL    string  `json:"url"`
		Proto  string  `json:"proto"`
		Fields []field `json:"fields"`
	}{r.Method, r.URL.String(), r.Proto, fields})
}

// gzipped is JSON in gzip coding, whatever the client accepts.
func gzipped(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	fmt.Fprintf(z, "{\n  \"coding\": \"gzip\",\n  \"accepted\": %q,\n  \"lines\": [", r.Header.Get("Accept-Encoding"))
	for i := range 200 {
		fmt.Fprintf(z, "%s\n    \"line %d compresses well, because it is like all the others\"", strings.Repeat(",", min(i, 1)), i+1)
	}
	fmt.Fprint(z, "\n  ]\n}\n")
	_ = z.Close() // the client may be gone
}

// chunked sends ?n= lines one by one and a checksum behind them (RFC 9110 §6.5).
func chunked(w http.ResponseWriter, r *http.Request) {
	n, ok := number(w, r, "n", 8, 1, 1000)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Trailer", "X-Lines, X-Checksum")
	hash := sha256.New()
	flush := http.NewResponseController(w)
	for i := range n {
		fmt.Fprintf(io.MultiWriter(w, hash), "%d of %d\n", i+1, n)
		if flush.Flush() != nil || !rest(r.Context(), 20*time.Millisecond) {
			return
		}
	}
	w.Header().Set("X-Lines", strconv.Itoa(n))
	w.Header().Set("X-Checksum", "sha256="+hex.EncodeToString(hash.Sum(nil)))
}

// maxBytes is the most that /bytes/{n} sends.
const maxBytes = 64 << 20

// noisy sends n bytes, the same ones for the same n; parts of them to who asks for a range.
func noisy(w http.ResponseWriter, r *http.Request) {
	n, ok := bounded(w, "The number of bytes", r.PathValue("n"), 0, maxBytes)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(noise{}, 0, int64(n)))
}

// noise is endless bytes that look random, each a function of its place.
type noise struct{}

func (noise) ReadAt(p []byte, at int64) (int, error) {
	for i := range p {
		place := uint64(at) + uint64(i)
		word := (place/8 + 1) * 0x9e3779b97f4a7c15 // the steps of SplitMix64
		word = (word ^ word>>30) * 0xbf58476d1ce4e5b9
		word = (word ^ word>>27) * 0x94d049bb133111eb
		p[i] = byte((word ^ word>>31) >> (place % 8 * 8))
	}
	return len(p), nil
}

func robots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "User-agent: *\nDisallow: /\n") // the client may be gone
}
