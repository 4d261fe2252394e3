//go:build !race

package pipeline

// raceDetector: see the file for when it is on.
const raceDetector = false
