// Package compress writes answers in a content coding that the client takes, and undoes codings that it
// does not take.
package compress

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// Module is its entry in the palette.
var Module = policy.Module{
	Name: "compress", Title: "Compress", Summary: "Compresses answers for clients that can read it, and decompresses them for those that cannot.",
	Icon: "file-archive", Stage: policy.Shape, Figure: "compressed",
	Settings: func() policy.Settings { return new(Settings) },
}

// Settings say what is compressed, how, and what may become of an answer that is undone.
type Settings struct {
	Codings   []string    `toml:"codings" title:"Codings" help:"What answers are compressed with. The client's weights (q) decide; among equal ones the first of this list." default:"zstd,br,gzip" oneof:"zstd,br,gzip" required:"true" max:"3"`
	Level     string      `toml:"level" title:"Level" help:"How hard the encoders try: fastest is gzip 1, br 1, zstd 1; default is gzip 5, br 5, zstd 3; best is gzip 9, br 7, zstd 9." default:"default" oneof:"fastest,default,best"`
	GzipLevel int         `toml:"gzip_level" title:"Level of gzip" help:"From 1 to 9, in place of the level above; 0 takes that." default:"0" min:"0" max:"9"`
	BrLevel   int         `toml:"br_level" title:"Level of br" help:"From 1 to 11, in place of the level above; 0 takes that. From 9 on a stream takes 40 MiB and more, and 10 and 11 are many times slower." default:"0" min:"0" max:"11"`
	ZstdLevel int         `toml:"zstd_level" title:"Level of zstd" help:"From 1 to 22 as zstd counts, in place of the level above; 0 takes that. The encoder knows four steps and takes the one below: 1, 3, 6, 10. From 10 on a stream takes 40 MiB." default:"0" min:"0" max:"22"`
	Window    schema.Size `toml:"window" title:"Window" help:"How far back zstd and br look for what repeats: a power of two. Here br keeps about ten times as much for a long answer and zstd twice, the client once; br uses 4MiB at most." default:"256KiB" min:"64KiB" max:"8MiB"`
	MinSize   schema.Size `toml:"min_size" title:"Smallest" help:"Answers with fewer bytes are left as they are. Where no length is told, what came with the head is looked at; event streams are compressed from their first byte." default:"1KiB" min:"0" max:"32KiB"`
	Types     []string    `toml:"types" title:"Types" help:"The media types that are compressed: text/html, text/*, application/*+json, */*." default:"text/*,*/*+json,*/*+xml,*/*+text,*/*+yaml,application/json,application/jsonl,application/json-seq,application/x-ndjson,application/xml,application/javascript,application/x-javascript,application/ecmascript,application/graphql,application/yaml,application/toml,application/sql,application/rtf,application/wasm,application/vnd.ms-fontobject,font/ttf,font/otf,font/collection,image/bmp,image/x-icon,image/vnd.microsoft.icon" required:"true" max:"200"`
	Except    []string    `toml:"except" title:"But not" help:"Media types that are left as they are, though the list above has them." placeholder:"text/event-stream" max:"200"`

	AcceptEncoding string      `toml:"accept_encoding" title:"Asked of the server" help:"What the server is told in Accept-Encoding: client is what the client sent; none asks for plain answers, so that cells behind this one can read them; all asks for each of the codings." default:"client" oneof:"client,none,all"`
	Decompress     bool        `toml:"decompress" title:"Decompress" help:"Undoes gzip, br, zstd and deflate for clients that do not take them. A client that names no codings takes none." default:"true"`
	MaxRatio       int         `toml:"max_ratio" title:"Largest ratio" help:"An answer that becomes more than so many times larger when it is undone breaks off: it is made to exhaust who reads it. The first MiB is not looked at." default:"1000" min:"1" max:"1000000" unit:"times"`
	MaxSize        schema.Size `toml:"max_size" title:"Largest" help:"An answer that becomes larger than this when it is undone breaks off." default:"1GiB" min:"1KiB" max:"1TiB"`
	MaxStreams     int         `toml:"max_streams" title:"At once" help:"How many answers are compressed or undone at the same time. Beyond it answers go out uncompressed; those that have to be undone are refused with 503. At the default level and window one takes up to 4 MiB; an event stream takes its place as long as it lasts." default:"128" min:"1" max:"100000"`
}

