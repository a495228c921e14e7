package compress

import (
	"strings"
	"testing"

	"proxycache/backend/policy"
	"proxycache/backend/schema"
)

func TestTheStateTellsWhatWasSaved(t *testing.T) {
	p, data := policyOf(t, nil), page(1<<20)
	if s := p.State(); s.Summary != "nothing compressed yet" || s.Level != policy.Calm {
		t.Errorf("at first %+v", s)
	}
	for _, accept := range []string{"gzip", "zstd", "zstd", ""} {
		r, err := p.Apply(asks("GET", "Accept-Encoding: "+accept), gives(answer(bodyOf(data), int64(len(data)), "Content-Type: text/css")))
		if err != nil {
			t.Fatal(err)
		}
		read(t, r.Body)
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, c := range map[string]struct {
		label string
		want  float64
	}{
		"in_bytes_total": {"zstd", 2 << 20}, "answers_total": {"compress", 3}, "skipped_total": {"client", 1}, "streams": {"", 0}, "broken_total": {"", 0},
	} {
		if got := figure(p, name, c.label); got != c.want {
			t.Errorf("%s of %q is %v, want %v", name, c.label, got, c.want)
		}
	}
	in, out, ratio := figure(p, "in_bytes_total", "gzip"), figure(p, "out_bytes_total", "gzip"), figure(p, "ratio", "gzip")
	if out <= 0 || ratio != in/out || ratio < 10 || figure(p, "seconds_total", "gzip") <= 0 {
		t.Errorf("gzip made %v of %v, told as %v", out, in, ratio)
	}
	if s := p.State(); !strings.HasPrefix(s.Summary, "3.0 MiB became ") {
		t.Errorf("the summary is %q", s.Summary)
	}
}

func TestEveryFigureIsDescribed(t *testing.T) {
	p := policyOf(t, nil)
	for i := range coding(known) {
		p.figures.encoded[i].answers.Add(1)
		p.figures.decoded[i].answers.Add(1)
		p.figures.decoded[i].add(10, 20, 1)
	}
	seen := map[string]bool{}
	for _, f := range p.State().Figures {
		key := f.Name
		for _, l := range f.Labels {
			key += " " + l.Name + "=" + l.Value
			if l.Value == "" {
				t.Errorf("%s has an empty label", f.Name)
			}
		}
		if seen[key] || !strings.HasSuffix(f.Help, ".") || f.Counter != strings.HasSuffix(f.Name, "_total") {
			t.Errorf("%s: %+v", key, f)
		}
		seen[key] = true
	}
	if figure(p, "ratio", "deflate") != 2 {
		t.Errorf("the ratio of what was undone is %v", figure(p, "ratio", "deflate"))
	}
}

func TestFiguresOutliveAnEdit(t *testing.T) {
	var keep policy.Keep
	var before *figures
	for range 2 {
		s := new(Settings)
		if problems := schema.Decode("", nil, s); len(problems) > 0 {
			t.Fatal(problems)
		}
		p, err := s.Policy(policy.NewEnv("shop/compress", nil, &keep))
		if err != nil {
			t.Fatal(err)
		}
		c, ok := p.(*compressor)
		if !ok || before != nil && c.figures != before {
			t.Errorf("the figures of %T are new", p)
			continue
		}
		before = c.figures
	}
}

func TestSizesAreForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 5 << 20: "5.0 MiB", 3 << 40: "3.0 TiB", 1 << 60: "1048576.0 TiB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
