// Package k8s holds the tests of the Helm chart on a real Kubernetes control plane: API server, etcd, controller manager and
// scheduler, KEDA's operator and metrics server, and a real Apache Kafka, all on loopback addresses. Nodes are kwok's; beside each
// pod of theirs the test runs the pod's containers as processes of this machine: what is ready, logged and scaled is the real
// program. There is no container runtime, no network between pods and no image: `make test-image` starts that.
//
// The programs come from the modules in build, see `make test-k8s`.
package k8s
