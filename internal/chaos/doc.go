// Package chaos proves what the filter promises when things break: it runs the real program
// against a real Apache Kafka of three brokers, crashes, stops and cuts off both at random
// moments, and then looks for every event.
//
// It has only tests. Those that start brokers have the build tag "kafka"; the short ones run
// with `make test-kafka`, all of them with `make test-chaos`. What they found is in
// docs/reliability.md.
package chaos
