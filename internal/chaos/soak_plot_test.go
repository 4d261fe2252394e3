//go:build kafka

package chaos

import (
	"fmt"
	"slices"
	"strings"
)

// plot draws what was sampled, one panel each.
func (s *soak) plot() string {
	const wide, high, left, gap = 720, 90, 60, 34
	panels := []struct {
		title string
		get   func(sample) float64
	}{
		{"resident memory, MiB", func(x sample) float64 { return x.rssMiB }},
		{"heap in use, MiB", func(x sample) float64 { return x.heapMiB }},
		{"goroutines", func(x sample) float64 { return x.goroutines }},
		{"file descriptors (dark: connections)", func(x sample) float64 { return x.descriptors }},
	}
	end := s.samples[len(s.samples)-1].at.Seconds()
	var b strings.Builder
	total := len(panels)*(high+gap) + 30
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img" aria-label="Memory, goroutines and descriptors over the soak">`, wide+left+20, total)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`)
	line := func(get func(sample) float64, top, most float64, colour string) {
		var points []string
		for _, x := range s.samples {
			points = append(points, fmt.Sprintf("%.1f,%.1f", left+x.at.Seconds()/end*wide, top+high*(1-get(x)/most)))
		}
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="1.2" points="%s"/>`, colour, strings.Join(points, " "))
	}
	for i, p := range panels {
		top := float64(24 + i*(high+gap))
		most := slices.Max(values(s.samples, p.get)) * 1.1
		fmt.Fprintf(&b, `<text x="%d" y="%.0f" fill="#222">%s</text>`, left, top-6, p.title)
		fmt.Fprintf(&b, `<path d="M%d %.0fV%.0fH%d" fill="none" stroke="#888"/>`, left, top, top+high, left+wide)
		fmt.Fprintf(&b, `<text x="%d" y="%.0f" text-anchor="end" fill="#555">%.0f</text><text x="%d" y="%.0f" text-anchor="end" fill="#555">0</text>`, left-6, top+10, most, left-6, top+high)
		line(p.get, top, most, "#2563eb")
		if strings.HasPrefix(p.title, "file") {
			line(func(x sample) float64 { return x.sockets }, top, most, "#111827")
		}
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#555">%.0f minutes</text></svg>`+"\n", left+wide, total-10, end/60)
	return b.String()
}
