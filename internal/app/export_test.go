package app

import (
	"context"
	"os"
	"time"
)

// LooksToRetry is after how many looks a reload that failed is tried again.
const LooksToRetry = looksToRetry

// WatchFiles looks at the files when told to.
func (a *App) WatchFiles(ctx context.Context, looks <-chan time.Time, asked <-chan os.Signal) {
	a.watchFiles(ctx, looks, asked)
}

// LookEvery makes the program look at its files more often than in life. Before Run.
func (a *App) LookEvery(d time.Duration) { a.lookEvery = d }
