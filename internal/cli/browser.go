package cli

import (
	"context"
	"os/exec"
	"runtime"

	"go.uber.org/zap"
)

// openBrowser shows a page in the user's browser. That it cannot is no reason not to go on.
func (w *world) openBrowser(ctx context.Context, url string, log *zap.Logger) {
	name, args := browserCommand(runtime.GOOS, url)

	// What is started outlives this process: it may be the browser itself.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), name, args...) //nolint:gosec // three names, and an address of our own
	if err := cmd.Start(); err != nil {
		log.Warn("cannot open the browser; open the page by hand", zap.String("address", url), zap.Error(err))

		return
	}

	go func() {
		if err := cmd.Wait(); err != nil {
			log.Warn("the browser did not open; open the page by hand", zap.String("address", url), zap.Error(err))
		}
	}()
}

// browserCommand is what opens an address with what the user has chosen for it.
func browserCommand(system, url string) (name string, args []string) {
	switch system {
	case "darwin":
		return "open", []string{url}
	case "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler", url}
	default:
		return "xdg-open", []string{url}
	}
}
