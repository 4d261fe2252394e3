//go:build race

package pipeline

// raceDetector tells that sync.Pool forgets on purpose, so that the codecs' libraries allocate.
const raceDetector = true
