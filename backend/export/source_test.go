package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// kept is a Source in memory.
type kept struct {
	records []*flow.Record
	bodies  map[string][]byte
	open    int // bodies that were opened and not closed
	err     error
}

func newKept() *kept { return &kept{bodies: map[string][]byte{}} }

func (k *kept) Records(yield func(*flow.Record, error) bool) {
	for _, r := range k.records {
		if !yield(r, nil) {
			return
		}
	}
	if k.err != nil {
		yield(nil, k.err)
	}
}

func (k *kept) Body(b flow.Stored) (io.ReadCloser, error) {
	body, ok := k.bodies[b.Hash]
	if !ok {
		return nil, problem.New(problem.NotFound, "Reading a body: it is gone.")
	}
	k.open++
	return &openBody{bytes.NewReader(body), k}, nil
}

type openBody struct {
	io.Reader
	k *kept
}

func (o *openBody) Close() error { o.k.open--; return nil }

// add keeps a record with its request body and an answer.
func (k *kept) add(r *flow.Record, body []byte, status string, answer []byte, fields ...string) *flow.Record {
	r.Seq = int64(len(k.records) + 1)
	r.ID = uuid.UUID{15: byte(r.Seq)}
	r.Started = time.Date(2026, 11, 24, 10, 0, 0, 123456789, time.UTC)
	r.RequestBody.Hash = k.keep(body)
	if status != "" {
		head := "HTTP/1.1 " + status + "\r\n"
		for _, f := range fields {
			head += f + "\r\n"
		}
		r.ResponseHead, r.ResponseProto = []byte(head+"\r\n"), "HTTP/1.1"
		if _, err := fmt.Sscan(status, &r.Status); err != nil {
			panic(err)
		}
		all := fieldsOf(r.ResponseHead)
		r.ResponseBody = flow.Stored{
			Hash: k.keep(answer), Size: int64(len(answer)), Kept: int64(len(answer)), Type: all.Get("Content-Type"), Encoding: all.Get("Content-Encoding"),
		}
	}
	k.records = append(k.records, r)
	return r
}

func (k *kept) keep(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	hash := sha256.Sum256(body)
	k.bodies[hex.EncodeToString(hash[:])] = body
	return hex.EncodeToString(hash[:])
}

// oracle is a file of the npm packages in build/oracles.
func oracle(t *testing.T, path string) string {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("..", "..", "build", "oracles", "node_modules", path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%s is missing: `go run ./build test` installs it, or `npm ci` in build/oracles", file)
	}
	return file
}

// node runs a program of build/oracles.
func node(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "node", args...)
	c.Dir = filepath.Join("..", "..", "build", "oracles")
	out, err := c.CombinedOutput()
	return string(out), err
}

// schema compiles a JSON Schema whose parts are in files; the first is the whole.
func schema(t *testing.T, files ...string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(file, err)
		}
		if err := c.AddResource("https://schema.invalid/"+filepath.Base(file), doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("https://schema.invalid/" + filepath.Base(files[0]))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%.3000s", err, text)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%v in\n%.6000s", err, text)
	}
}
