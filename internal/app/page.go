package app

import (
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/ops"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/internal/privacy"
	"github.com/callstream/enricher/pkg/enrich"
)

// statusPage is the page that the configuration asks for.
func (a *App) statusPage(cfg *config.Config, s *status) ops.Page {
	return ops.Page{
		Source: s, Reload: a.Reload, Pprof: cfg.Ops.Pprof, Token: string(cfg.Ops.Token), TLS: ops.TLS(cfg.Ops.TLS), Log: a.log.Named("page"),
	}
}

// sampler is how the first event of an unknown code is kept for the page; nil: there is none.
func (a *App) sampler() func(event []byte) string {
	if a.now().cfg.Ops.Page == "" {
		return nil
	}
	show := privacy.Policy(a.now().cfg.Privacy)
	return func(event []byte) string { return show.Sample(event, a.now().cfg.Enrich.Field) }
}

// masked shows what an explanation quotes of the event as the policy has it.
func masked(x *enrich.Explanation, show privacy.Policy) {
	x.Detail = show.Text(x.Detail)
	if !show.Reveal && x.Entry == nil && x.Code != nil && pipeline.LongCode(*x.Code) {
		x.Code = nil
	}
	for i := range x.Facts {
		x.Facts[i].Raw = string(show.JSON([]byte(x.Facts[i].Raw)))
	}
	for i := range x.Rules {
		x.Rules[i].Saw = show.Text(x.Rules[i].Saw)
	}
}

// warnOfPage says what an operator may not have thought of.
func (a *App) warnOfPage(cfg *config.Config) {
	if cfg.Ops.Token != "" && !cfg.Ops.TLS.On() && !config.Loopback(cfg.Ops.Page) {
		a.log.Warn("the status page's token goes over the network in the clear: set ops.tls, or let something in front of it speak TLS", zap.String("address", cfg.Ops.Page))
	}
}

// PageURL is where a browser on this machine finds the status page; "" if it is turned off.
func (a *App) PageURL() string {
	if s := a.pageServer(); s != nil {
		return s.URL()
	}
	return ""
}

// PageAddr is the address of the status page, with the real port; "" if it is turned off.
func (a *App) PageAddr() string {
	if s := a.pageServer(); s != nil {
		return s.Addr()
	}
	return ""
}

func (a *App) pageServer() *ops.Server {
	switch {
	case a.page != nil:
		return a.page
	case a.ops != nil && a.ops.HasPage():
		return a.ops
	default:
		return nil
	}
}
