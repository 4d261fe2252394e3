package ops

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"go.uber.org/zap"
)

// guard lets through to the page what its user sends, be it by a browser or by curl, and not what a browser
// sends because another site told it to:
//
//   - A name that resolves to a loopback address is not ours (DNS rebinding): the Host has to be. On other addresses the
//     page has any name, and a token or a certificate, which a browser keeps from other names.
//   - What another site's page asks for or posts is refused. There is no CORS, so it could not read the
//     answer anyway, but a profile costs CPU time.
func guard(host string, loopback bool, page http.Handler) http.Handler {
	posts := http.NewCrossOriginProtection()
	posts.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "refused: sent by the page of another site", http.StatusForbidden)
	}))
	page = posts.Handler(page)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		if loopback && !ours(r.Host, host) {
			http.Error(w, fmt.Sprintf("refused: the host %q is not this page's; use %s, localhost or a loopback address", r.Host, host), http.StatusMisdirectedRequest)
			return
		}
		site := r.Header.Get("Sec-Fetch-Site")
		if r.URL.Path != "/" && (site == "cross-site" || site == "same-site") { // the page itself may be linked to
			http.Error(w, "refused: asked for by the page of another site", http.StatusForbidden)
			return
		}
		page.ServeHTTP(w, r)
	})
}

// ours tells whether the Host of a request is one that the page has. Its port is not compared: a forwarded
// port is another one.
func ours(asked, configured string) bool {
	name, _, err := net.SplitHostPort(asked)
	if err != nil { // no port
		name = strings.TrimSuffix(strings.TrimPrefix(asked, "["), "]")
	}
	if strings.EqualFold(name, "localhost") || configured != "" && strings.EqualFold(name, configured) {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

// tellPanics logs a mistake of ours, which net/http's own log, of everybody's broken connections, would hide.
func tellPanics(log *zap.Logger, page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if mistake := recover(); mistake != nil {
				log.Error("the status page made a mistake", zap.String("path", r.URL.Path), zap.Stack("stack"))
				panic(http.ErrAbortHandler)
			}
		}()
		page.ServeHTTP(w, r)
	})
}

// policy lets the page use its own style, script and icon, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
