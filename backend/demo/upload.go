package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
)

const (
	maxUpload = 64 << 20
	maxParts  = 100
)

// received is what arrived in one body or part.
type received struct {
	Name   string `json:"name,omitempty"`
	File   string `json:"file,omitempty"`
	Type   string `json:"type"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// upload tells size and hash of what it is sent, and keeps nothing.
func upload(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // what is no type is no form
	var parts []received
	var err error
	if kind == "multipart/form-data" {
		parts, err = formParts(r)
	} else {
		var one received
		one, err = digest(r.Body)
		one.Type = r.Header.Get("Content-Type")
		parts = []received{one}
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		fail(w, http.StatusRequestEntityTooLarge, "An upload has at most 64 MiB.")
		return
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "The body cannot be read: "+err.Error()+".")
		return
	}
	total := int64(0)
	for _, p := range parts {
		total += p.Size
	}
	answer(w, http.StatusOK, struct {
		Parts []received `json:"parts"`
		Size  int64      `json:"size"`
	}{parts, total})
}

func formParts(r *http.Request) ([]received, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	parts := []received{}
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return parts, nil
		}
		if err != nil {
			return nil, err
		}
		if len(parts) == maxParts {
			return nil, errors.New("it has too many parts")
		}
		one, err := formPart(part)
		if err != nil {
			return nil, err
		}
		parts = append(parts, one)
	}
}

func formPart(part *multipart.Part) (received, error) {
	one, err := digest(part)
	one.Name, one.File, one.Type = part.FormName(), part.FileName(), part.Header.Get("Content-Type")
	return one, err
}

func digest(body io.Reader) (received, error) {
	hash := sha256.New()
	n, err := io.Copy(hash, body)
	return received{Size: n, SHA256: hex.EncodeToString(hash.Sum(nil))}, err
}
