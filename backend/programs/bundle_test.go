//go:build !windows

package programs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"proxycache/backend/problem"
)

const ours = "-----BEGIN CERTIFICATE-----\nb3Vycw==\n-----END CERTIFICATE-----\n"

func TestTheBundleHoldsTheSystemsAuthoritiesAndOurs(t *testing.T) {
	dir := t.TempDir()
	system := filepath.Join(dir, "system.pem")
	const theirs = "-----BEGIN CERTIFICATE-----\ndGhlaXJz\n-----END CERTIFICATE-----"
	if err := os.WriteFile(system, []byte("\n"+theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", system)
	path := filepath.Join(dir, "authority", "bundle.pem")
	if err := WriteBundle(path, []byte(ours)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != theirs+"\n"+ours {
		t.Errorf("the bundle is %q, %v", got, err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteBundle(path, []byte(ours)); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the same bundle was written again: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left beside it: %v, %v", left, err)
	}
}

// Started from a terminal that is set up already, the bundle must not grow by itself.
func TestTheBundleIsNotMadeOfItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bundle.pem")
	if err := WriteBundle(path, []byte(ours)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", path)
	if err := WriteBundle(path, []byte(ours)); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if n := strings.Count(string(got), ours); err != nil || n != 1 {
		t.Errorf("ours is in it %d times, %v", n, err)
	}
}

func TestABundleThatCannotBeWrittenSaysWhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := WriteBundle(filepath.Join(file, "bundle.pem"), []byte(ours))
	if problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), file) {
		t.Error(err)
	}
}
