// Package chart holds the tests of the Helm chart beside it, and nothing else. It is a module of its own, so that Helm's and
// Kubernetes' libraries stay out of the program's.
package chart
