// Package kstreams has no Go in it but the test of the Kafka Streams peer beside it: make test-kafka runs it.
package kstreams
