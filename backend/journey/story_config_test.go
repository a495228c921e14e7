package journey

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"proxycache/backend/core"
)

// configure starts the program, or puts another configuration in force as a person would: by saving the
// file.
func (s *telling) configure(one section) error {
	file := filepath.Join(s.t.TempDir(), "config.toml")
	text := documentOf(one.text)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return stop{err}
	}
	problems, err := core.CheckFile(file)
	if err != nil {
		return stop{err}
	}
	if len(problems) > 0 {
		return stop{fmt.Errorf("the configuration is wrong: %w", problems)}
	}
	if s.house != nil {
		return s.swap(file, text)
	}
	s.house = openHouseWith(s.t, one.text, s.names)
	s.began()
	return nil
}

// began takes what is new with each start of the program.
func (s *telling) began() {
	s.words.proxy = address(s.house.proxy())
	s.cells = &cells{house: s.house}
}

// restart ends the program and starts it again with what it left in its folder.
func (s *telling) restart(section) error {
	s.house.stop()
	s.house.start()
	s.began()
	return nil
}

// documentOf is the file that openHouse writes.
func documentOf(config string) string {
	return "version = 1\n" + topOf(config) + listenAnywhere + tablesOf(config)
}

func (s *telling) swap(file, text string) error {
	if err := os.Rename(file, filepath.Join(s.house.dir, "config.toml")); err != nil {
		return stop{err}
	}
	var now core.Config
	inForce := within(10*time.Second, func() bool {
		var err error
		now, err = s.house.Config(s.t.Context(), core.Nothing{})
		return err == nil && now.Text == text
	})
	if !inForce {
		return stop{fmt.Errorf("the configuration was not put in force: %+v", s.house.status().ConfigProblems)}
	}
	return nil
}

// within polls until ok holds, which it tells.
func within(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
