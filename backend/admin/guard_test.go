package admin

import (
	"net/http"
	"strings"
	"testing"
)

// The name of a scheme is written in any case (RFC 9110 §11.1).
func TestTheKeyIsTakenWhateverTheCaseOfItsScheme(t *testing.T) {
	s, _ := open(t)
	for authorization, want := range map[string]int{
		"Bearer " + s.key: 200, "bearer " + s.key: 200, "BEARER  " + s.key: 200,
		"Basic " + s.key: 401, "Bearer": 401, "Bearer" + s.key: 401, "bearer " + s.key + "x": 401,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.address.String()+"/api/call/status", strings.NewReader("null"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", authorization)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if scheme, _, _ := strings.Cut(authorization, " "); answer.StatusCode != want {
			t.Errorf("by %s it is answered %d, want %d", scheme, answer.StatusCode, want)
		}
	}
}
