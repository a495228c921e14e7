package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Item is a coffee of the demo shop.
type Item struct {
	ID      int       `json:"id"`
	Name    string    `json:"name"`
	Origin  string    `json:"origin"`
	Process string    `json:"process"`
	Notes   []string  `json:"notes"`
	Cents   int       `json:"cents"` // for 250 g
	Stock   int       `json:"stock"`
	Updated time.Time `json:"updated"`
	Version int       `json:"version"`
}

const (
	maxItems    = 200
	maxItemBody = 16 << 10
	maxText     = 200 // characters
	maxNotes    = 12
	maxPage     = 100
)

// items are the shelf. Any number of requests use it at once.
type items struct {
	mu   sync.Mutex
	all  []Item // by ID
	next int
}

func (s *items) seed() {
	opened := time.Date(2025, 11, 3, 8, 0, 0, 0, time.UTC)
	for i, c := range []Item{
		{Name: "Huila", Origin: "Colombia", Process: "washed", Notes: []string{"red apple", "caramel", "cocoa"}, Cents: 1290, Stock: 42},
		{Name: "Yirgacheffe", Origin: "Ethiopia", Process: "washed", Notes: []string{"jasmine", "bergamot", "peach"}, Cents: 1490, Stock: 31},
		{Name: "Guji", Origin: "Ethiopia", Process: "natural", Notes: []string{"blueberry", "honey"}, Cents: 1550, Stock: 18},
		{Name: "Nyeri AA", Origin: "Kenya", Process: "washed", Notes: []string{"blackcurrant", "grapefruit", "brown sugar"}, Cents: 1690, Stock: 12},
		{Name: "Tarrazú", Origin: "Costa Rica", Process: "honey", Notes: []string{"orange", "almond"}, Cents: 1390, Stock: 27},
		{Name: "Antigua", Origin: "Guatemala", Process: "washed", Notes: []string{"milk chocolate", "plum"}, Cents: 1190, Stock: 55},
		{Name: "Sul de Minas", Origin: "Brazil", Process: "natural", Notes: []string{"hazelnut", "chocolate"}, Cents: 990, Stock: 80},
		{Name: "Mandheling", Origin: "Indonesia", Process: "wet-hulled", Notes: []string{"cedar", "dark chocolate", "spice"}, Cents: 1250, Stock: 23},
		{Name: "Kigoma", Origin: "Tanzania", Process: "washed", Notes: []string{"lemon", "black tea"}, Cents: 1350, Stock: 16},
		{Name: "Geisha", Origin: "Panama", Process: "washed", Notes: []string{"jasmine", "mandarin", "lychee"}, Cents: 3900, Stock: 4},
		{Name: "Chanchamayo", Origin: "Peru", Process: "washed", Notes: []string{"toffee", "cherry"}, Cents: 1150, Stock: 38},
		{Name: "Monsooned Malabar", Origin: "India", Process: "monsooned", Notes: []string{"cashew", "tobacco", "spice"}, Cents: 1090, Stock: 29},
	} {
		c.ID, c.Version, c.Updated = i+1, 1, opened.Add(time.Duration(i)*37*time.Hour)
		s.all = append(s.all, c)
	}
	s.next = len(s.all) + 1
}

// shelfPage is one page of the list.
type shelfPage struct {
	Items []Item `json:"items"`
	Page  int    `json:"page"`
	Size  int    `json:"size"`
	Pages int    `json:"pages"`
	Total int    `json:"total"`
}

func (s *items) list(w http.ResponseWriter, r *http.Request) {
	page, ok := number(w, r, "page", 1, 1, 1000)
	if !ok {
		return
	}
	size, ok := number(w, r, "size", 5, 1, maxPage)
	if !ok {
		return
	}
	out := s.page(page, size, r.URL.Query().Get("q"))
	for _, link := range []struct {
		to  int
		rel string
	}{{page - 1, "prev"}, {page + 1, "next"}} {
		if link.to >= 1 && link.to <= out.Pages {
			q := r.URL.Query()
			q.Set("page", strconv.Itoa(link.to))
			w.Header().Add("Link", fmt.Sprintf(`</v1/items?%s>; rel="%s"`, q.Encode(), link.rel))
		}
	}
	answer(w, http.StatusOK, out)
}

// page is what fits q, a part of a name, an origin or a note.
func (s *items) page(page, size int, q string) shelfPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	fits := []Item{}
	for _, c := range s.all {
		text := strings.ToLower(c.Name + "\n" + c.Origin + "\n" + strings.Join(c.Notes, "\n"))
		if strings.Contains(text, strings.ToLower(q)) {
			fits = append(fits, c)
		}
	}
	out := shelfPage{Page: page, Size: size, Total: len(fits), Pages: (len(fits) + size - 1) / size}
	from := min((page-1)*size, len(fits))
	out.Items = fits[from:min(from+size, len(fits))]
	return out
}

