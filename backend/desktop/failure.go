package desktop

import (
	"encoding/json"

	"proxycache/backend/core"
)

// failure is a problem whose text is its JSON, which api/wails.ts reads back.
type failure core.Problem

func (f failure) Error() string {
	text, err := json.Marshal(core.Problem(f))
	if err != nil { // strings and numbers always encode
		return f.Message
	}
	return string(text)
}
