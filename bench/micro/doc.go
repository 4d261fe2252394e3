// Package micro sets one event in pkg/enrich beside libraries that the product does not
// depend on. It has benchmarks only:
//
//	go -C bench test -run '^$' -bench . ./micro
//
// Comparisons with what the product has anyway, gjson and encoding/json, stand beside the
// code, in pkg/enrich/bench_test.go.
package micro
