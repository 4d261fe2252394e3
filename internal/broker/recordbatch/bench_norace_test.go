//go:build !race

package recordbatch_test

// raceDetector: see the file for when it is on.
const raceDetector = false
