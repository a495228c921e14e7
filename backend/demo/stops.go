package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// look reads pages as a browser would.
func look(ctx context.Context, v *visitor) (string, error) {
	var last reply
	for _, path := range []string{"/", "/image.svg", "/image.png", "/v1/items", "/v1/items?page=2"} {
		a, err := v.get(ctx, path)
		if err == nil {
			err = a.wanted(http.StatusOK)
		}
		if err != nil {
			return "", err
		}
		last = a
		v.pause(ctx)
	}
	return strconv.Itoa(last.status), nil
}

// shop makes an item, changes it, and deletes it again.
func shop(ctx context.Context, v *visitor) (string, error) {
	const item = `{"name": "House blend", "origin": "here and there", "process": "washed", "notes": ["nougat", "fig"], "cents": 890, "stock": 20}`
	made, err := v.send(ctx, http.MethodPost, "/v1/items", "application/json", item)
	if err == nil {
		err = made.wanted(http.StatusCreated)
	}
	if err != nil {
		return "", err
	}
	results := []string{strconv.Itoa(made.status)}
	for _, s := range []struct {
		method, body string
		status       int
	}{
		{http.MethodGet, "", 200},
		{http.MethodPut, strings.Replace(item, "890", "950", 1), 200},
		{http.MethodPatch, `{"stock": 19}`, 200},
		{http.MethodDelete, "", 204},
	} {
		v.pause(ctx)
		kind := ""
		if s.body != "" {
			kind = "application/json"
		}
		a, err := v.send(ctx, s.method, made.location, kind, s.body)
		if err == nil {
			err = a.wanted(s.status)
		}
		if err != nil {
			return "", err
		}
		if code := strconv.Itoa(a.status); !slices.Contains(results, code) {
			results = append(results, code)
		}
	}
	return strings.Join(results, ", "), nil
}

// crowd sends twelve requests at the same time.
func crowd(ctx context.Context, v *visitor) (string, error) {
	const people = 12
	errs := make([]error, people)
	var running sync.WaitGroup
	start := time.Now()
	for i := range people {
		running.Go(func() {
			a, err := v.get(ctx, "/v1/items?size=1&page="+strconv.Itoa(i+1))
			if err == nil {
				err = a.wanted(http.StatusOK)
			}
			errs[i] = err
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	return spent(start), nil
}

// spent is the time since start in the few digits that a person reads.
func spent(start time.Time) string {
	ms := float64(time.Since(start).Microseconds()) / 1000
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

// trouble meets a slow answer and a broken one.
func trouble(ctx context.Context, v *visitor) (string, error) {
	start := time.Now()
	a, err := v.get(ctx, "/slow?ms="+strconv.FormatInt((v.length/40).Milliseconds(), 10))
	if err == nil {
		err = a.wanted(http.StatusOK)
	}
	took := spent(start)
	if err != nil {
		return "", err
	}
	v.pause(ctx)
	a, err = v.get(ctx, "/error")
	if err == nil {
		err = a.wanted(http.StatusInternalServerError)
	}
	return took + ", " + strconv.Itoa(a.status), err
}

// stream listens to events and talks to the WebSocket meanwhile.
func stream(ctx context.Context, v *visitor) (string, error) {
	const events, words = 6, 3
	var heard int
	var failed error
	var listening sync.WaitGroup
	listening.Go(func() { heard, failed = listen(ctx, v, events) })
	said, err := talk(ctx, v, words)
	listening.Wait()
	if err := errors.Join(failed, err); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d + %d messages", heard, said), nil
}

func listen(ctx context.Context, v *visitor, n int) (int, error) {
	r, err := v.request(ctx, http.MethodGet, fmt.Sprintf("/events?n=%d&ms=%d", n, max(1, (v.length/80).Milliseconds())), "", "")
	if err != nil {
		return 0, err
	}
	r.Header.Set("Accept", "text/event-stream")
	response, err := v.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	heard := 0
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "id: ") {
			heard++
		}
	}
	if lines.Err() == nil && heard < n {
		return heard, fmt.Errorf("%d of %d events", heard, n)
	}
	return heard, lines.Err()
}

func talk(ctx context.Context, v *visitor, n int) (int, error) {
	c, err := v.dial(ctx, "/ws")
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.CloseNow() }()
	for i := range n {
		word := fmt.Sprintf("message %d", i+1)
		if err := c.Write(ctx, websocket.MessageText, []byte(word)); err != nil {
			return i, err
		}
		_, back, err := c.Read(ctx)
		if err != nil {
			return i, err
		}
		if string(back) != word {
			return i, errors.New("another echo")
		}
		v.pause(ctx)
	}
	return n, c.Close(websocket.StatusNormalClosure, "")
}

// leave asks for something slow and goes before it comes.
func leave(ctx context.Context, v *visitor) (string, error) {
	patience, cancel := context.WithTimeout(ctx, v.length/50)
	defer cancel()
	_, err := v.get(patience, "/slow?ms="+strconv.FormatInt((v.length/4).Milliseconds(), 10))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return "aborted", nil
	}
	if err == nil {
		err = errors.New("it came too soon")
	}
	return "", err
}
