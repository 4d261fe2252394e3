//go:build race

package recordbatch_test

// raceDetector tells that sync.Pool forgets on purpose, so that the codecs' libraries allocate.
const raceDetector = true
