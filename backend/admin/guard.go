package admin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"proxycache/backend/problem"
)

// readKey reads the key of the API, or makes it at the first start: 256 random bits in a file for its
// owner alone.
func readKey(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err == nil {
		key := strings.TrimSpace(string(text))
		if len(key) < 32 {
			return "", problem.New(problem.Invalid, "Reading the key %s: it is damaged. Delete the file; a new key is made at the next start.", file)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", problem.Wrap(problem.Unavailable, err, "Reading the key %s: %v. Make the file readable for you.", file, err)
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return "", problem.Wrap(problem.Internal, err, "Making a key: the system gives no random numbers: %v.", err)
	}
	key := base64.RawURLEncoding.EncodeToString(random)
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		return "", problem.Wrap(problem.Unavailable, err, "Keeping the key in %s: %v. Make the folder writable for you.", file, err)
	}
	return key, nil
}

// cookie carries the key from the first page on. Browsers share cookies between ports: the name has ours.
func (s *Server) cookie() string { return "proxycache-" + strconv.Itoa(int(s.address.Port())) }

// guard lets a request pass that names this server as its Host (against DNS rebinding), does not come
// from another site's page (against forged requests), and has the key.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.ourHost(r.Host) {
			http.Error(w, "This server does not answer for "+strconv.Quote(r.Host)+". Open the address that proxycache serve printed.", http.StatusMisdirectedRequest)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
			http.Error(w, "Requests from the pages of "+origin+" are not answered.", http.StatusForbidden)
			return
		}
		if key := r.URL.Query().Get("key"); r.URL.Path == "/" && s.keyIs(key) {
			http.SetCookie(w, &http.Cookie{Name: s.cookie(), Value: key, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: 400 * 24 * 3600})
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		if !s.hasKey(r) {
			s.refuse(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ourHost accepts the bound address, and loopback names where it is a loopback or any address.
func (s *Server) ourHost(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil || port != strconv.Itoa(int(s.address.Port())) {
		return false
	}
	if name == "localhost" {
		return s.address.Addr().IsLoopback() || s.address.Addr().IsUnspecified()
	}
	ip, err := netip.ParseAddr(name)
	// A name could be pointed here by anybody; a number cannot lie about where it leads.
	return err == nil && (ip.Unmap() == s.address.Addr().Unmap() || s.address.Addr().IsUnspecified())
}

func (s *Server) hasKey(r *http.Request) bool {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") { // in any case (RFC 9110 §11.1)
		return s.keyIs(strings.TrimLeft(key, " "))
	}
	c, err := r.Cookie(s.cookie())
	return err == nil && s.keyIs(c.Value)
}

func (s *Server) keyIs(key string) bool {
	return subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) == 1
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request) {
	const words = "The key is missing or another one. Open the whole address that proxycache serve printed, with ?key=…; programs send Authorization: Bearer KEY."
	if strings.HasPrefix(r.URL.Path, "/api/") {
		answerProblem(w, http.StatusUnauthorized, problem.New(problem.Forbidden, words))
		return
	}
	http.Error(w, words, http.StatusUnauthorized)
}