func (s *Settings) Explain() string {
	out := "compresses answers "
	if s.MinSize > 0 {
		out += "of " + s.MinSize.String() + " or more "
	}
	out += "with " + s.told() + " at level " + s.Level
	if own := s.ownLevels(); own != "" {
		out += " (" + own + ")"
	}
	out += fmt.Sprintf(", where their type is %s", types(s.Types))
	if len(s.Except) > 0 {
		out += " but not " + types(s.Except)
	}
	switch s.AcceptEncoding {
	case "none":
		out += "; asks the server for plain answers"
	case "all":
		out += "; asks the server for compressed answers"
	}
	if s.Decompress {
		out += fmt.Sprintf("; decompresses for clients that cannot, up to %d times their size and %s", s.MaxRatio, s.MaxSize)
	}
	return out + fmt.Sprintf("; %d at once", s.MaxStreams)
}

// told is the codings in words: "zstd, br or gzip".
func (s *Settings) told() string {
	last := len(s.Codings) - 1
	if last < 1 {
		return strings.Join(s.Codings, "")
	}
	return strings.Join(s.Codings[:last], ", ") + " or " + s.Codings[last]
}

func (s *Settings) ownLevels() string {
	var own []string
	for _, name := range s.Codings {
		if level := s.ownLevel(name); level != 0 {
			own = append(own, name+" "+strconv.Itoa(level))
		}
	}
	return strings.Join(own, ", ")
}

func types(list []string) string {
	if len(list) <= 3 {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("one of %d", len(list))
}

func (s *Settings) Check() []*problem.Problem {
	var out []*problem.Problem
	add := func(where, format string, args ...any) {
		out = append(out, problem.New(problem.Invalid, format, args...).At(where))
	}
	for i, name := range s.Codings {
		if slices.Contains(s.Codings[:i], name) {
			add("codings."+strconv.Itoa(i+1), "%s is in the list already: remove one of both", name)
		}
	}
	if bits.OnesCount64(uint64(s.Window)) != 1 {
		add("window", "%s is no power of two: write one as 256KiB, 1MiB or 4MiB", s.Window)
	}
	for setting, list := range map[string][]string{"types": s.Types, "except": s.Except} {
		for i, text := range list {
			if _, err := parsePattern(text); err != nil {
				add(setting+"."+strconv.Itoa(i+1), "%v", err)
			}
		}
	}
	if s.AcceptEncoding == "all" && !s.Decompress {
		add("accept_encoding", "asking the server for each coding needs decompress = true: some clients cannot read what comes then")
	}
	return out
}

func (s *Settings) Policy(env policy.Env) (policy.Policy, error) {
	c := &compressor{
		cell: env.Cell, asks: s.AcceptEncoding, decompress: s.Decompress, minSize: int64(s.MinSize),
		limits:     limits{ratio: int64(s.MaxRatio), size: int64(s.MaxSize)},
		maxStreams: int64(s.MaxStreams),
		figures:    policy.Kept(env, "figures", func() *figures { return new(figures) }),
	}
	for _, name := range s.Codings {
		own := codingOf(name)
		c.codings = append(c.codings, own)
		c.encoders[own] = s.encoders(own)
	}
	for i := range c.decoders {
		c.decoders[i].New = decoderOf(coding(i))
	}
	for list, texts := range map[*[]pattern][]string{&c.types: s.Types, &c.except: s.Except} {
		for _, text := range texts {
			p, err := parsePattern(text)
			if err != nil {
				return nil, problem.Wrap(problem.Invalid, err, "%v", err)
			}
			*list = append(*list, p)
		}
	}
	return c, nil
}
