package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAChangeOfTheFilesIsTakenOver(t *testing.T) {
	for _, c := range []struct {
		how string
		// lay puts the first certificate below dir and says where it is; swap puts the next in its place.
		lay  func(t *testing.T, dir string, m *made) Pair
		swap func(t *testing.T, dir, version string, m *made)
	}{
		{"written over", layPlain, func(t *testing.T, dir, _ string, m *made) {
			write(t, filepath.Join(dir, "shop.pem"), chainText(m))
			write(t, filepath.Join(dir, "shop.key"), keyText(t, m.key))
		}},
		{"renamed over", layPlain, func(t *testing.T, dir, _ string, m *made) { put(t, dir, "shop", m) }},
		{"away for a moment", layPlain, func(t *testing.T, dir, _ string, m *made) {
			if err := errors.Join(os.Remove(filepath.Join(dir, "shop.pem")), os.Remove(filepath.Join(dir, "shop.key"))); err != nil {
				t.Fatal(err)
			}
			put(t, dir, "shop", m)
		}},
		{"links to the files, as certbot's", layLikeCertbot, func(t *testing.T, dir, version string, m *made) {
			put(t, filepath.Join(dir, "archive"), "shop"+version, m)
			for _, end := range []string{".pem", ".key"} {
				relink(t, "../archive/shop"+version+end, filepath.Join(dir, "live", "shop"+end))
			}
		}},
		{"a link in the middle, as Kubernetes's", layLikeKubernetes, func(t *testing.T, dir, version string, m *made) {
			makeDir(t, filepath.Join(dir, ".."+version))
			put(t, filepath.Join(dir, ".."+version), "shop", m)
			relink(t, ".."+version, filepath.Join(dir, "..data"))
		}},
		{"a link to the folder", layRelease, func(t *testing.T, dir, version string, m *made) {
			makeDir(t, filepath.Join(dir, version))
			put(t, filepath.Join(dir, version), "shop", m)
			relink(t, filepath.Join(dir, version), filepath.Join(dir, "current"))
		}},
		{"another folder in its place", layRelease, func(t *testing.T, dir, version string, m *made) {
			makeDir(t, filepath.Join(dir, version))
			put(t, filepath.Join(dir, version), "shop", m)
			first := filepath.Join(dir, "first")
			if err := errors.Join(os.Rename(first, first+version), os.Rename(filepath.Join(dir, version), first)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.how, func(t *testing.T) {
			if runtime.GOOS == "windows" && c.how != "written over" {
				t.Skip("links need a right there that tests do not have")
			}
			dir := t.TempDir()
			first := sign(t, newECDSA(t), nil, nil, "shop.test")
			f := openFiles(t, c.lay(t, dir, first))
			if !shown(f, "shop.test").Equal(first.certificate) {
				t.Fatal("the first is not shown")
			}
			for i := range 2 { // the watching goes on where the files are now
				next := sign(t, newECDSA(t), nil, nil, "shop.test")
				c.swap(t, dir, strconv.Itoa(i), next)
				eventually(t, fmt.Sprintf("change %d is taken over", i+1), func() bool { return shown(f, "shop.test").Equal(next.certificate) })
			}
			if list := f.Problems(); len(list) > 0 {
				t.Errorf("problems are told: %v", list)
			}
		})
	}
}

func layPlain(t *testing.T, dir string, m *made) Pair { return put(t, dir, "shop", m) }

func layLikeCertbot(t *testing.T, dir string, m *made) Pair {
	makeDir(t, filepath.Join(dir, "archive"))
	makeDir(t, filepath.Join(dir, "live"))
	put(t, filepath.Join(dir, "archive"), "shop1", m)
	p := Pair{Certificate: filepath.Join(dir, "live", "shop.pem"), Key: filepath.Join(dir, "live", "shop.key")}
	relink(t, "../archive/shop1.pem", p.Certificate)
	relink(t, "../archive/shop1.key", p.Key)
	return p
}

func layLikeKubernetes(t *testing.T, dir string, m *made) Pair {
	makeDir(t, filepath.Join(dir, "..first"))
	put(t, filepath.Join(dir, "..first"), "shop", m)
	relink(t, "..first", filepath.Join(dir, "..data"))
	p := Pair{Certificate: filepath.Join(dir, "shop.pem"), Key: filepath.Join(dir, "shop.key")}
	relink(t, "..data/shop.pem", p.Certificate)
	relink(t, "..data/shop.key", p.Key)
	return p
}

func layRelease(t *testing.T, dir string, m *made) Pair {
	makeDir(t, filepath.Join(dir, "first"))
	put(t, filepath.Join(dir, "first"), "shop", m)
	relink(t, filepath.Join(dir, "first"), filepath.Join(dir, "current"))
	return Pair{Certificate: filepath.Join(dir, "current", "shop.pem"), Key: filepath.Join(dir, "current", "shop.key")}
}

func makeDir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

// relink puts a link in the place of another at once.
func relink(t *testing.T, to, path string) {
	t.Helper()
	if err := errors.Join(os.Symlink(to, path+"~"), os.Rename(path+"~", path)); err != nil {
		t.Fatal(err)
	}
}

// journal keeps what is logged as warnings.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if strings.Contains(string(p), "level=WARN") {
		j.lines = append(j.lines, string(p))
	}
	return len(p), nil
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string{}, j.lines...)
}

