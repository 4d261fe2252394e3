// Package casetest tries a configuration on single events, without Kafka: it holds what comes
// out against the cases that users write, and counts what two catalogs make different of the
// same events.
//
// It is no second filter. Enriching is pkg/enrich's and matching is internal/route's; what
// only the filter knows, such as the size that a topic takes, is not looked at.
package casetest
