package app

import "time"

// LookEvery makes the program look at its files more often than in life. Before Run.
func (a *App) LookEvery(d time.Duration) { a.lookEvery = d }