func TestABrokenFileLeavesTheOldOneInForceAndIsToldOnce(t *testing.T) {
	dir := t.TempDir()
	good, other := sign(t, newECDSA(t), nil, nil, "shop.test"), sign(t, newECDSA(t), nil, nil, "other.test")
	one, two := put(t, dir, "shop", good), put(t, dir, "other", other)
	two.Where = "tls.certificates.2"
	var log journal
	f, err := OpenFiles([]Pair{one, two}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	write(t, one.Certificate, []byte("-----BEGIN CERT")) // half written
	eventually(t, "the problem is told", func() bool { return len(f.Problems()) == 1 })
	p := f.Problems()[0]
	if p.Where != "tls.certificates.1.cert" || !strings.HasSuffix(p.Message, "Until then the certificate read before it is shown.") {
		t.Errorf("the problem is %v", p)
	}
	renewed := sign(t, newECDSA(t), nil, nil, "other.test") // the other pair goes on
	put(t, dir, "other", renewed)
	eventually(t, "the other pair is taken over", func() bool { return shown(f, "other.test").Equal(renewed.certificate) })
	if !shown(f, "shop.test").Equal(good.certificate) {
		t.Error("the old one is not in force")
	}
	if n := strings.Count(strings.Join(log.all(), ""), "shop.pem"); n != 1 {
		t.Errorf("logged %d times: %q", n, log.all())
	}

	put(t, dir, "shop", good)
	eventually(t, "the problem is over", func() bool { return len(f.Problems()) == 0 })
}

func TestEndsAndOpenKeysAreTold(t *testing.T) {
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	const day = 24 * time.Hour
	for _, c := range []struct {
		what   string
		change func(*x509.Certificate)
		mode   os.FileMode
		says   string // "" for nothing
	}{
		{"a good one", nil, 0o600, ""},
		{"one that ends in 15 days", until(in(15 * day)), 0o600, ""},
		{"one that ends in 13 days", until(in(13*day + time.Hour)), 0o600, "in 13 days"},
		{"one that ends tomorrow", until(in(30 * time.Hour)), 0o600, "in a day"},
		{"one that ends today", until(in(time.Hour)), 0o600, "within a day"},
		{"one that has ended", until(in(-time.Hour)), 0o600, "ended on"},
		{"one of tomorrow", func(x *x509.Certificate) { x.NotBefore = in(day) }, 0o600, "is valid from"},
		{"one without names", func(x *x509.Certificate) { x.DNSNames = nil }, 0o600, "is for no name"},
		{"a key that the group can read", nil, 0o640, "its mode is 0640"},
		{"a key that all can read", nil, 0o604, "chmod 600"},
	} {
		t.Run(c.what, func(t *testing.T) {
			if runtime.GOOS == "windows" && c.mode != 0o600 {
				t.Skip("there are no such rights there")
			}
			pair := put(t, t.TempDir(), "shop", sign(t, newECDSA(t), nil, c.change, "shop.test"))
			if err := os.Chmod(pair.Key, c.mode); err != nil {
				t.Fatal(err)
			}
			f := openFiles(t, pair)
			list := f.Problems()
			if c.says == "" && len(list) > 0 || c.says != "" && (len(list) != 1 || !strings.Contains(list[0].Message, c.says)) {
				t.Errorf("told: %v", list)
			}
			if len(f.Set().all) != 1 {
				t.Error("it is not in force")
			}
		})
	}
}

func TestTheFoldersOfEveryLinkAreWatched(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a right there that tests do not have")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair := layLikeKubernetes(t, dir, sign(t, newECDSA(t), nil, nil, "shop.test"))
	relink(t, "circle", filepath.Join(dir, "circle"))
	for path, want := range map[string]string{
		pair.Certificate:                  "shop.pem ..data ..first/shop.pem",
		filepath.Join(dir, "x", "no.pem"): "x/no.pem",
	} {
		var got []string
		for _, p := range places(path) {
			short, err := filepath.Rel(dir, p)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, short)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s depends on %q, want %q", path, got, want)
		}
	}
	if n := len(places(filepath.Join(dir, "circle"))); n != mostLinks {
		t.Errorf("a circle has %d places", n)
	}
}
