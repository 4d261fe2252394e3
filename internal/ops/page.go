package ops

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"
)

//go:embed page.html page.css page.js icon.svg
var files embed.FS

// Page is the status page.
type Page struct {
	Source Source
	Reload func(context.Context) Reload // reads the configuration again
	Pprof  bool                         // serve /debug/pprof as well
	Token  string                       // what visitors have to give; "": nothing
	TLS    TLS                          // without files: in the clear
	Log    *zap.Logger                  // nil: nothing is logged
}

// MaxEvent is the largest event that is explained, in bytes.
const MaxEvent = 1 << 20

const formType = "application/x-www-form-urlencoded"

// maxForm bounds a pasted event as a form sends it, where a byte takes up to three.
const maxForm = 3*MaxEvent + 1024

// AddPage lets the server answer for the page too, on every path that it does not answer yet. ErrExposed
// is in the error if anybody could reach it, ErrTLS if p.TLS is asked for, which takes ListenPage.
func (s *Server) AddPage(p Page) error {
	tcp, ok := s.listener.Addr().(*net.TCPAddr)
	loopback := ok && tcp.IP.IsLoopback()
	if !loopback && !p.guarded() {
		return fmt.Errorf("ops.page: %s %w", s.Addr(), ErrExposed)
	}
	if p.TLS.CertFile != "" && !s.secure {
		return fmt.Errorf("%w: the page wants an address of its own, since probes and scrapes come in the clear", ErrTLS)
	}
	tmpl, err := template.ParseFS(files, "page.html")
	if err != nil {
		return fmt.Errorf("parse the status page: %w", err)
	}
	if p.Log == nil {
		p.Log = zap.NewNop()
	}
	s.live = newLive(p.Source)
	h := &handlers{source: p.Source, again: p.Reload, live: s.live, tmpl: tmpl}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.page)
	mux.HandleFunc("POST /{$}", h.explainOnPage)
	mux.HandleFunc("GET /api/status", h.status)
	mux.HandleFunc("GET /api/catalog", h.catalog)
	mux.HandleFunc("POST /api/explain", h.explain)
	mux.HandleFunc("GET /api/config", h.config)
	mux.HandleFunc("POST /-/reload", h.reload)
	for _, name := range []string{"page.css", "page.js", "icon.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) })
	}
	if p.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	var page http.Handler = mux
	if p.Token != "" {
		page = withToken(p.Token, page)
	}
	s.mux.Handle("/", tellPanics(p.Log, guard(s.host, loopback, page)))
	return nil
}

type handlers struct {
	source Source
	again  func(context.Context) Reload
	live   *live
	tmpl   *template.Template
}

// status answers with the figures, and with ?view=1 also with what of the page changes, as text.
func (h *handlers) status(w http.ResponseWriter, r *http.Request) {
	st, past := h.live.status()
	answer := struct {
		*Status
		View *view `json:"view,omitempty"`
	}{Status: st}
	if r.URL.Query().Get("view") != "" {
		answer.View = newView(st, past)
	}
	writeJSON(w, http.StatusOK, answer)
}

func (h *handlers) catalog(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query().Get("q")
	found := h.source.Search(query)
	entries := make([]any, len(found))
	for i := range found {
		entries[i] = found[i].Data
	}
	writeJSON(w, http.StatusOK, map[string]any{"catalog": h.source.Status().Catalog, "query": query, "count": len(entries), "entries": entries})
}

func (h *handlers) explain(w http.ResponseWriter, r *http.Request) {
	event, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxEvent))
	if err != nil {
		code, text := refusal(err)
		writeJSON(w, code, map[string]string{"error": text})
		return
	}
	writeJSON(w, http.StatusOK, h.source.Explain(trimEnd(event)).Data)
}

// refusal says why a body was not taken.
func refusal(err error) (code int, text string) {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge || errors.Is(err, errTooLarge) {
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("the event is too large: at most %d bytes are taken", MaxEvent)
	}
	return http.StatusBadRequest, "the event cannot be read: " + err.Error()
}

var errTooLarge = errors.New("too large")

// trimEnd takes the last line end away, which is the form's or the shell's.
func trimEnd(event []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(event, []byte("\n")), []byte("\r"))
}

func (h *handlers) config(w http.ResponseWriter, _ *http.Request) {
	text, err := h.source.Config()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(text) // the reader hung up: nobody to tell
}

func (h *handlers) page(w http.ResponseWriter, r *http.Request) {
	c := content{Query: r.URL.Query().Get("q"), Searched: r.URL.Query().Has("q")}
	if c.Searched {
		c.Found = h.source.Search(c.Query)
	}
	h.write(w, http.StatusOK, &c)
}

// explainOnPage takes the event that was pasted into the page's form. No script is needed for it.
func (h *handlers) explainOnPage(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != formType {
		// To ParseForm it would be a form without fields, and an event that is empty would be explained.
		http.Error(w, "refused: want a form, "+formType+"; /api/explain takes an event as it is", http.StatusUnsupportedMediaType)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	event := r.PostForm.Get("event")
	if err == nil && len(event) > MaxEvent {
		err = errTooLarge
	}
	if err != nil {
		code, problem := refusal(err)
		h.write(w, code, &content{Problem: problem})
		return
	}
	x := h.source.Explain(trimEnd([]byte(event)))
	c := content{Event: x.Event, Explained: x.Text}
	h.write(w, http.StatusOK, &c)
}

// content is what the template shows.
type content struct {
	*Status
	*view
	Uptime    string
	Config    string
	Query     string
	Searched  bool
	Found     []Entry
	Event     string // as pasted, and as it may be shown
	Explained string
	Problem   string // why the pasted event was not taken
}

func (h *handlers) write(w http.ResponseWriter, code int, c *content) {
	st, past := h.live.status()
	c.Status, c.view, c.Uptime = st, newView(st, past), duration(st.At.Sub(st.Started).Truncate(time.Second).Seconds())
	c.Event, c.Explained = strings.ToValidUTF8(c.Event, "\ufffd"), strings.ToValidUTF8(c.Explained, "\ufffd")
	text, err := h.source.Config()
	if err != nil {
		text = []byte(err.Error())
	}
	c.Config = string(text)
	var b bytes.Buffer
	if err := h.tmpl.Execute(&b, c); err != nil {
		http.Error(w, "the page cannot be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = b.WriteTo(w) // the reader hung up: nobody to tell
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer cannot be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(escaped(text), '\n')) // the reader hung up: nobody to tell
}

// escaped writes out what encoding/json leaves as it is and a terminal obeys, since many ask by curl: control characters, those that
// turn the direction of text, and bytes that are none. It is the same JSON.
func escaped(text []byte) []byte {
	ruling := func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
	}
	if !bytes.ContainsFunc(text, ruling) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		if ruling(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}
