package journey

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// TestBulkPasses has bodies of all sizes go both ways at once, with pauses anywhere, some of them cut short by
// their target or their client: what arrives is what was sent, and what was cut short is never taken for
// complete. With capture off their bytes pass in the system wherever they can (splice(2)).
func TestBulkPasses(t *testing.T) {
	t.Parallel()
	all := make([]byte, 2<<20)
	fill := rand.NewChaCha8([32]byte{3})
	_, _ = fill.Read(all) // it never fails
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var size, cut int
		var seed uint64
		_, _ = fmt.Sscanf(r.URL.Path, "/%d/%d/%d", &size, &cut, &seed)
		rng := rand.New(rand.NewPCG(seed, 4))
		if r.Method == "POST" && rng.IntN(2) == 0 { // takes all before it answers
			body, err := io.ReadAll(r.Body)
			if err == nil && !bytes.Equal(body, all[:len(body)]) {
				err = fmt.Errorf("other bytes came")
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusTeapot)
				return
			}
		}
		w.Header().Set("Content-Length", strconv.Itoa(size))
		for at := 0; at < size-cut; {
			n := min(size-cut-at, 1+rng.IntN(1<<(8+rng.IntN(12))))
			if _, err := w.Write(all[at : at+n]); err != nil {
				return
			}
			if at += n; rng.IntN(4) == 0 {
				w.(http.Flusher).Flush()
				time.Sleep(time.Duration(rng.IntN(300)) * time.Microsecond)
			}
		}
		if cut > 0 {
			panic(http.ErrAbortHandler)
		}
	})
	clear, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	t.Cleanup(clear.Close)
	t.Cleanup(secure.Close)
	trusting := &tls.Config{InsecureSkipVerify: true}
	for _, recording := range []bool{false, true} {
		h := openHouse(t, fmt.Sprintf(`
[upstreams.clear]
targets = [{ url = %q }]

[upstreams.secure]
targets = [{ url = %q }]
skip_verify = true

[[routes]]
name = "clear"
when = 'door = reverse and host = "clear.localhost"'
to = "clear"

[[routes]]
name = "secure"
when = 'door = reverse'
to = "secure"
`, clear.URL, secure.URL))
		if _, err := h.SetRecording(t.Context(), recording); err != nil {
			t.Fatal(err)
		}
		proxy, err := url.Parse(h.proxy())
		if err != nil {
			t.Fatal(err)
		}
		for _, way := range []struct{ name, to, host string }{
			{"in the clear", proxy.String(), "clear.localhost"},
			{"in the clear to a proxy", clear.URL, ""},
			{"from TLS", "https://" + proxy.Host, "clear.localhost"},
			{"to TLS", proxy.String(), "secure.localhost"},
			{"from TLS to TLS", "https://" + proxy.Host, "secure.localhost"},
		} {
			transport := &http.Transport{TLSClientConfig: trusting}
			if way.host == "" {
				transport.Proxy = http.ProxyURL(proxy)
			}
			t.Cleanup(transport.CloseIdleConnections)
			client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
			for i := range 2 {
				t.Run(fmt.Sprintf("%s, recording %v, %d", way.name, recording, i), func(t *testing.T) {
					t.Parallel()
					r := rand.New(rand.NewPCG(uint64(i), 5))
					for range 25 {
						exchangeBulk(t, r, client, way.to, way.host, all)
					}
				})
			}
		}
	}
}

// exchangeBulk sends one request of a random kind and looks at what comes back.
func exchangeBulk(t *testing.T, r *rand.Rand, client *http.Client, to, host string, all []byte) {
	t.Helper()
	size, cut := 1+r.IntN(len(all)), 0
	if r.IntN(8) == 0 {
		cut = 1 + r.IntN(size)
	}
	request, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("%s/%d/%d/%d", to, size, cut, r.IntN(1<<30)), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	if r.IntN(2) == 0 {
		sent := r.IntN(len(all))
		request.Method, request.Body, request.ContentLength = "POST", io.NopCloser(bytes.NewReader(all[:sent])), int64(sent)
		if sent == 0 {
			request.Body = http.NoBody
		}
	}
	answer, err := client.Do(request)
	if err != nil {
		if cut == 0 {
			t.Fatalf("%s %s: %v", request.Method, request.URL, err)
		}
		return
	}
	defer answer.Body.Close()
	if r.IntN(8) == 0 { // the client leaves
		_, _ = io.CopyN(io.Discard, answer.Body, int64(r.IntN(size)))
		return
	}
	got, err := io.ReadAll(answer.Body)
	switch {
	case cut > 0 && answer.StatusCode == http.StatusOK && err == nil:
		t.Fatalf("%d bytes, which were cut to %d, came as a complete answer of %d", size, size-cut, len(got))
	case cut > 0:
	case err != nil || answer.StatusCode != http.StatusOK:
		t.Fatalf("%s %s: %d after %d bytes of %d, %v", request.Method, request.URL, answer.StatusCode, len(got), size, err)
	case !bytes.Equal(got, all[:size]):
		t.Fatalf("%s %s: %d bytes came, or others", request.Method, request.URL, len(got))
	}
}
