package cachestore

import (
	"regexp"
	"strings"
)

// atOnce is how many members of a set, or names of sets, are asked for at a time.
const atOnce = 500

// Purge goes through the sets of the URLs, or of the tag. Softly, n leaves out what was purged softly
// before.
func (s *shared) Purge(sel Selection, soft bool) (n int, err error) {
	switch {
	case sel.URL != "":
		n, err = s.purgeSet(urlKey+sel.URL, soft)
	case sel.Tag != "":
		n, err = s.purgeSet(tagKey+sel.Tag, soft)
	case sel.Prefix != "":
		n, err = s.purgeURLs(urlKey+literal(sel.Prefix)+"*", nil, soft)
	case sel.Match != nil:
		n, err = s.purgeURLs(urlKey+"*", sel.Match, soft)
	}
	return n, s.note("purging in", err)
}

// literal is text as a pattern that matches nothing else.
func literal(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}

// purgeURLs purges the sets of the URLs whose keys match pattern, and match where that is not nil.
func (s *shared) purgeURLs(pattern string, match *regexp.Regexp, soft bool) (n int, err error) {
	for cursor := "0"; ; {
		answer, err := s.do("SCAN", cursor, "MATCH", pattern, "COUNT", atOnce)
		if err != nil {
			return n, err
		}
		page, _ := answer.([]any)
		if len(page) != 2 {
			return n, nil
		}
		keys, _ := page[1].([]any)
		for _, key := range texts(keys) {
			if match != nil && !match.MatchString(strings.TrimPrefix(key, urlKey)) {
				continue
			}
			some, err := s.purgeSet(key, soft)
			if n += some; err != nil {
				return n, err
			}
		}
		at, _ := page[0].([]byte)
		if cursor = string(at); cursor == "0" || cursor == "" {
			return n, nil
		}
	}
}

// purgeSet purges what the set key names. Purged for good, they leave the set, which is then gone.
func (s *shared) purgeSet(key string, soft bool) (n int, err error) {
	manner, from := "hard", 0
	if soft {
		manner = "soft"
	}
	for {
		answer, err := s.do("ZRANGE", key, from, from+atOnce-1)
		if err != nil {
			return n, err
		}
		members, _ := answer.([]any)
		for _, member := range texts(members) {
			hash, version, _ := strings.Cut(member, ":")
			one, err := s.run(purgeScript, objectKey+hash, version, manner)
			if n += int(one); err != nil {
				return n, err
			}
		}
		if len(members) > 0 && !soft {
			if _, err := s.do("ZREM", append([]any{key}, members...)...); err != nil {
				return n, err
			}
		}
		if len(members) < atOnce {
			return n, nil
		}
		if soft {
			from += atOnce
		}
	}
}

func texts(values []any) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		if b, ok := v.([]byte); ok {
			out = append(out, string(b))
		}
	}
	return out
}
