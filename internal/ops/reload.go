package ops

import (
	"net/http"
	"time"
)

// Reload is what came of reading the configuration again.
type Reload struct {
	At           time.Time `json:"at"`
	OK           bool      `json:"ok"`
	Problem      string    `json:"problem,omitempty"`       // why it is not in force
	Catalog      string    `json:"catalog"`                 // the id of the one in force
	Changed      []string  `json:"changed,omitempty"`       // keys taken up
	NeedsRestart []string  `json:"needs_restart,omitempty"` // keys that have changed and were not
}

// reload reads the configuration again and answers with what came of it: 200, or 422 if it is not in force.
func (h *handlers) reload(w http.ResponseWriter, r *http.Request) {
	outcome := h.again(r.Context())
	code := http.StatusOK
	if !outcome.OK {
		code = http.StatusUnprocessableEntity
	}
	writeJSON(w, code, outcome)
}