func (s *items) create(w http.ResponseWriter, r *http.Request) {
	var c Item
	if !readItem(w, r, &c) {
		return
	}
	c, ok := s.add(c)
	if !ok {
		fail(w, http.StatusConflict, fmt.Sprintf("The shelf is full: it holds %d items. Delete one first.", maxItems))
		return
	}
	w.Header().Set("Location", "/v1/items/"+strconv.Itoa(c.ID))
	w.Header().Set("ETag", c.tag())
	answer(w, http.StatusCreated, c)
}

func (s *items) add(c Item) (Item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= maxItems {
		return c, false
	}
	c.ID, c.Version, c.Updated = s.next, 1, now()
	s.next++
	s.all = append(s.all, c)
	return c, true
}

func (s *items) read(w http.ResponseWriter, r *http.Request) {
	c, ok := s.get(w, r)
	if !ok {
		return
	}
	w.Header().Set("ETag", c.tag())
	if r.Header.Get("If-None-Match") == c.tag() {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	answer(w, http.StatusOK, c)
}

// get is the item that the path names; where there is none, that is answered.
func (s *items) get(w http.ResponseWriter, r *http.Request) (Item, bool) {
	s.mu.Lock()
	i := s.index(r)
	var c Item
	if i >= 0 {
		c = s.all[i]
	}
	s.mu.Unlock()
	if i < 0 {
		notThere(w)
	}
	return c, i >= 0
}

// index is where the item of the path stands, or -1.
func (s *items) index(r *http.Request) int {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return -1
	}
	return slices.IndexFunc(s.all, func(c Item) bool { return c.ID == id })
}

func notThere(w http.ResponseWriter) {
	fail(w, http.StatusNotFound, "There is no such item. GET /v1/items lists them.")
}

func (s *items) replace(w http.ResponseWriter, r *http.Request) { s.change(w, r, Item{}) }

func (s *items) patch(w http.ResponseWriter, r *http.Request) {
	if from, ok := s.get(w, r); ok {
		from.Notes = slices.Clone(from.Notes) // the decoder writes into what is there
		s.change(w, r, from)
	}
}

// change puts what the body says on top of from. The body is read without the lock: it may be slow.
func (s *items) change(w http.ResponseWriter, r *http.Request, from Item) {
	if !readItem(w, r, &from) {
		return
	}
	c, status := s.put(r, from)
	switch status {
	case http.StatusNotFound:
		notThere(w)
	case http.StatusPreconditionFailed:
		fail(w, status, "The item was changed meanwhile. Read it again first.")
	default:
		w.Header().Set("ETag", c.tag())
		answer(w, status, c)
	}
}

func (s *items) put(r *http.Request, c Item) (Item, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(r)
	if i < 0 {
		return c, http.StatusNotFound
	}
	was := s.all[i]
	if wanted := r.Header.Get("If-Match"); wanted != "" && wanted != "*" && wanted != was.tag() {
		return c, http.StatusPreconditionFailed
	}
	c.ID, c.Version, c.Updated = was.ID, was.Version+1, now()
	s.all[i] = c
	return c, http.StatusOK
}

func (s *items) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	i := s.index(r)
	if i >= 0 {
		s.all = slices.Delete(s.all, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 {
		notThere(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readItem reads the body into c, or answers what is wrong with it.
func readItem(w http.ResponseWriter, r *http.Request, c *Item) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxItemBody))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("An item has at most %d bytes.", maxItemBody))
		}
		return false
	}
	if err := json.Unmarshal(body, c); err != nil {
		fail(w, http.StatusBadRequest, "The body is no item: "+err.Error()+".")
		return false
	}
	if why := c.wrong(); why != "" {
		fail(w, http.StatusUnprocessableEntity, why)
		return false
	}
	if c.Notes == nil {
		c.Notes = []string{}
	}
	return true
}

func (c Item) wrong() string {
	if strings.TrimSpace(c.Name) == "" {
		return "An item needs a name."
	}
	if len(c.Notes) > maxNotes {
		return fmt.Sprintf("An item has at most %d notes.", maxNotes)
	}
	for _, text := range append([]string{c.Name, c.Origin, c.Process}, c.Notes...) {
		if utf8.RuneCountInString(text) > maxText {
			return fmt.Sprintf("A text has at most %d characters.", maxText)
		}
	}
	if c.Cents < 0 || c.Stock < 0 {
		return "Cents and stock are not below 0."
	}
	return ""
}

func (c Item) tag() string { return fmt.Sprintf(`"%d-%d"`, c.ID, c.Version) }

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
